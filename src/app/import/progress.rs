//! How an import is followed while it runs.

use crate::error::Violation;

/// Receives an import's progress, and each bad record, while the import runs.
pub trait ImportProgress: Send + Sync {
    /// How many bytes there are in all, where that is known.
    fn size(&self, bytes: u64);
    /// So many bytes more were read.
    fn read(&self, bytes: u64);
    /// So many tasks are loaded by now, though not yet for good.
    fn loaded(&self, tasks: u64);
    /// The record of this number, which starts on `line`, is bad.
    fn bad(&self, line: u64, record: u64, faults: &[Violation]);
}
