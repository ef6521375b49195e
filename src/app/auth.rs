//! Authentication of API keys.
//!
//! The record of a key is cached for [`FRESH`](super::key_cache::FRESH), so a busy key costs one
//! query per second, and a revoked key is rejected within that time. Unknown keys are cached in the
//! same way. Form and checksum are checked first, so a malformed key never reaches the database.
//!
//! A call has no permit before its key is known to be valid, so its cost is limited here. Existing and unknown keys are
//! cached separately: a flood of invented keys can neither evict a valid key nor delay it. Queries for keys that were
//! never seen before share a few permits, a quarter of the pool's connections. Keys from an address that sent many wrong
//! ones share a single permit, which rests after each query. So they delay no other address, and a valid key among them is
//! found all the same.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use subtle::ConstantTimeEq;
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{sleep, timeout},
};

use super::{
    App,
    key_cache::{CachedKey, Known},
};
use crate::{
    db::{KeyCheck, Outage, Transaction},
    domain::{
        key::{ApiKey, KeyId, Scope},
        page::TokenKey,
        tenant::TenantId,
        words::Word,
    },
    error::{Error, ErrorKind, ErrorReason, Result},
    quota::Account,
};

/// The retry delay suggested to callers beyond that.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a call waits for a permit for such a query; as long as for a connection of the pool.
const QUERY_WAIT: Duration = Duration::from_secs(2);

/// How long the permit of keys from suspect addresses rests after a query, as a multiple of the query's own time, and at
/// most. So such keys use a fifth of one connection while PostgreSQL answers within 5 ms.
const REST: u32 = 4;
const MOST_REST: Duration = Duration::from_millis(20);

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The tenant whose data the caller may access.
    pub tenant: TenantId,
    /// The public id of the key, for events and logs.
    pub key_id: KeyId,
    /// The tenant's secret for signing page tokens.
    pub token_key: TokenKey,
    /// The quotas of the key and its tenant; `None` if nothing limits them.
    pub account: Option<Arc<Account>>,
}

/// The scope that a call needs.
pub type Access = Scope;

impl App {
    /// Authenticates a key and checks its scope. The error is the same for a missing key and for every invalid one.
    pub async fn authenticate(
        self: &Arc<Self>,
        key: Option<&str>,
        access: Access,
    ) -> Result<Caller> {
        self.authenticate_as(key, access, || false).await
    }

    /// As [`App::authenticate`]. `is_suspect` returns whether many wrong keys came from the address of this one; it is
    /// called only for a key without a valid record in the cache.
    pub async fn authenticate_as(
        self: &Arc<Self>,
        key: Option<&str>,
        access: Access,
        is_suspect: impl FnOnce() -> bool,
    ) -> Result<Caller> {
        let key = key
            .and_then(ApiKey::parse)
            .ok_or_else(Error::unauthenticated)?;
        let (known, is_new) = self.key_record(&key.id, is_suspect).await?;
        let cached = known.ok_or_else(Error::unauthenticated)?;
        let known = &cached.check;
        let record = &known.record;
        if !bool::from(record.secret_hash.ct_eq(&key.hash[..])) {
            return Err(Error::unauthenticated());
        }
        if is_new {
            self.note_use(&key.id, known);
        }
        check(known, access)?;
        Ok(Caller {
            tenant: key.id.tenant().clone(),
            key_id: key.id,
            token_key: TokenKey::from_bytes(&record.page_token_key)
                .ok_or_else(|| Error::internal("the tenant's token key is not 32 bytes long"))?,
            account: cached.account.clone(),
        })
    }

    /// The error of a caller whose key has been revoked, has expired or has lost the scope. `None` while the key is good,
    /// and while that cannot be found out, for example because the database is away: the next check decides.
    pub async fn key_end(self: &Arc<Self>, caller: &Caller, access: Access) -> Option<Error> {
        let (record, _) = self.key_record(&caller.key_id, || false).await.ok()?;
        match record {
            Some(cached) => check(&cached.check, access).err(),
            None => Some(Error::unauthenticated()),
        }
    }

    /// The name for people of the caller's key, which its record in the cache has.
    pub async fn key_name(self: &Arc<Self>, caller: &Caller) -> Result<String> {
        let (record, _) = self.key_record(&caller.key_id, || false).await?;
        let cached = record.ok_or_else(Error::unauthenticated)?;
        Ok(cached.check.record.name.clone())
    }

