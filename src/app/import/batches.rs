//! Batches of records between the reader and the loader.

use std::{
    io::{self, BufRead, Read},
    str::Utf8Error,
};

use tokio::sync::mpsc;

use super::{
    delimiter::Delimiter,
    encoding::Encoding,
    field::quoted,
    reading::Reading,
    source::{Limits, Origin},
};
use crate::error::{Error, ErrorKind, Result, Violation, Violations};

/// The maximum number of records in a batch.
const BATCH_RECORDS: usize = 5_000;
/// The approximate maximum memory of a batch, in bytes.
const BATCH_BYTES: usize = 4 << 20;

/// What one record of a file becomes.
pub(super) trait Parsed: Send + 'static {
    /// The approximate memory in bytes. Each text counts with its allocation, which matters for short customer ids.
    fn memory(&self) -> usize;
}

/// The memory of a text besides its bytes.
pub(super) const TEXT: usize = size_of::<String>() + 16;

/// One record of the input.
#[derive(Debug)]
pub(super) struct Entry<R> {
    /// The line on which the record starts, from 1.
    pub(super) line: u64,
    /// The bytes of the record; empty unless a file of rejects may need them.
    pub(super) raw: Vec<u8>,
    pub(super) record: Result<R, Violations>,
}

/// Records for the loader.
#[derive(Debug)]
pub(super) struct Batch<R> {
    pub(super) entries: Vec<Entry<R>>,
    /// The header line of a CSV file and its delimiter; only in the first batch.
    pub(super) header: Option<(Vec<u8>, Delimiter)>,
}

/// Why reading stopped early.
#[derive(Debug)]
pub(super) enum Halt {
    /// The loader has ended.
    Gone,
    /// The rest of the input cannot be read.
    Broken(Error),
}

/// Collects records into batches and sends them.
pub(super) struct Batches<R> {
    batch: Batch<R>,
    bytes: usize,
    sender: mpsc::Sender<Batch<R>>,
    keep_raw: bool,
    origin: Origin,
    pub(super) limits: Limits,
}

impl<R> Default for Batch<R> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            header: None,
        }
    }
}

/// The violation for a record with bytes that are invalid in the file's encoding. Of another one than UTF-8, the record
/// is decoded, so that its positions say nothing.
pub(super) fn not_in(encoding: &str, record: &[u8], error: &Utf8Error) -> Violations {
    let before = &record[..error.valid_up_to()];
    let why = match encoding == Encoding::UTF_8.name() {
        true => format!("is not UTF-8 at byte {}", before.len() + 1),
        false => {
            let before = String::from_utf8_lossy(before);
            let last = before.char_indices().rev().take(10).last();
            let last = last.map_or("", |(at, _)| &before[at..]);
            format!("has bytes that are not {encoding} after {}", quoted(last))
        }
    };
    vec![Violation::of_record("record", why)].into()
}

impl<R: Parsed> Batches<R> {
    /// Sends batches to `sender`. With `keep_raw`, entries contain the bytes of their records.
    pub(super) fn new(
        origin: Origin,
        limits: Limits,
        keep_raw: bool,
        sender: mpsc::Sender<Batch<R>>,
    ) -> Self {
        Self {
            batch: Batch::default(),
            bytes: 0,
            sender,
            keep_raw,
            origin,
            limits,
        }
    }

    /// Appends a line including its line end to `buffer`; false at the end of the input.
    pub(super) fn read_line(
        &self,
        input: &mut impl BufRead,
        buffer: &mut Vec<u8>,
        number: u64,
        line_end: u8,
    ) -> Result<bool, Halt> {
        let most = self.limits.record;
        let room = most.saturating_sub(buffer.len()) as u64 + 1;
        let count = input
            .take(room)
            .read_until(line_end, buffer)
            .map_err(|error| self.unreadable(number, &error))?;
        if buffer.len() > most {
            return Err(self.broken(number, self.limits.record_too_long()));
        }
        Ok(count > 0)
    }

    /// Adds a record that starts on `line`.
    pub(super) fn push(
        &mut self,
        line: u64,
        raw: &[u8],
        record: Result<R, Violations>,
        reading: &Reading,
    ) -> Result<(), Halt> {
        if let Some(why) = reading.take_untrusted() {
            return Err(self.broken(line, why));
        }
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

    /// Stores the header of a CSV file for the file of rejects.
    pub(super) fn header(&mut self, raw: Vec<u8>, delimiter: Delimiter) {
        self.batch.header = Some((raw, delimiter));
    }

    /// Sends the current batch, even if it is empty; waits until the loader takes it.
    pub(super) fn flush(&mut self) -> Result<(), Halt> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.sender.blocking_send(batch).map_err(|_| Halt::Gone)
    }

    /// An error for input that ends unexpectedly or is invalid from `line` on.
    pub(super) fn broken(&self, line: u64, what: impl std::fmt::Display) -> Halt {
        let what = format!(
            "{}, line {line}: {what}; nothing was loaded",
            self.origin.name
        );
        Halt::Broken(Error::new(ErrorKind::InvalidArgument, what))
    }

    /// An error for a failed read after the start of `line`.
    pub(super) fn unreadable(&self, line: u64, error: &io::Error) -> Halt {
        let what = match (self.origin.compression, error.kind()) {
            (None, _) => format!("reading failed: {error}"),
            (Some(how), io::ErrorKind::UnexpectedEof) => {
                format!("the {} data ends in the middle", how.name())
            }
            (Some(how), _) => format!("the {} data is damaged: {error}", how.name()),
        };
        self.broken(line, what)
    }
}

/// The approximate memory of an entry without its bytes.
fn memory<R: Parsed>(record: &Result<R, Violations>) -> usize {
    size_of::<Entry<R>>()
        + match record {
            Ok(record) => record.memory(),
            Err(violations) => {
                let texts = violations
                    .iter()
                    .map(|f| f.field.len() + f.description.len());
                texts.map(|length| 2 * TEXT + length).sum::<usize>()
            }
        }
}
