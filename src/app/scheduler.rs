//! What the service does to tasks by itself: starts and ends them on time, and forgets what was kept long enough.
//!
//! Several services on one database may all do so: a task that one of them holds is left to it, and one that it changed
//! is due no more. So each task is started and ended once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::TimeDelta;

use super::{App, writes::act};
use crate::{
    db::Due,
    domain::{action::TaskAction, own_reason::OwnReason, tenant::TenantId},
    error::{Error, Result},
};

/// How often due tasks are looked for.
const TICK: Duration = Duration::from_secs(1);
/// Most tasks changed in one transaction.
const BATCH: i64 = 500;
/// How often old events and idempotency keys are forgotten.
const CLEAN: Duration = Duration::from_secs(60);
/// Most of them in one statement.
const CLEAN_BATCH: i64 = 1000;

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Who changed what.
    pub audit: TimeDelta,
    /// Changes for watches that come back.
    pub watch: TimeDelta,
}

impl App {
    /// Starts and ends tasks on time until the future is dropped.
    pub async fn keep_schedule(self: Arc<Self>) {
        let mut log = FailureLog::default();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let tenants = match self.tenants().await {
                Ok(tenants) => tenants,
                Err(error) => {
                    log.failed("", &error, "tasks are not started and ended on time");
                    continue;
                }
            };
            for tenant in tenants {
                match self.schedule(&tenant).await {
                    Ok(()) => log.succeeded(tenant.as_str()),
                    Err(error) => log.failed(
                        tenant.as_str(),
                        &error,
                        "tasks are not started and ended on time",
                    ),
                }
            }
            log.succeeded("");
        }
    }

    /// Does what is due for a tenant now.
    pub async fn schedule(&self, tenant: &TenantId) -> Result<()> {
        // What ended before it began is not begun first.
        for (due, action, reason) in [
            (
                Due::Missed,
                TaskAction::Stop,
                OwnReason::EndTimePassedUnstarted,
            ),
            (Due::Ended, TaskAction::Complete, OwnReason::EndTimePassed),
            (Due::Started, TaskAction::Start, OwnReason::StartTimeCame),
        ] {
            while self.schedule_batch(tenant, due, action, reason).await? == BATCH as usize {}
        }
        Ok(())
    }

    /// Answers how many tasks were changed.
    async fn schedule_batch(
        &self,
        tenant: &TenantId,
        due: Due,
        action: TaskAction,
        reason: OwnReason,
    ) -> Result<usize> {
        let database = self.db.tenant(tenant);
        if !database.task_any_due(due).await? {
            return Ok(0);
        }
        let mut transaction = database.begin().await?;
        let done = async {
            let tasks = transaction.task_lock_due(due, BATCH).await?;
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

    /// Forgets what was kept long enough, until the future is dropped.
    pub async fn keep_clean(self: Arc<Self>, retention: Retention) {
        let mut log = FailureLog::default();
        loop {
            match self.clean(retention).await {
                Ok(()) => log.succeeded(""),
                Err(error) => log.failed("", &error, "old events and idempotency keys stay"),
            }
            tokio::time::sleep(CLEAN).await;
        }
    }

    /// Forgets them once.
    pub async fn clean(&self, retention: Retention) -> Result<()> {
        for tenant in self.tenants().await? {
            let tenant = self.db.tenant(&tenant);
            while tenant.idempotency_clean(CLEAN_BATCH).await? == CLEAN_BATCH as usize {}
            while tenant.event_clean(retention.audit, CLEAN_BATCH).await? == CLEAN_BATCH as usize {}
            while tenant.log_trim(retention.watch, CLEAN_BATCH).await? == CLEAN_BATCH {}
        }
        Ok(())
    }
}

/// Tells of a failure once, not at every try.
#[derive(Default)]
pub(super) struct FailureLog(HashSet<String>);

impl FailureLog {
    pub(super) fn failed(&mut self, whose: &str, error: &Error, what: &str) {
        // What state of the database it comes from is logged where it is met.
        if !error.is_logged() && self.0.insert(whose.to_owned()) {
            tracing::warn!(
                tenant.id = whose,
                cause = error.internal_cause(),
                "{what}: {error}"
            );
        }
    }

    pub(super) fn succeeded(&mut self, whose: &str) {
        self.0.remove(whose);
    }
}
