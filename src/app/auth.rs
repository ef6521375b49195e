//! Who is calling, and what it may do.
//!
//! A key's record is kept for [`FRESH`], so a busy key costs one query a second, and a key that was revoked is
//! refused within that time. A key that does not exist is remembered the same way. Form and checksum are checked
//! before anything else: what is no key never reaches the database.
//!
//! A call whose key is not known to be good has no permit, so what it may cost is bounded here. Keys that exist are
//! kept apart from those that do not: a flood of invented keys can neither evict a good one nor make it wait. Queries for
//! keys that nobody has asked for before share a few permits, a quarter of the pool's connections.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use subtle::ConstantTimeEq;
use tokio::{sync::Semaphore, time::timeout};

use super::App;
use crate::{
    db::{KeyCheck, Transaction, Trouble},
    domain::{
        key::{ApiKey, KeyId, Scope},
        page::TokenKey,
        tenant::TenantId,
    },
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// How long a key's record is good: half of the 2 s within which a revocation must be in force.
const FRESH: Duration = Duration::from_secs(1);
/// Most records kept of keys that exist.
const MOST_FOUND: usize = 20_000;
/// Most keys remembered that do not exist; a flood of invented keys must not fill the memory.
const MOST_MISSING: usize = 10_000;
/// A record that nobody has asked for in this time makes room for another.
const UNUSED: Duration = Duration::from_secs(60);
/// Most calls that wait for a query for their key.
const MOST_WAITING: usize = 1_000;
/// When a caller that found as many waiting may try again.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a call waits for such a query to begin; as long as for a connection of the pool.
const QUERY_WAIT: Duration = Duration::from_secs(2);
/// Locks of which each query for a key that exists holds one, so that many calls with one key make one query.
const TURNS: usize = 64;

/// Who is calling: the key was good when it was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose tasks it sees.
    pub tenant: TenantId,
    /// The public part of its key, for the record of who changed what.
    pub key_id: KeyId,
    /// Its tenant's key for page tokens.
    pub token_key: TokenKey,
}

/// What a call needs its key to allow.
pub type Access = Scope;

/// What is known of a key without asking the database.
enum Known {
    /// Its record is fresh; `None` where the key does not exist.
    Fresh(Option<Arc<KeyCheck>>),
    /// It existed a while ago.
    Stale,
    /// Nothing.
    Nothing,
}

type Turn = tokio::sync::Mutex<Option<Instant>>;

#[derive(Debug, Default)]
struct Records {
    /// Records of keys that exist, and when the database was asked for each.
    found: HashMap<KeyId, (Instant, Arc<KeyCheck>)>,
    /// Keys that do not exist, and when the database was asked for each.
    missing: HashMap<KeyId, Instant>,
}

#[derive(Debug)]
pub(super) struct KeyCache {
    records: Mutex<Records>,
    hasher: RandomState,
    /// Each holds when a query failed last.
    turns: [Turn; TURNS],
    /// A permit for each query for a key of which nothing is known.
    queries: Semaphore,
    /// A permit for each call that waits for one of these queries, or makes one.
    waiting: Semaphore,
}

impl KeyCache {
    /// The cache in front of a pool of so many connections.
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

