//! A record between the reader and the loader.

use crate::error::Violations;

/// What one record of a file becomes.
pub(super) trait Parsed: Send + 'static {
    /// The approximate memory in bytes. Each text counts with its allocation, which matters for short customer ids.
    fn memory(&self) -> usize;

    /// The id of the group to which the record belongs, if the records of a group can become one.
    fn group(&self) -> Option<&str> {
        None
    }

    /// Adds a record of the same group.
    fn merge(&mut self, _other: Self)
    where
        Self: Sized,
    {
    }

    /// Completes the record of a group.
    fn complete(&mut self) {}
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

impl<R: Parsed> Entry<R> {
    /// The approximate memory in bytes.
    pub(super) fn memory(&self) -> usize {
        let record = match &self.record {
            Ok(record) => record.memory(),
            Err(violations) => {
                let texts = violations
                    .iter()
                    .map(|f| f.field.len() + f.description.len());
                texts.map(|length| 2 * TEXT + length).sum::<usize>()
            }
        };
        size_of::<Self>() + self.raw.len() + record
    }
}
