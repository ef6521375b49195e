//! The worker that stores points of the progress of running tasks, from which a task's page shows progress over time, the
//! calls per minute and the expected end.
//!
//! Every [`TICK`] it scans the tasks to which something happened lately, tenant by tenant in turn, one batch each. Several
//! services on one database may run it: a task gets at most one point a minute, and the second service finds it stored.
//! The first scan is one [`TICK`] after the start: a service that starts has calls to answer, and its scan may wait for a
//! lock on a connection that they need.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{failure_log::FailureLog, turns::serve_in_turn};
use crate::{
    app::App,
    db::{Sampled, ScannedTo},
    domain::tenant::TenantId,
    error::Result,
};

/// How often tasks are scanned. Half of a minute, so that no minute is left out.
const TICK: Duration = Duration::from_secs(30);
/// Most tasks that a turn of a tenant scans.
const BATCH: i64 = 500;
/// Most tenants served at the same time, each on a connection of the pool.
const AT_A_TIME: usize = 2;

impl App {
    /// Stores points until the future is dropped, as a service does.
    pub async fn run_progress(self: Arc<Self>) {
        sleep(TICK).await;
        self.store_progress().await;
    }

    /// Stores points at once, and from then on until the future is dropped.
    pub async fn store_progress(self: Arc<Self>) {
        const WHAT: &str = "the progress of tasks over time is not stored";
        let log = FailureLog::default();
        let scans: Mutex<HashMap<TenantId, ScannedTo>> = Mutex::default();
        let scans = || scans.lock().unwrap_or_else(PoisonError::into_inner);
        let find = async || {
            let tenants = self.tenants().await;
            log.note(None, &tenants, WHAT);
            tenants.unwrap_or_default()
        };
        let work = async |tenant: TenantId, _| {
            let after = scans().remove(&tenant);
            let turn = self.progress_turn(&tenant, after.as_ref()).await;
            log.note(Some(&tenant), &turn, WHAT);
            let next = turn.unwrap_or_default();
            let has_more = next.is_some();
            scans().extend(next.map(|next| (tenant.clone(), next)));
            (tenant, has_more)
        };
        serve_in_turn(TICK, AT_A_TIME, find, work).await;
    }

    /// Scans all tasks of a tenant once.
    pub async fn progress_sample(&self, tenant: &TenantId) -> Result<()> {
        let mut after = None;
        loop {
            after = self.progress_turn(tenant, after.as_ref()).await?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Scans a batch of tasks. Returns where the next batch begins, if there is one.
    async fn progress_turn(
        &self,
        tenant: &TenantId,
        after: Option<&ScannedTo>,
    ) -> Result<Option<ScannedTo>> {
        let database = self.db.tenant(tenant);
        let Sampled { task_ids, next } = database.progress_sample(after, BATCH).await?;
        if !task_ids.is_empty() {
            database.progress_thin(&task_ids).await?;
        }
        Ok(next)
    }
}
