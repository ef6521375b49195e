//! Progress reports of an import.

use super::report::ReadAs;
use crate::error::Violation;

/// Receives the progress of a running import, and each bad record.
pub trait ImportProgress: Send + Sync {
    /// The total number of bytes, if it is known.
    fn size(&self, bytes: u64);
    /// `bytes` more bytes were read.
    fn read(&self, bytes: u64);
    /// `tasks` tasks have been loaded in total, but not yet committed.
    fn loaded(&self, tasks: u64);
    /// How the file was read; comes once, when all of it was read or the reading failed.
    fn read_as(&self, how: ReadAs);
    /// Record number `record`, which starts on `line`, is bad.
    fn bad(&self, line: u64, record: u64, violations: &[Violation]);
}
