//! The worker that starts and ends tasks on time.
//!
//! One query finds the tenants that have due tasks. They are served in turn, one batch each, so that a tenant with a
//! backlog delays the others by one batch only.
//!
//! Several services on one database may run this worker. Each skips the tasks that another one has locked, and a task
//! that was changed is not due any more. So each task is started and ended once.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::timeout;

use super::{failure_log::FailureLog, turns::serve_in_turn};
use crate::{
    app::{App, writes::act},
    db::Due,
    domain::{action::TaskAction, own_reason::OwnReason, tenant::TenantId},
    error::{Error, Result},
};

/// How often the worker queries for due tasks.
const TICK: Duration = Duration::from_secs(1);
/// Most tasks changed in one transaction, which takes about 25 ms.
const BATCH: i64 = 500;
/// About how many tasks are changed in a round over all tenants that have due tasks, so that no tenant waits for much
/// longer than a second.
const ROUND: i64 = 10_000;
/// The smallest batch of a tenant, however many tenants have due tasks.
const LEAST_BATCH: i64 = 20;
/// Most tenants served at the same time, each on a connection of the pool.
const AT_A_TIME: usize = 2;
/// How long the turn of a tenant may take. Beyond it the turn is rolled back, and repeated a second later.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

impl App {
    /// Starts and ends tasks until the future is dropped.
    pub async fn run_schedule(self: Arc<Self>) {
        const WHAT: &str = "tasks are not started and ended on time";
        let log = FailureLog::default();
        let find = async || {
            let due = self.db.tenants_due().await;
            log.note(None, &due, WHAT);
            self.count_failure(&due);
            due.unwrap_or_default()
        };
        let work = async |tenant: TenantId, tenants| {
            let most = (ROUND / tenants as i64).clamp(LEAST_BATCH, BATCH);
            let turn = timeout(TURN_TIMEOUT, self.schedule_turn(&tenant, most)).await;
            let turn = turn.unwrap_or_else(|_| Err(Error::deadline_exceeded()));
            log.note(Some(&tenant), &turn, WHAT);
            self.count_failure(&turn);
            (tenant, turn.unwrap_or(false))
        };
        serve_in_turn(TICK, AT_A_TIME, find, work).await;
    }

    fn count_failure<T>(&self, done: &Result<T>) {
        if done.is_err() {
            self.counted.schedule_failures.fetch_add(1, Relaxed);
        }
    }

    /// Starts and ends all due tasks of a tenant.
    pub async fn schedule(&self, tenant: &TenantId) -> Result<()> {
        while self.schedule_turn(tenant, BATCH).await? {}
        Ok(())
    }

    /// Changes at most `most` tasks of a tenant for each way to be due; returns whether more may be due.
    async fn schedule_turn(&self, tenant: &TenantId, most: i64) -> Result<bool> {
        let full = most as usize; // at most BATCH
        // Missed tasks come first: a pending task past its end also satisfies the condition of
        // `Started`.
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
        // A task whose window is over is stopped, and not started first.
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

    /// Returns how many tasks were changed.
    async fn schedule_batch(
        &self,
        tenant: &TenantId,
        due: Due,
        action: TaskAction,
        reason: OwnReason,
        most: i64,
    ) -> Result<usize> {
        let database = self.db.tenant(tenant);
        // A turn often finds none of a kind, and a transaction costs three more round trips.
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
            let changed = &self.counted.schedule_changed;
            changed.fetch_add(count as u64, Relaxed);
            let tenant = tenant.as_str();
            tracing::info!(tenant.id = tenant, %action, count, "tasks changed by the schedule");
        }
        Ok(count)
    }
}
