//! Reads and parses the input on a thread of its own, and sends the records to the loader in batches.
//!
//! The channel holds one batch: while one is loaded, the next one is parsed. Memory does not grow with the input.

use std::{
    io::{BufRead, BufReader},
    sync::Arc,
};

use tokio::sync::mpsc;

use super::{
    batches::{Batch, Batches, Halt, not_utf8, without_mark},
    csv, document,
    progress::ImportProgress,
    record::from_json,
    source::{ImportFormat, Source},
};
use crate::error::Result;

/// A buffer that a long record enlarged beyond this size, in bytes, is shrunk again.
const KEPT_BUFFER: usize = 1 << 20;

/// Reads all of `source`. Blocks, so it must run on a thread of its own.
pub(super) fn run(
    source: Source,
    format: ImportFormat,
    keep_raw: bool,
    progress: &Arc<dyn ImportProgress>,
    sender: mpsc::Sender<Batch>,
) -> Result<()> {
    let input = source.open(progress)?;
    let mut batches = Batches::new(source, keep_raw, sender);
    let input = BufReader::with_capacity(1 << 16, input);
    let read = match format {
        ImportFormat::Ndjson => lines(input, &mut batches),
        ImportFormat::Csv => csv::read(input, &mut batches),
        ImportFormat::Json => document::read(input, &mut batches),
    };
    match read.and_then(|()| batches.flush()) {
        Ok(()) | Err(Halt::Gone) => Ok(()),
        Err(Halt::Broken(error)) => Err(error),
    }
}

fn lines(mut input: impl BufRead, batches: &mut Batches) -> Result<(), Halt> {
    let mut buffer = Vec::new();
    for number in 1.. {
        buffer.clear();
        buffer.shrink_to(KEPT_BUFFER);
        if !batches.read_line(&mut input, &mut buffer, number)? {
            break;
        }
        let raw = buffer.strip_suffix(b"\n").unwrap_or(&buffer);
        let raw = without_mark(raw, number);
        if raw.trim_ascii().is_empty() {
            continue;
        }
        let record = match std::str::from_utf8(raw) {
            Ok(text) => from_json(text),
            Err(error) => Err(not_utf8(&error)),
        };
        batches.push(number, raw, record)?;
    }
    Ok(())
}
