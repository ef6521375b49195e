//! The cache of API keys, which saves most calls a query.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use crate::{db::KeyCheck, domain::key::KeyId};

/// How long a cached record is valid: half of the 2 s within which a revocation must take effect.
pub(super) const FRESH: Duration = Duration::from_secs(1);
/// The maximum number of cached keys that exist.
const MOST_FOUND: usize = 20_000;
/// The maximum number of cached keys that do not exist, which limits the memory during a flood of invented keys.
const MOST_MISSING: usize = 10_000;
/// Records that nobody has requested for this time are evicted when the cache is full.
const UNUSED: Duration = Duration::from_secs(60);
/// The maximum number of calls that wait for a query for a new key.
const MOST_WAITING: usize = 1_000;
/// The number of locks for queries of existing keys. Calls with the same key share a lock, so that only one queries.
const TURNS: usize = 64;

/// What the cache knows about a key.
pub(super) enum Known {
    /// A valid record; `None` if the key does not exist.
    Fresh(Option<Arc<KeyCheck>>),
    /// The key existed, but the record has expired.
    Stale,
    /// The cache has no record.
    Nothing,
}

/// A lock for queries of existing keys; it holds the time of the last failed query.
pub(super) type Turn = tokio::sync::Mutex<Option<Instant>>;

#[derive(Debug, Default)]
struct Records {
    /// Existing keys with the time of the query.
    found: HashMap<KeyId, (Instant, Arc<KeyCheck>)>,
    /// Keys that do not exist, with the time of the query.
    missing: HashMap<KeyId, Instant>,
}

/// The cache of API keys.
#[derive(Debug)]
pub(super) struct KeyCache {
    records: Mutex<Records>,
    hasher: RandomState,
    /// Locks for queries of existing keys, selected by the hash of the key id.
    turns: [Turn; TURNS],
    /// Permits for queries of keys that are not in the cache.
    pub(super) queries: Semaphore,
    /// Permits for calls that wait for such a query or make one.
    pub(super) waiting: Semaphore,
}

impl KeyCache {
    /// Creates the cache for a pool of `pool_size` connections.
    pub(super) fn new(pool_size: usize) -> Self {
        Self {
            records: Mutex::default(),
            hasher: RandomState::new(),
            turns: [const { Turn::const_new(None) }; TURNS],
            queries: Semaphore::new((pool_size / 4).max(1)),
            waiting: Semaphore::new(MOST_WAITING),
        }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: &KeyId) -> Known {
        let records = self.records();
        match (records.found.get(id), records.missing.get(id)) {
            (Some((asked, record)), _) if asked.elapsed() < FRESH => {
                Known::Fresh(Some(Arc::clone(record)))
            }
            (Some(_), _) => Known::Stale,
            (None, Some(asked)) if asked.elapsed() < FRESH => Known::Fresh(None),
            (None, _) => Known::Nothing,
        }
    }

    /// Stores the result of a query. `asked` is the start of the query, because the result may be as old as that.
    pub(super) fn put(&self, id: &KeyId, asked: Instant, record: Option<Arc<KeyCheck>>) {
        let Records { found, missing } = &mut *self.records();
        if let Some(record) = record {
            missing.remove(id);
            if found.len() >= MOST_FOUND && !found.contains_key(id) {
                found.retain(|_, (asked, _)| asked.elapsed() < UNUSED);
            }
            if found.len() < MOST_FOUND || found.contains_key(id) {
                found.insert(id.clone(), (asked, record));
            }
            return;
        }
        found.remove(id);
        if missing.len() >= MOST_MISSING {
            missing.retain(|_, asked| asked.elapsed() < FRESH);
        }
        if missing.len() < MOST_MISSING {
            missing.insert(id.clone(), asked);
        }
    }

    /// Removes the record of a key that has changed.
    pub(super) fn forget(&self, id: &KeyId) {
        self.records().found.remove(id);
    }

    /// The lock for queries of this key.
    pub(super) fn turn(&self, id: &KeyId) -> &Turn {
        &self.turns[self.hasher.hash_one(id) as usize % TURNS]
    }
}
