//! Keeps the counts behind totals and deep pages short of unadded changes.
//!
//! Lists are exact without it, only slower the more changes wait. So a tenant that is being listed is looked after
//! several times a second, every other one now and then; several services on one database take turns.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::App;
use crate::{
    db::CountsKeeper,
    domain::tenant::TenantId,
    error::{ErrorKind, Result},
};

/// How often tenants that are being listed are looked after.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long after its last list a tenant counts as being listed.
const LISTED: Duration = Duration::from_secs(60);
/// How often all tenants are.
const ROUND: Duration = Duration::from_secs(60);
/// Pause after a failure; the log tells of it once.
const PAUSE: Duration = Duration::from_secs(2);

/// The tenants that are being listed, and when last.
#[derive(Debug, Default)]
pub(super) struct Listed(Mutex<HashMap<TenantId, Instant>>);

impl Listed {
    pub(super) fn note(&self, tenant: &TenantId) {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match listed.get_mut(tenant) {
            Some(last) => *last = Instant::now(),
            None => drop(listed.insert(tenant.clone(), Instant::now())),
        }
    }

    fn recent(&self) -> Vec<TenantId> {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.retain(|_, last| last.elapsed() < LISTED);
        listed.keys().cloned().collect()
    }
}

impl App {
    /// Keeps the counts until the future is dropped.
    pub async fn keep_counts(self: Arc<Self>) {
        let mut failed = false;
        loop {
            match self.keep_counts_until_failure(&mut failed).await {
                Ok(never) => match never {},
                // What state of the database keeps them waiting is logged where it is met.
                Err(error) if !failed && !error.is_logged() => {
                    tracing::warn!(cause = error.internal_cause(), "the counts wait: {error}");
                    failed = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends when the connection does; `failed` is taken back once all tenants were looked after.
    async fn keep_counts_until_failure(&self, failed: &mut bool) -> Result<Infallible> {
        let mut keeper = Keeper {
            counts: self.db.counts_keeper().await?,
            failing: HashSet::new(),
        };
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_round: Option<Instant> = None;
        loop {
            ticks.tick().await;
            if last_round.is_none_or(|last| last.elapsed() >= ROUND) {
                keeper.fold(self.tenants().await?).await?;
                last_round = Some(Instant::now());
                *failed = false;
            }
            keeper.fold(self.listed.recent()).await?;
        }
    }

    /// Every tenant's id.
    pub async fn tenants(&self) -> Result<Vec<TenantId>> {
        let all = self.db.tenant_list().await?;
        Ok(all
            .iter()
            .filter_map(|t| TenantId::parse(&t.tenant_id).ok())
            .collect())
    }
}

/// Folds, tenant by tenant: a long one delays the others, a failing one does not.
struct Keeper {
    counts: CountsKeeper,
    /// Whose counts could not be brought up to date when last tried; the log was told.
    failing: HashSet<TenantId>,
}

impl Keeper {
    async fn fold(&mut self, tenants: Vec<TenantId>) -> Result<()> {
        for tenant in tenants {
            match self.counts.fold(&tenant).await {
                Ok(changes) => {
                    self.failing.remove(&tenant);
                    if changes > 0 {
                        let tenant = tenant.as_str();
                        tracing::debug!(tenant.id = tenant, changes, "counts brought up to date");
                    }
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => {
                    if self.failing.insert(tenant.clone()) {
                        tracing::warn!(
                            tenant.id = tenant.as_str(),
                            cause = error.internal_cause(),
                            "the tenant's counts wait: {error}"
                        );
                    }
                }
            }
        }
        Ok(())
    }
}