    fn get(&self, id: &KeyId) -> Known {
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

    /// `asked` is when the database was asked: what it answered may be as old as that.
    fn put(&self, id: &KeyId, asked: Instant, record: Option<Arc<KeyCheck>>) {
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

    /// Forgets a key's record, which has just changed.
    pub(super) fn forget(&self, id: &KeyId) {
        self.records().found.remove(id);
    }

    /// The lock of the queries for this key.
    fn turn(&self, id: &KeyId) -> &Turn {
        &self.turns[self.hasher.hash_one(id) as usize % TURNS]
    }
}

impl App {
    /// Checks a key and that it has the scope. One and the same error tells of no key and of every bad one.
    pub async fn authenticate(
        self: &Arc<Self>,
        key: Option<&str>,
        access: Access,
    ) -> Result<Caller> {
        let key = key
            .and_then(ApiKey::parse)
            .ok_or_else(Error::unauthenticated)?;
        let (known, is_new) = self.key_record(&key.id).await?;
        let known = known.ok_or_else(Error::unauthenticated)?;
        let record = &known.record;
        if !bool::from(record.secret_hash.ct_eq(&key.hash[..])) {
            return Err(Error::unauthenticated());
        }
        if is_new {
            self.note_use(&key.id, &known);
        }
        check(&known, access)?;
        Ok(Caller {
            tenant: key.id.tenant().clone(),
            key_id: key.id,
            token_key: TokenKey::from_bytes(&record.page_token_key)
                .ok_or_else(|| Error::internal("the tenant's token key is not 32 bytes long"))?,
        })
    }

    /// Checks again that a caller's key is good and has the scope.
    pub async fn still_allowed(self: &Arc<Self>, caller: &Caller, access: Access) -> Result<()> {
        let (record, _) = self.key_record(&caller.key_id).await?;
        check(&*record.ok_or_else(Error::unauthenticated)?, access)
    }

    /// Checks again, at the end of a write, that its caller's key is good: a write may have waited while the key was
    /// revoked. Costs no query unless the write took a second, and then one on the connection of its transaction.
    pub(super) async fn check_before_commit(
        &self,
        caller: &Caller,
        transaction: &mut Transaction<'_>,
    ) -> Result<()> {
        let id = &caller.key_id;
        let record = match self.keys.get(id) {
            Known::Fresh(record) => record,
            Known::Stale | Known::Nothing => {
                let asked = Instant::now();
                let record = transaction.key_get(id).await?.map(Arc::new);
                self.keys.put(id, asked, record.clone());
                record
            }
        };
        check(&*record.ok_or_else(Error::unauthenticated)?, Access::Write)
    }

    /// A key's record, if the key exists, and whether this call asked the database for it.
    async fn key_record(self: &Arc<Self>, id: &KeyId) -> Result<(Option<Arc<KeyCheck>>, bool)> {
        match self.keys.get(id) {
            Known::Fresh(record) => Ok((record, false)),
            // Boxed, since a query's future is large and every call would carry it along unused.
            Known::Stale | Known::Nothing => Box::pin(self.key_query(id)).await,
        }
    }

    /// The same for a key whose record is not fresh.
    async fn key_query(self: &Arc<Self>, id: &KeyId) -> Result<(Option<Arc<KeyCheck>>, bool)> {
        let began = Instant::now();
        let mut turn = None;
        let _waiting;
        let _query;
        match self.keys.get(id) {
            Known::Fresh(record) => return Ok((record, false)),
            // While the database fails, calls do not wait for each other: each would wait for all failures before it.
            Known::Stale => {
                let lock = self.keys.turn(id).lock().await;
                turn = Some(lock).filter(|failed| failed.is_none_or(|failed| failed < began));
            }
            Known::Nothing => {
                let busy = || {
                    let what = "the service is checking as many keys as it can";
                    Error::unavailable(what, BUSY_RETRY_AFTER).because(ErrorReason::Overloaded)
                };
                _waiting = self.keys.waiting.try_acquire().map_err(|_| busy())?;
                let query = timeout(QUERY_WAIT, self.keys.queries.acquire()).await;
                _query = query.map_err(|_| busy())?.map_err(Error::internal)?;
            }
        }
        // Another call may have asked meanwhile.
        if let Known::Fresh(record) = self.keys.get(id) {
            return Ok((record, false));
        }
        let asked = Instant::now();
        let record = match self.db.tenant(id.tenant()).key_get(id).await {
            Ok(record) => record.map(Arc::new),
            Err(error) => {
                if let Some(failed) = &mut turn {
                    **failed = Some(Instant::now());
                }
                return Err(error);
            }
        };
        self.keys.put(id, asked, record.clone());
        Ok((record, true))
    }

    /// Writes the last use down, at most once a minute and beside the call, not in its way.
    fn note_use(self: &Arc<Self>, id: &KeyId, known: &KeyCheck) {
        if known.is_use_noted || self.db.recent_trouble() == Some(Trouble::ReadOnly) {
            return;
        }
        let (app, id) = (Arc::clone(self), id.clone());
        tokio::spawn(async move {
            if let Err(error) = app.db.tenant(id.tenant()).key_touch(&id).await {
                if error.is_logged() {
                    return; // as a state of the database
                }
                tracing::warn!(key.id = id.as_str(), error = ?error, "the key's last use was not noted");
            }
        });
    }
}

/// An error where a key may not be used now, or not for this.
fn check(known: &KeyCheck, access: Access) -> Result<()> {
    let KeyCheck {
        record, expires, ..
    } = known;
    let is_expired = expires.is_some_and(|at| at <= Instant::now());
    if is_expired || record.revoked_at.is_some() {
        return Err(Error::unauthenticated());
    }
    if !record.scopes.iter().any(|s| s == access.word()) {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("the key lacks the scope {access}"),
        )
        .because(ErrorReason::ScopeMissing)
        .with_fact("scope", access.word()));
    }
    Ok(())
}
