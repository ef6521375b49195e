//! Reads and parses the input on a thread of its own, and sends the records to the loader in batches.
//!
//! The channel holds one batch: while one is loaded, the next one is parsed. Memory does not grow with the input.

use std::{io::BufReader, sync::Arc};

use tokio::sync::mpsc;

use super::{
    batches::{Batch, Batches, Halt, not_in},
    csv, document,
    encoding::Encoding,
    options::ReadOptions,
    progress::ImportProgress,
    reading::Reading,
    record::from_json,
    report::ReadAs,
    source::{ImportFormat, Source},
    text::Text,
    workbook,
};
use crate::error::Result;

/// A buffer that a long record enlarged beyond this size, in bytes, is shrunk again.
const KEPT_BUFFER: usize = 1 << 20;

/// Reads all of `source`. Blocks, so it must run on a thread of its own.
pub(super) fn run(
    source: Source,
    format: ImportFormat,
    options: ReadOptions,
    keep_raw: bool,
    progress: &Arc<dyn ImportProgress>,
    sender: mpsc::Sender<Batch>,
) -> Result<()> {
    let input = source.open(progress)?;
    let mut batches = Batches::new(source, keep_raw, sender);
    let reading = Reading::new(options);
    let mut encoding = (Encoding::UTF_8, None);
    let mut decoded = |input, read: ReadText| {
        let mut text = Text::new(input, reading.options.encoding);
        let read = read(&mut text, &mut batches, &reading);
        encoding = (text.encoding(), text.likely());
        read
    };
    let read = match format {
        ImportFormat::Ndjson => decoded(input, lines),
        ImportFormat::Csv => decoded(input, csv::read),
        ImportFormat::Json => decoded(input, json),
        ImportFormat::Workbook => workbook::read(input, &mut batches, &reading),
    };
    let (encoding, likely) = encoding;
    progress.read_as(ReadAs {
        encoding,
        likely,
        sheet: reading.sheet.take(),
        delimiter: reading.delimiter.get(),
        renamed: reading.renamed.take(),
        ignored: reading.ignored.take(),
        blank_rows: reading.blank_rows.get(),
    });
    match read.and_then(|()| batches.flush()) {
        Ok(()) | Err(Halt::Gone) => Ok(()),
        Err(Halt::Broken(error)) => Err(error),
    }
}

/// Reads a format that is text.
type ReadText = fn(&mut Text, &mut Batches, &Reading) -> Result<(), Halt>;

fn json(input: &mut Text, batches: &mut Batches, reading: &Reading) -> Result<(), Halt> {
    // serde reads single bytes, for which this buffer is the fastest.
    document::read(BufReader::with_capacity(1 << 16, input), batches, reading)
}

fn lines(input: &mut Text, batches: &mut Batches, reading: &Reading) -> Result<(), Halt> {
    let mut buffer = Vec::new();
    for number in 1.. {
        buffer.clear();
        buffer.shrink_to(KEPT_BUFFER);
        if !batches.read_line(input, &mut buffer, number, b'\n')? {
            break;
        }
        let raw = buffer.strip_suffix(b"\n").unwrap_or(&buffer);
        if raw.trim_ascii().is_empty() {
            continue;
        }
        let record = match std::str::from_utf8(raw) {
            Ok(text) => from_json(text, reading),
            Err(error) => Err(not_in(input.encoding().name(), raw, &error)),
        };
        batches.push(number, raw, record, reading)?;
    }
    Ok(())
}