    /// Checks the caller's key again before the commit of a write, which may have waited while the
    /// key was revoked. It costs no query unless the write took longer than
    /// [`FRESH`](super::key_cache::FRESH); then it uses the connection of the transaction.
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
                let record = transaction.key_get(id).await?;
                self.keys.put(id, asked, record)
            }
        };
        let cached = record.ok_or_else(Error::unauthenticated)?;
        check(&cached.check, Access::Write)
    }

    /// The record of a key, or `None` if it does not exist, and whether this call queried the database.
    async fn key_record(
        self: &Arc<Self>,
        id: &KeyId,
        is_suspect: impl FnOnce() -> bool,
    ) -> Result<(Option<Arc<CachedKey>>, bool)> {
        match self.keys.get(id) {
            Known::Fresh(record) => Ok((record, false)),
            // Boxed, because the future of a query is large and every call would carry it.
            Known::Stale | Known::Nothing => Box::pin(self.key_query(id, is_suspect())).await,
        }
    }

    /// As `key_record`, for a key without a valid record.
    async fn key_query(
        self: &Arc<Self>,
        id: &KeyId,
        is_suspect: bool,
    ) -> Result<(Option<Arc<CachedKey>>, bool)> {
        let began = Instant::now();
        let mut turn = None;
        let _waiting;
        let (_query, _rested);
        match self.keys.get(id) {
            Known::Fresh(record) => return Ok((record, false)),
            // After a failure, calls that waited for it query without the lock; otherwise each would wait for all the
            // failures before it.
            Known::Stale => {
                let lock = self.keys.turn(id).lock().await;
                turn = Some(lock).filter(|failed| failed.is_none_or(|failed| failed < began));
            }
            Known::Nothing => {
                let busy = || {
                    let what = "the service is checking the maximum number of new keys";
                    Error::unavailable(what, BUSY_RETRY_AFTER).because(ErrorReason::Overloaded)
                };
                let lane = match is_suspect {
                    true => &self.keys.suspects,
                    false => &self.keys.new_keys,
                };
                // Bounds the callers that wait, so that a flood of invented keys does not use up
                // the memory.
                _waiting = lane.waiting.try_acquire().map_err(|_| busy())?;
                let query = Arc::clone(&lane.queries).acquire_owned();
                let query = timeout(QUERY_WAIT, query).await;
                let query = query.map_err(|_| busy())?.map_err(Error::internal)?;
                match is_suspect {
                    true => _rested = rest_after(query),
                    false => _query = query,
                }
            }
        }
        // Another call may have queried the record meanwhile.
        if let Known::Fresh(record) = self.keys.get(id) {
            return Ok((record, false));
        }
        let asked = Instant::now();
        let record = match self.db.tenant(id.tenant()).key_get(id).await {
            Ok(record) => record,
            Err(error) => {
                if let Some(failed) = &mut turn {
                    **failed = Some(Instant::now());
                }
                return Err(error);
            }
        };
        Ok((self.keys.put(id, asked, record), true))
    }

    /// Records the last use of a key in the background, at most once a minute.
    fn note_use(self: &Arc<Self>, id: &KeyId, known: &KeyCheck) {
        if known.is_use_noted || self.db.recent_outage() == Some(Outage::ReadOnly) {
            return;
        }
        let (app, id) = (Arc::clone(self), id.clone());
        // Not awaited: the call does not depend on it, and a failure must not fail the call.
        tokio::spawn(async move {
            if let Err(error) = app.db.tenant(id.tenant()).key_touch(&id).await {
                if error.is_logged() {
                    return; // the state of the database has been logged
                }
                tracing::warn!(key.id = id.as_str(), error = ?error, "the last use of the key was not recorded");
            }
        });
    }
}

/// Keeps the permit until the returned value is dropped at the end of the query, and then for the rest.
fn rest_after(query: OwnedSemaphorePermit) -> oneshot::Sender<()> {
    let (running, ended) = oneshot::channel();
    let began = Instant::now();
    tokio::spawn(async move {
        // An error, because the sender is dropped.
        let _ = ended.await;
        sleep((began.elapsed() * REST).min(MOST_REST)).await;
        drop(query);
    });
    running
}

/// Returns an error if the key is expired, revoked or lacks the scope.
fn check(known: &KeyCheck, access: Access) -> Result<()> {
    let KeyCheck {
        record, expires, ..
    } = known;
    // The comparison uses this process's monotonic clock, which nobody can set back.
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
