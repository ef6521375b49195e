//! The worker that deletes what is older than its retention: events, points of progress, idempotency keys and the change log.
//!
//! Tenants are served in turn, one batch each, so that a tenant with a backlog delays the others by one batch only.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;

use super::{failure_log::FailureLog, turns::serve_in_turn};
use crate::{app::App, domain::tenant::TenantId, error::Result};

/// How often old rows are deleted.
const CLEAN: Duration = Duration::from_secs(60);
/// Most rows deleted by one statement.
/// A small number, so that the deletes hold their row locks for a short time and other tenants are
/// not delayed.
const CLEAN_BATCH: i64 = 1000;
/// Most tenants served at the same time, each on a connection of the pool.
const AT_A_TIME: usize = 2;

/// How long rows are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Events: who changed what; and points of progress.
    pub audit: TimeDelta,
    /// The change log, from which watches resume.
    pub watch: TimeDelta,
}

impl App {
    /// Deletes old rows of all tenants until the future is dropped.
    pub async fn run_retention(self: Arc<Self>, retention: Retention) {
        const WHAT: &str =
            "old events, points of progress, idempotency keys and changes are not deleted";
        let log = FailureLog::default();
        let find = async || {
            let tenants = self.tenants().await;
            log.note(None, &tenants, WHAT);
            tenants.unwrap_or_default()
        };
        let work = async |tenant: TenantId, _| {
            let turn = self.clean_turn(&tenant, retention).await;
            log.note(Some(&tenant), &turn, WHAT);
            (tenant, turn.unwrap_or(false))
        };
        serve_in_turn(CLEAN, AT_A_TIME, find, work).await;
    }

    /// Deletes all old rows once.
    pub async fn clean(&self, retention: Retention) -> Result<()> {
        for tenant in self.tenants().await? {
            while self.clean_turn(&tenant, retention).await? {}
        }
        Ok(())
    }

    /// Deletes one batch of each kind for a tenant; returns whether there may be more.
    async fn clean_turn(&self, tenant: &TenantId, retention: Retention) -> Result<bool> {
        let tenant = self.db.tenant(tenant);
        let keys = tenant.idempotency_clean(CLEAN_BATCH).await?;
        let events = tenant.event_clean(retention.audit, CLEAN_BATCH).await?;
        let points = tenant.progress_clean(retention.audit, CLEAN_BATCH).await?;
        let log = tenant.log_trim(retention.watch, CLEAN_BATCH).await?;
        // A full batch means that there may be more to delete.
        let full = CLEAN_BATCH as usize;
        Ok(keys == full || events == full || points == full || log == CLEAN_BATCH)
    }
}
