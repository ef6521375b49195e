//! Batches of records between the reader and the loader.

use std::{
    io::{self, BufRead, Read},
    str::Utf8Error,
};

use tokio::sync::mpsc;

use super::{
    delimiter::Delimiter,
    encoding::Encoding,
    entry::{Entry, Parsed},
    field::quoted,
    groups::Groups,
    reading::Reading,
    source::{Limits, Origin},
};
use crate::error::{Error, ErrorKind, Fault, Reason, Result, Violation, Violations};

/// The maximum number of records in a batch.
const BATCH_RECORDS: usize = 5_000;
/// The approximate maximum memory of a batch, in bytes.
const BATCH_BYTES: usize = 4 << 20;

/// Records for the loader.
#[derive(Debug)]
pub(super) struct Batch<R> {
    pub(super) entries: Vec<Entry<R>>,
    /// What a file of rejects begins with, and its delimiter; only in the first batch.
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
    /// The records that are being collected, if several of them become one.
    groups: Option<Groups<R>>,
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
        true => Fault::new(
            Reason::NotUtf8,
            format!("is not UTF-8 at byte {}", before.len() + 1),
        ),
        false => {
            let before = String::from_utf8_lossy(before);
            let last = before.char_indices().rev().take(10).last();
            let last = last.map_or("", |(at, _)| &before[at..]);
            format!("has bytes that are not {encoding} after {}", quoted(last)).into()
        }
    };
    vec![Violation::of_record("record", why)].into()
}

impl<R: Parsed> Batches<R> {
    /// Sends batches to `sender`. With `keep_raw`, entries contain the bytes of their records. With `is_grouped`, the
    /// records of a group become one.
    pub(super) fn new(
        origin: Origin,
        limits: Limits,
        keep_raw: bool,
        is_grouped: bool,
        sender: mpsc::Sender<Batch<R>>,
    ) -> Self {
        Self {
            batch: Batch::default(),
            bytes: 0,
            sender,
            keep_raw,
            origin,
            limits,
            groups: is_grouped.then(Groups::default),
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
        let entry = Entry {
            line,
            raw: raw.to_owned(),
            record,
        };
        let Some(groups) = &mut self.groups else {
            return self.add(entry);
        };
        match groups.add(entry, reading.option_names) {
            Ok(complete) => complete.into_iter().try_for_each(|entry| self.add(entry)),
            Err(what) => Err(self.broken(line, what)),
        }
    }

    /// Adds a record to the batch.
    fn add(&mut self, entry: Entry<R>) -> Result<(), Halt> {
        self.bytes += entry.memory();
        self.batch.entries.push(entry);
        if self.batch.entries.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Stores what a file of rejects begins with: perhaps a byte order mark and a header, which is a line of its own.
    pub(super) fn header(&mut self, mut start: Vec<u8>, is_line: bool, delimiter: Delimiter) {
        if is_line {
            start.push(b'\n');
        }
        self.batch.header = Some((start, delimiter));
    }

    /// Sends all that is left, and at least one batch.
    pub(super) fn finish(&mut self) -> Result<(), Halt> {
        let groups = self.groups.take();
        let complete = groups.map(Groups::finish).unwrap_or_default();
        complete.into_iter().try_for_each(|entry| self.add(entry))?;
        self.flush()
    }

    /// Sends the current batch, even if it is empty; waits until the loader takes it.
    fn flush(&mut self) -> Result<(), Halt> {
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
