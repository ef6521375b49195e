//! Starts and ends tasks on time.
//!
//! Tenants are served in turn, a batch each, so that one with a backlog delays the others by a batch only. What is due now is
//! found by one query for all tenants.
//!
//! Several services on one database may all do so: a task that one of them holds is left to it, and one that it changed
//! is due no more. So each task is started and ended once.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::timeout;

use super::{
    failure_log::{FailureLog, lock},
    turns::serve_in_turn,
};
use crate::{
    app::{App, writes::act},
    db::Due,
    domain::{action::TaskAction, own_reason::OwnReason, tenant::TenantId},
    error::{Error, Result},
};

/// How often due tasks are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Most tasks changed in one transaction: some 25 ms.
const BATCH: i64 = 500;
/// About how many tasks of all tenants are changed before each tenant has had its turn, so that none waits for more than
/// a second or so.
const ROUND: i64 = 10_000;
/// The least of them for each tenant, however many there are.
const LEAST_BATCH: i64 = 20;
/// Most tenants served at a time, each on a connection of the pool.
const AT_A_TIME: usize = 2;
/// How long the turn of a tenant may take before it is undone and comes up again a second later.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

impl App {
    /// Starts and ends tasks on time until the future is dropped.
    pub async fn run_schedule(self: Arc<Self>) {
        const WHAT: &str = "tasks are not started and ended on time";
        let log = Mutex::new(FailureLog::default());
        let find = async || {
            let due = self.db.tenants_due().await;
            lock(&log).note("", &due, WHAT);
            due.unwrap_or_default()
        };
        let work = async |tenant: TenantId, tenants| {
            let most = (ROUND / tenants as i64).clamp(LEAST_BATCH, BATCH);
            let turn = timeout(TURN_TIMEOUT, self.schedule_turn(&tenant, most)).await;
            let turn = turn.unwrap_or_else(|_| Err(Error::deadline_exceeded()));
            lock(&log).note(tenant.as_str(), &turn, WHAT);
            (tenant, turn.unwrap_or(false))
        };
        serve_in_turn(TICK, AT_A_TIME, find, work).await;
    }

    /// Does all that is due for a tenant now.
    pub async fn schedule(&self, tenant: &TenantId) -> Result<()> {
        while self.schedule_turn(tenant, BATCH).await? {}
        Ok(())
    }

    /// Does at most `most` of each kind of what is due for a tenant now; answers whether there may be more.
    async fn schedule_turn(&self, tenant: &TenantId, most: i64) -> Result<bool> {
        let full = most as usize; // at most BATCH
        let missed = self
            .schedule_batch(
                tenant,
                Due::Missed,
                TaskAction::Stop,
                OwnReason::EndTimePassedUnstarted,
                most,
            )
            .await?;
        let ended = self
            .schedule_batch(
                tenant,
                Due::Ended,
                TaskAction::Complete,
                OwnReason::EndTimePassed,
                most,
            )
            .await?;
        // What ended before it began is not begun first.
        if missed == full {
            return Ok(true);
        }
        let started = self
            .schedule_batch(
                tenant,
                Due::Started,
                TaskAction::Start,
                OwnReason::StartTimeCame,
                most,
            )
            .await?;
        Ok(ended == full || started == full)
    }

    /// Answers how many tasks were changed.
    async fn schedule_batch(
        &self,
        tenant: &TenantId,
        due: Due,
        action: TaskAction,
        reason: OwnReason,
        most: i64,
    ) -> Result<usize> {
        let database = self.db.tenant(tenant);
        if !database.task_any_due(due).await? {
            return Ok(0);
        }
        let mut transaction = database.begin().await?;
        let done = async {
            let tasks = transaction.task_lock_due(due, most).await?;
            let tasks: Vec<_> = tasks.iter().collect();
            act(&mut transaction, "", action, reason.sentence(), &tasks).await
        };
        let done = done.await;
        let count = transaction.end(done).await?.len();
        if count > 0 {
            let tenant = tenant.as_str();
            tracing::info!(tenant.id = tenant, %action, count, "tasks on schedule");
        }
        Ok(count)
    }
}
