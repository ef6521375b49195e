//! Finds tasks that are due to be started or ended.

use diesel::{
    dsl::sql,
    sql_query,
    sql_types::{BigInt, Bool, Text},
};
use diesel_async::RunQueryDsl;

use super::{
    Db, TenantDb, Transaction,
    row::{COLUMNS, TaskRow, TaskSql, to_task},
};
use crate::{
    domain::{task::Task, tenant::TenantId},
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

impl Due {
    /// The alternative conditions. Each is a status and a bound on one time, as in an index.
    fn conditions(self) -> &'static [&'static str] {
        match self {
            Self::Started => &["t.status = 1 AND t.start_time <= now()"],
            Self::Missed => &["t.status = 1 AND t.end_time <= now()"],
            Self::Ended => &[
                "t.status = 2 AND t.end_time <= now()",
                "t.status = 3 AND t.end_time <= now()",
            ],
        }
    }

    fn order(self) -> &'static str {
        match self {
            Self::Started => "t.start_time",
            Self::Missed | Self::Ended => "t.end_time",
        }
    }
}

impl Db {
    /// The tenants with a due task. Besides the list of tenants, this is the only query over all tenants, and it
    /// returns no tasks. A query per tenant, every second, would cost more than the rest of the schedule with a
    /// thousand tenants.
    pub async fn tenants_due(&self) -> Result<Vec<TenantId>> {
        // Missed tasks also satisfy the condition of `Started`.
        let conditions = [Due::Started, Due::Ended].map(|due| {
            let any = due.conditions().iter().map(move |condition| {
                let order = due.order();
                format!(
                    "EXISTS (SELECT FROM (SELECT FROM tasks t WHERE t.tenant_id = s.tenant_id AND {condition}
                        ORDER BY {order} LIMIT 1) AS first)"
                )
            });
            any.collect::<Vec<_>>().join(" OR ")
        });
        let due = format!(
            "SELECT s.tenant_id FROM tenants s WHERE {} ORDER BY s.tenant_id",
            conditions.join(" OR ")
        );
        let due: Vec<DueTenant> = self
            .run(async |connection| sql_query(due).load(connection).await)
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
        for condition in due.conditions() {
            // In a subselect, because EXISTS ignores its own ORDER BY, which selects the right index.
            let any =
                sql::<Bool>("SELECT EXISTS (SELECT FROM (SELECT FROM tasks t WHERE t.tenant_id = ")
                    .bind::<Text, _>(self.tenant.as_str())
                    .sql(&format!(
                        " AND {condition} ORDER BY {} LIMIT 1) AS first)",
                        due.order()
                    ));
            if self
                .db
                .run(async |connection| any.get_result(connection).await)
                .await?
            {
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
        for condition in due.conditions() {
            let lock = sql::<TaskSql>("SELECT ")
                .sql(COLUMNS)
                .sql(", t.target FROM tasks t WHERE t.tenant_id = ")
                .bind::<Text, _>(self.tenant.as_str())
                .sql(&format!(" AND {condition} ORDER BY {} LIMIT ", due.order()))
                .bind::<BigInt, _>(most - tasks.len() as i64) // at most `most`
                .sql(" FOR UPDATE SKIP LOCKED");
            let rows: Vec<TaskRow> = self
                .run(async |connection| lock.load(connection).await)
                .await?;
            for row in rows {
                tasks.push(to_task(row)?);
            }
        }
        Ok(tasks)
    }
}
