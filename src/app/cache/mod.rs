//! The cache of the answers of lists and of requests for one task. It is exact: an answer is used again only if nothing of
//! the tenant was committed since.
//!
//! An answer is kept with the *epoch* of the tenant that it shows (see [`tenant`]). A call that finds one waits for a check,
//! one short statement on the change log (`db::log_check`). If nothing was committed, the kept answer is what the list
//! statement would return, and the time of the check is its `as_of`. If something was, the epoch ends, and with it all of
//! its answers. There is no time to live on which correctness depends, and services need no word of each other.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`key`] | what distinguishes answers: tenant, request, form |
//! | [`store`] | the answers, limited in bytes |
//! | [`tenant`] | epochs, checks and reads of a tenant, grouped |
//! | [`flight`] | work for several calls |
//! | [`trust`] | whether checks are worth their time |
//! | [`ask`] | one question to the database |

mod ask;
mod flight;
mod key;
mod store;
mod tenant;
mod trust;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;

use self::{store::Store, tenant::TenantChecks};
use crate::{domain::tenant::TenantId, error::Result, traces};

pub(super) use self::{
    ask::Ask,
    key::{AnswerKey, Question},
};

/// The maximum number of tenants with a state, some 10 MiB.
const MOST_TENANTS: usize = 20_000;
/// A state that was not used for this time is unused.
const UNUSED: Duration = Duration::from_secs(60);

/// The cache.
#[derive(Debug)]
pub(super) struct AnswerCache {
    store: Arc<Store>,
    tenants: Mutex<HashMap<TenantId, Arc<TenantChecks>>>,
}

/// What the cache did so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct CacheFigures {
    /// Calls that got a kept answer.
    pub hits: u64,
    /// Calls that got the answer of a list statement.
    pub misses: u64,
    /// Checks that were sent.
    pub checks: u64,
    /// Bytes of the kept answers.
    pub bytes: u64,
}

impl AnswerCache {
    /// A cache for about `bytes` of answers.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            store: Arc::new(Store::new(bytes)),
            tenants: Mutex::default(),
        }
    }

    /// Answers from the cache, or else from the database.
    pub(super) async fn answer(&self, ask: Ask) -> Result<Bytes> {
        let tenant = self.tenant(&ask.key.tenant);
        if let Some(kept) = self.store.get(&ask.key)
            && let Some(check) = tenant.join_check(kept.epoch, &ask.db, &self.store)
        {
            let span = traces::span("list_cache.check");
            let verdict = check.await?;
            drop(span);
            if verdict.valid == Some(kept.epoch) {
                self.store.hits.fetch_add(1, Relaxed);
                return Ok(kept.written.with_time(verdict.as_of, &ask.form));
            }
        }
        self.store.misses.fetch_add(1, Relaxed);
        let span = traces::span("list_cache.read");
        let written = tenant.join_read(ask, &self.store).await?;
        drop(span);
        Ok(written.into_bytes())
    }

    /// What the cache did so far.
    pub(super) fn figures(&self) -> CacheFigures {
        let Store {
            hits,
            misses,
            checks,
            ..
        } = &*self.store;
        CacheFigures {
            hits: hits.load(Relaxed),
            misses: misses.load(Relaxed),
            checks: checks.load(Relaxed),
            bytes: self.store.bytes(),
        }
    }

    /// The state of a tenant. A state that is dropped and made again begins a new epoch, so its earlier answers are not used.
    fn tenant(&self, tenant: &TenantId) -> Arc<TenantChecks> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(checks) = tenants.get(tenant) {
            return Arc::clone(checks);
        }
        if tenants.len() >= MOST_TENANTS {
            tenants.retain(|_, checks| Arc::strong_count(checks) > 1 || checks.is_used(UNUSED));
        }
        if tenants.len() >= MOST_TENANTS {
            tenants.retain(|_, checks| Arc::strong_count(checks) > 1);
        }
        let checks = Arc::new(TenantChecks::new(tenant.clone()));
        tenants.insert(tenant.clone(), Arc::clone(&checks));
        checks
    }
}
