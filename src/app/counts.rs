//! Keeps the counts behind totals and deep pages short of unadded changes.
//!
//! Lists are exact without it, only slower the more changes wait. So a tenant that is being listed is looked after
//! several times a second, every other one now and then; several services on one database take turns.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::App;
use crate::{db::CountsKeeper, domain::tenant::TenantId, error::Result};

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
            match self.keep_counts_until_failure().await {
                Ok(never) => match never {},
                Err(error) if !failed => {
                    tracing::warn!(cause = error.internal_cause(), "the counts wait: {error}");
                    failed = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn keep_counts_until_failure(&self) -> Result<std::convert::Infallible> {
        let mut keeper = self.db.counts_keeper().await?;
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_round: Option<Instant> = None;
        loop {
            ticks.tick().await;
            if last_round.is_none_or(|last| last.elapsed() >= ROUND) {
                fold(&mut keeper, self.tenants().await?).await?;
                last_round = Some(Instant::now());
            }
            fold(&mut keeper, self.listed.recent()).await?;
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

async fn fold(keeper: &mut CountsKeeper, tenants: Vec<TenantId>) -> Result<()> {
    for tenant in tenants {
        let changes = keeper.fold(&tenant).await?;
        if changes > 0 {
            tracing::debug!(
                tenant.id = tenant.as_str(),
                changes,
                "counts brought up to date"
            );
        }
    }
    Ok(())
}
