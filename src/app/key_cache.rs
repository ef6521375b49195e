//! The cache of API keys, which saves most calls a query.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use crate::{
    db::{KeyCheck, KeyRecord},
    domain::{
        key::KeyId,
        rate::{Limit, Unit},
        tenant::TenantId,
    },
    quota::{Account, Limits, Meter},
};

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
/// The same for keys from addresses that sent many wrong ones. With the pauses between their queries, the last of them
/// waits for about a second.
const MOST_SUSPECTS: usize = 500;
/// The map of tenants is cleaned of tenants whose quotas are untouched when it reaches this size.
const TENANTS: usize = 1024;
/// The number of locks for queries of existing keys. Calls with the same key share a lock, so that only one queries.
const TURNS: usize = 64;

/// What the cache knows about a key.
pub(super) enum Known {
    /// A valid record; `None` if the key does not exist.
    Fresh(Option<Arc<CachedKey>>),
    /// The key existed, but the record has expired.
    Stale,
    /// The cache has no record.
    Nothing,
}

/// A cached key.
#[derive(Debug)]
pub(super) struct CachedKey {
    pub(super) check: KeyCheck,
    /// Its quotas; `None` if nothing limits it. The lookup of a call finds them together with the key, so quotas need no
    /// lock of their own.
    pub(super) account: Option<Arc<Account>>,
}

/// A lock for queries of existing keys; it holds the time of the last failed query.
pub(super) type Turn = tokio::sync::Mutex<Option<Instant>>;

#[derive(Debug, Default)]
struct Records {
    /// Existing keys with the time of the query.
    found: HashMap<KeyId, (Instant, Arc<CachedKey>)>,
    /// Keys that do not exist, with the time of the query.
    missing: HashMap<KeyId, Instant>,
    /// The buckets that the keys of a tenant share.
    tenants: HashMap<TenantId, Arc<Meter>>,
}

impl Records {
    /// The quotas of a key. Its buckets and its tenant's stay the same as long as they are cached.
    fn account(&mut self, id: &KeyId, limits: Limits) -> Option<Arc<Account>> {
        if limits == Limits::OFF {
            return None;
        }
        let known = self.found.get(id);
        let known = known.and_then(|(_, known)| known.account.as_ref());
        let key = known.map_or_else(Arc::default, |account| Arc::clone(account.key_meter()));
        let tenant = match self.tenants.get(id.tenant()) {
            Some(meter) => Arc::clone(meter),
            None => {
                if self.tenants.len() >= TENANTS {
                    let is_used = |meter: &mut Arc<Meter>| Arc::strong_count(meter) > 1;
                    self.tenants.retain(|_, m| is_used(m) || !m.is_full());
                }
                let meter = self.tenants.entry(id.tenant().clone()).or_default();
                Arc::clone(meter)
            }
        };
        Account::new(key, tenant, limits)
    }
}

/// Limits the queries for keys that are not in the cache.
#[derive(Debug)]
pub(super) struct Lane {
    /// Permits for queries.
    pub(super) queries: Arc<Semaphore>,
    /// Permits for calls that wait for such a query or make one.
    pub(super) waiting: Semaphore,
}

impl Lane {
    fn new(queries: usize, waiting: usize) -> Self {
        Self {
            queries: Arc::new(Semaphore::new(queries)),
            waiting: Semaphore::new(waiting),
        }
    }
}

/// The cache of API keys.
#[derive(Debug)]
pub(super) struct KeyCache {
    records: Mutex<Records>,
    /// The limits of keys that have none of their own, and of tenants.
    limits: Limits,
    hasher: RandomState,
    /// Locks for queries of existing keys, selected by the hash of the key id.
    turns: [Turn; TURNS],
    /// For keys that are not in the cache.
    pub(super) new_keys: Lane,
    /// The same for keys from addresses that sent many wrong ones.
    pub(super) suspects: Lane,
}

impl KeyCache {
    /// Creates the cache for a pool of `pool_size` connections.
    pub(super) fn new(pool_size: usize) -> Self {
        Self {
            records: Mutex::default(),
            limits: Limits::OFF,
            hasher: RandomState::new(),
            turns: [const { Turn::const_new(None) }; TURNS],
            new_keys: Lane::new((pool_size / 4).max(1), MOST_WAITING),
            suspects: Lane::new(1, MOST_SUSPECTS),
        }
    }

    /// Sets the limits of keys that have none of their own, and of tenants.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The limits of keys that have none of their own, and of tenants.
    pub(super) fn limits(&self) -> Limits {
        self.limits
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

    /// Stores and returns the result of a query. `asked` is the start of the query, because the result may be as old as
    /// that.
    pub(super) fn put(
        &self,
        id: &KeyId,
        asked: Instant,
        check: Option<KeyCheck>,
    ) -> Option<Arc<CachedKey>> {
        let mut records = self.records();
        let key = check.map(|check| {
            let account = records.account(id, own_limits(&check.record, self.limits));
            Arc::new(CachedKey { check, account })
        });
        let Records { found, missing, .. } = &mut *records;
        if let Some(record) = key.clone() {
            missing.remove(id);
            if found.len() >= MOST_FOUND && !found.contains_key(id) {
                found.retain(|_, (asked, _)| asked.elapsed() < UNUSED);
            }
            if found.len() < MOST_FOUND || found.contains_key(id) {
                found.insert(id.clone(), (asked, record));
            }
            return key;
        }
        found.remove(id);
        if missing.len() >= MOST_MISSING {
            missing.retain(|_, asked| asked.elapsed() < FRESH);
        }
        if missing.len() < MOST_MISSING {
            missing.insert(id.clone(), asked);
        }
        None
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

/// The limits of a key: its own, and the others of the service. Those of a key that the tenant made count only within the
/// service's, which may have been lowered since.
fn own_limits(record: &KeyRecord, limits: Limits) -> Limits {
    let own = |text: &Option<String>, unit, others: Limit| match text {
        None => others,
        Some(text) => match Limit::parse(text, unit) {
            Ok(limit) if record.created_by.is_none() => limit,
            Ok(limit) => limit.and(others),
            Err(error) => {
                // The table's checks accept only limits, so this is a limit of a later version.
                tracing::warn!(
                    key.id = record.key_id,
                    limit = text,
                    error,
                    "the limit of a key was ignored"
                );
                others
            }
        },
    };
    Limits {
        key_calls: own(&record.rate, Unit::Calls, limits.key_calls),
        key_cost: own(&record.cost, Unit::Cost, limits.key_cost),
        ..limits
    }
}
