//! The cached answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use moka::sync::Cache;

use super::key::AnswerKey;
use crate::app::answer::Written;

/// An answer is not used for longer than this, whatever the checks say. The change log has every change that is made with
/// the triggers of `tasks`. This bound is for what is done without them: logical replication, `DISABLE TRIGGER`, a repair of
/// the counts.
const LONGEST: Duration = Duration::from_secs(60);
/// Memory of an entry besides its key and its bytes.
const ENTRY_BYTES: usize = 256;
/// The share of the cache that one answer may take, so that a huge page does not evict many small ones.
const LARGEST_SHARE: usize = 16;

/// A time of a tenant in which no check found a change. No two tenants have the same, and no two times of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// A cached answer.
#[derive(Debug)]
pub(super) struct Kept {
    /// The answer shows a snapshot of this epoch.
    pub(super) epoch: Epoch,
    pub(super) written: Written,
}

/// All cached answers, and what is counted about them.
#[derive(Debug)]
pub(super) struct Store {
    /// TinyLFU decides what is admitted and what is evicted: an answer that is asked for once does not push out one that
    /// is asked for often.
    answers: Cache<Arc<AnswerKey>, Arc<Kept>>,
    largest: usize,
    epochs: AtomicU64,
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) checks: AtomicU64,
}

impl Store {
    /// A store for about `bytes` of answers.
    pub(super) fn new(bytes: usize) -> Self {
        let weigh = |key: &Arc<AnswerKey>, kept: &Arc<Kept>| {
            let bytes = ENTRY_BYTES + key.memory() + kept.written.len();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            answers: Cache::builder()
                .max_capacity(bytes as u64)
                .weigher(weigh)
                .time_to_live(LONGEST)
                .build(),
            largest: bytes / LARGEST_SHARE,
            epochs: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            checks: AtomicU64::new(0),
        }
    }

    /// A new epoch.
    pub(super) fn next_epoch(&self) -> Epoch {
        Epoch(self.epochs.fetch_add(1, Relaxed))
    }

    pub(super) fn get(&self, key: &AnswerKey) -> Option<Arc<Kept>> {
        self.answers.get(key)
    }

    /// Keeps an answer, unless it is too large.
    pub(super) fn put(&self, key: Arc<AnswerKey>, epoch: Epoch, written: &Written) {
        if written.len() <= self.largest {
            let written = written.trimmed();
            self.answers.insert(key, Arc::new(Kept { epoch, written }));
        }
    }

    /// Approximate memory in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.answers.weighted_size()
    }
}
