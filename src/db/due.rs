//! Finds tasks that are due to be started or ended.

use diesel::{
    dsl::now,
    prelude::*,
    sql_query,
    sql_types::{Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    Db, TenantDb, Transaction,
    row::{TaskRow, to_task},
    schema::tasks,
};
use crate::{
    domain::{status::TaskStatus, task::Task, tenant::TenantId},
    error::Result,
};

/// Why a task is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The task is pending, and its start time has been reached.
    Started,
    /// The task is pending, and its end time has been reached.
    Missed,
    /// The task is running or paused, and its end time has been reached.
    Ended,
}

/// The time that a task is due at. With a status before it, an index has the due tasks in order.
#[derive(Debug, Clone, Copy)]
enum DueAt {
    StartTime,
    EndTime,
}

impl Due {
    /// The statuses of the tasks. Each is a query of its own, so that one index has its tasks in order.
    fn statuses(self) -> &'static [TaskStatus] {
        match self {
            Self::Started | Self::Missed => &[TaskStatus::Pending],
            Self::Ended => &[TaskStatus::Running, TaskStatus::Paused],
        }
    }

    fn at(self) -> DueAt {
        match self {
            Self::Started => DueAt::StartTime,
            Self::Missed | Self::Ended => DueAt::EndTime,
        }
    }
}

impl Db {
    /// The tenants with a due task, by one query that returns no tasks. A query per tenant, every second, would cost more
    /// than the rest of the schedule with a thousand tenants.
    pub async fn tenants_due(&self) -> Result<Vec<TenantId>> {
        let due = sql_query("SELECT d AS tenant_id FROM tenants_due() AS d");
        let due: Vec<DueTenant> = self
            .run(async |connection| due.load(connection).await)
            .await?;
        Ok(due
            .iter()
            .filter_map(|t| TenantId::parse(&t.tenant_id).ok())
            .collect())
    }
}

#[derive(diesel::QueryableByName)]
struct DueTenant {
    #[diesel(sql_type = Text)]
    tenant_id: String,
}

impl TenantDb<'_> {
    /// Whether a task is due. Much cheaper than a transaction that finds none.
    pub async fn task_any_due(&self, due: Due) -> Result<bool> {
        for status in due.statuses() {
            let of_status = tasks::table
                .filter(tasks::tenant_id.eq(self.tenant.as_str()))
                .filter(tasks::status.eq(*status as i16))
                .select(tasks::status)
                .limit(1)
                .into_boxed();
            let time = now.into_sql::<Timestamptz>();
            let first = match due.at() {
                DueAt::StartTime => of_status
                    .filter(tasks::start_time.le(time))
                    .order(tasks::start_time),
                DueAt::EndTime => of_status
                    .filter(tasks::end_time.le(time))
                    .order(tasks::end_time),
            };
            let first: Option<i16> = self
                .run_own(async |connection| first.get_result(connection).await.optional())
                .await?;
            if first.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Transaction<'_> {
    /// Locks at most `most` due tasks. Tasks that are locked by others are skipped.
    pub async fn task_lock_due(&mut self, due: Due, most: i64) -> Result<Vec<Task>> {
        let mut tasks = Vec::new();
        for status in due.statuses() {
            let of_status = tasks::table
                .filter(tasks::tenant_id.eq(self.tenant.as_str()))
                .filter(tasks::status.eq(*status as i16))
                .select(TaskRow::as_select())
                .limit(most - tasks.len() as i64) // no more than `most`
                .for_update()
                .skip_locked();
            let time = now.into_sql::<Timestamptz>();
            let rows: Vec<TaskRow> = match due.at() {
                DueAt::StartTime => {
                    let first = of_status
                        .filter(tasks::start_time.le(time))
                        .order(tasks::start_time);
                    self.run(async |connection| first.load(connection).await)
                        .await?
                }
                DueAt::EndTime => {
                    let first = of_status
                        .filter(tasks::end_time.le(time))
                        .order(tasks::end_time);
                    self.run(async |connection| first.load(connection).await)
                        .await?
                }
            };
            // Locked until the transaction ends, so no other service finds them due.
            for row in rows {
                tasks.push(to_task(row)?);
            }
        }
        Ok(tasks)
    }
}
