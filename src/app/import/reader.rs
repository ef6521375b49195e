//! Reads and parses the input on a thread of its own, and sends the records to the loader in batches.
//!
//! The channel holds one batch: while one is loaded, the next one is parsed. Memory does not grow with the input.

use std::{
    io::{BufRead, BufReader, Read},
    sync::Arc,
};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    batches::{Batch, Batches, Halt, not_in},
    chunks::Chunks,
    csv,
    delimiter::Delimiter,
    document,
    entry::Parsed,
    format::ImportFormat,
    lead_columns::LeadColumns,
    leads::Leads,
    options::ReadOptions,
    progress::ImportProgress,
    reading::Reading,
    record::{Record, from_json},
    report::ReadAs,
    source::Input,
    table::{Table, Tasks},
    text::Text,
    workbook,
};
use crate::error::{Error, Result};

/// A buffer that a long record enlarged beyond this size, in bytes, is shrunk again.
const KEPT_BUFFER: usize = 1 << 20;

/// What to read, and how.
pub(super) struct Opening {
    pub(super) input: Input,
    pub(super) format: ImportFormat,
    pub(super) options: ReadOptions,
    /// Whether the records keep their bytes, for a file of rejects.
    pub(super) keep_raw: bool,
}

impl Opening {
    /// The file of a caller.
    pub(super) fn of_upload(file: Chunks, format: ImportFormat, options: ReadOptions) -> Self {
        Self {
            input: Input::Upload(file),
            format,
            options,
            keep_raw: false,
        }
    }
}

/// The records of an input, batch by batch.
pub(super) struct Records<R> {
    batches: mpsc::Receiver<Batch<R>>,
    reader: JoinHandle<Result<()>>,
    first: Option<Batch<R>>,
}

impl<R> Records<R> {
    /// The next batch; `None` at the end. An error if the input cannot be read further.
    pub(super) async fn next(&mut self) -> Result<Option<Batch<R>>> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => self.batches.recv().await,
        };
        if next.is_none() {
            (&mut self.reader).await.map_err(Error::internal)??;
        }
        Ok(next)
    }
}

/// Opens and reads an input of tasks.
pub(super) async fn tasks(
    opening: Opening,
    progress: &Arc<dyn ImportProgress>,
) -> Result<Records<Record>> {
    let format = opening.format;
    let read = move |input, batches: &mut Batches<Record>, reading: &Reading| match format {
        ImportFormat::Ndjson => decoded(input, reading, |text| lines(text, batches, reading)),
        ImportFormat::Json => decoded(input, reading, |text| json(text, batches, reading)),
        _ => table(input, format, batches, reading, &mut Tasks::new(reading)),
    };
    open(opening, progress, read).await
}

/// Opens and reads a lead list.
pub(super) async fn leads(
    opening: Opening,
    columns: LeadColumns,
    progress: &Arc<dyn ImportProgress>,
) -> Result<Records<super::leads::Lead>> {
    let format = opening.format;
    let read = move |input, batches: &mut Batches<_>, reading: &Reading| {
        let mut leads = Leads::new(reading, &columns);
        table(input, format, batches, reading, &mut leads)
    };
    open(opening, progress, read).await
}

/// Starts a thread that reads all of the input. Returns with the first batch, possibly empty, which proves that the input
/// can be opened and read.
async fn open<R: Parsed>(
    opening: Opening,
    progress: &Arc<dyn ImportProgress>,
    read: impl FnOnce(Box<dyn Read + Send>, &mut Batches<R>, &Reading) -> Result<(), Halt>
    + Send
    + 'static,
) -> Result<Records<R>> {
    let (sender, batches) = mpsc::channel(1);
    let progress = Arc::clone(progress);
    let reader = tokio::task::spawn_blocking(move || run(opening, &progress, sender, read));
    let mut records = Records {
        batches,
        reader,
        first: None,
    };
    match records.next().await? {
        None => Err(Error::internal("the reader ended without a batch")),
        first => Ok(Records { first, ..records }),
    }
}

/// Reads all of the input. Blocks, so it must run on a thread of its own.
fn run<R: Parsed>(
    opening: Opening,
    progress: &Arc<dyn ImportProgress>,
    sender: mpsc::Sender<Batch<R>>,
    read: impl FnOnce(Box<dyn Read + Send>, &mut Batches<R>, &Reading) -> Result<(), Halt>,
) -> Result<()> {
    let Opening {
        input,
        format: _,
        options,
        keep_raw,
    } = opening;
    let (origin, limits) = (input.origin(), input.limits());
    let reading = Reading::new(options, input.option_names());
    let input = input.open(progress)?;
    let mut batches = Batches::new(origin, limits, keep_raw, reading.is_grouped(), sender);
    let read = read(input, &mut batches, &reading);
    let (encoding, likely) = reading.encoding.get();
    progress.read_as(ReadAs {
        encoding,
        likely,
        sheet: reading.sheet.take(),
        delimiter: reading.delimiter.get(),
        has_no_header: reading.has_no_header.get(),
        renamed: reading.renamed.take(),
        ignored: reading.ignored.take(),
        blank_rows: reading.blank_rows.get(),
    });
    match read.and_then(|()| batches.finish()) {
        Ok(()) | Err(Halt::Gone) => Ok(()),
        Err(Halt::Broken(error)) => Err(error),
    }
}

/// Reads a format that is text, and notes its encoding.
fn decoded(
    input: Box<dyn Read + Send>,
    reading: &Reading,
    read: impl FnOnce(&mut Text) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let mut text = Text::new(input, reading.options.encoding);
    let read = read(&mut text);
    reading.encoding.set((text.encoding(), text.likely()));
    read
}

/// Reads rows: a sheet of a workbook, or else CSV.
fn table<T: Table>(
    input: Box<dyn Read + Send>,
    format: ImportFormat,
    batches: &mut Batches<T::Record>,
    reading: &Reading,
    table: &mut T,
) -> Result<(), Halt> {
    match format {
        ImportFormat::Workbook => workbook::read(input, batches, reading, table),
        _ => decoded(input, reading, |text| {
            csv::read(text, batches, reading, table)
        }),
    }
}

fn json(input: &mut Text, batches: &mut Batches<Record>, reading: &Reading) -> Result<(), Halt> {
    mark_rejects(input, batches)?;
    // serde reads single bytes, for which this buffer is the fastest.
    document::read(BufReader::with_capacity(1 << 16, input), batches, reading)
}

/// Notes the byte order mark of rejects, as far as the beginning of the input tells the encoding.
fn mark_rejects(input: &mut Text, batches: &mut Batches<Record>) -> Result<(), Halt> {
    let filled = input.fill_buf().map(|_| ());
    filled.map_err(|error| batches.unreadable(1, &error))?;
    let mark = input.rejects_mark().into();
    batches.header(mark, false, Delimiter::default());
    Ok(())
}

fn lines(input: &mut Text, batches: &mut Batches<Record>, reading: &Reading) -> Result<(), Halt> {
    mark_rejects(input, batches)?;
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
