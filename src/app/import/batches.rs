//! Records on their way from the reader to the database, gathered into batches.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

use super::{draft::Faults, record::Record, source::Source};
use crate::error::{Error, ErrorKind, Result, Violation};

/// Longest record taken; a file that is no text at all must not fill the memory.
pub(super) const MAX_RECORD: usize = 64 << 20;
/// Most records of a batch.
const BATCH_RECORDS: usize = 5_000;
/// Most memory of a batch, about, in bytes.
const BATCH_BYTES: usize = 4 << 20;

/// One record of the input.
#[derive(Debug)]
pub(super) struct Entry {
    /// The line on which it starts, from 1.
    pub(super) line: u64,
    /// Its bytes, kept where they may have to be written out again.
    pub(super) raw: Vec<u8>,
    pub(super) record: Result<Record, Faults>,
}

/// Records on their way into the database.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    /// The input's header as written, with the first batch of a CSV file.
    pub(super) header: Option<Vec<u8>>,
}

/// Why reading stops before the end.
#[derive(Debug)]
pub(super) enum Halt {
    /// Nobody takes the records any more.
    Gone,
    /// The input cannot be read on.
    Broken(Error),
}

/// Gathers records into batches.
pub(super) struct Batches {
    batch: Batch,
    bytes: usize,
    sender: mpsc::Sender<Batch>,
    keep_raw: bool,
    source: Source,
}

/// The first line without the byte order mark that some editors put there.
pub(super) fn without_mark(line: &[u8], number: u64) -> &[u8] {
    match line.strip_prefix(b"\xEF\xBB\xBF") {
        Some(rest) if number == 1 => rest,
        _ => line,
    }
}

pub(super) fn not_utf8(error: &std::str::Utf8Error) -> Faults {
    let at = error.valid_up_to() + 1;
    vec![Violation::of_record(
        "record",
        format!("is not UTF-8 at byte {at}"),
    )]
    .into()
}

impl Batches {
    /// Batches that go to `sender`. `keep_raw` keeps each record's bytes too.
    pub(super) fn new(source: Source, keep_raw: bool, sender: mpsc::Sender<Batch>) -> Self {
        Self {
            batch: Batch::default(),
            bytes: 0,
            sender,
            keep_raw,
            source,
        }
    }

    /// Adds a line, its end too, to `buffer`; false at the end of the input.
    pub(super) fn read_line(
        &self,
        input: &mut impl BufRead,
        buffer: &mut Vec<u8>,
        number: u64,
    ) -> Result<bool, Halt> {
        let room = MAX_RECORD.saturating_sub(buffer.len()) as u64 + 1;
        let count = input
            .take(room)
            .read_until(b'\n', buffer)
            .map_err(|error| self.unreadable(number, &error))?;
        if buffer.len() > MAX_RECORD {
            return Err(self.broken(number, "the record is longer than 64 MiB"));
        }
        Ok(count > 0)
    }

    /// Takes a record that starts on `line`.
    pub(super) fn push(
        &mut self,
        line: u64,
        raw: &[u8],
        record: Result<Record, Faults>,
    ) -> Result<(), Halt> {
        let raw = if self.keep_raw { raw } else { &[] };
        self.bytes += raw.len() + memory(&record);
        self.batch.entries.push(Entry {
            line,
            raw: raw.to_owned(),
            record,
        });
        if self.batch.entries.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Keeps a CSV file's header for the file of rejects.
    pub(super) fn header(&mut self, raw: &[u8]) {
        self.batch.header = Some(raw.to_owned());
    }

    /// Hands over what was gathered, be it nothing.
    pub(super) fn flush(&mut self) -> Result<(), Halt> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.sender.blocking_send(batch).map_err(|_| Halt::Gone)
    }

    /// The input breaks off or cannot be understood from `line` on.
    pub(super) fn broken(&self, line: u64, what: impl std::fmt::Display) -> Halt {
        let what = format!(
            "{}, line {line}: {what}; nothing was loaded",
            self.source.name()
        );
        Halt::Broken(Error::new(ErrorKind::InvalidArgument, what))
    }

    /// Reading failed after the start of `line`.
    pub(super) fn unreadable(&self, line: u64, error: &io::Error) -> Halt {
        let what = match (self.source.compression(), error.kind()) {
            (None, _) => format!("reading failed: {error}"),
            (Some(how), io::ErrorKind::UnexpectedEof) => {
                format!("the {} data ends in the middle", how.name())
            }
            (Some(how), _) => format!("the {} data is broken: {error}", how.name()),
        };
        self.broken(line, what)
    }
}

/// About what a record takes: the length of a text says little where customer ids are short.
fn memory(record: &Result<Record, Faults>) -> usize {
    const TEXT: usize = size_of::<String>() + 16;
    match record {
        Ok(Record { task, .. }) => {
            let targets: usize = task.targets.iter().map(|t| TEXT + t.len()).sum();
            let texts = task.task_id.len() + task.name.len() + task.status_reason.len();
            size_of::<Entry>() + texts + targets + size_of_val(&*task.results)
        }
        Err(faults) => {
            let texts = faults.iter().map(|f| f.field.len() + f.description.len());
            size_of::<Entry>() + texts.map(|length| 2 * TEXT + length).sum::<usize>()
        }
    }
}
