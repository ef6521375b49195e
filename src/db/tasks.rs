//! Tasks: reading.

use std::collections::HashMap;

use diesel::{
    ExpressionMethods, QueryDsl,
    dsl::sql,
    sql_types::{Array, Integer, Text},
};
use diesel_async::RunQueryDsl;

use chrono::{DateTime, Utc};

use super::{
    TenantDb,
    list::{ListStatement, Row, TaskRow},
    schema::tasks,
};
use crate::{
    domain::{get::GetQuery, list::ListQuery, status::TaskStatus, task::Task},
    error::{Error, Result},
};

/// What the database answers to a list.
#[derive(Debug)]
pub struct TaskList {
    /// How many tasks match in all.
    pub total: i64,
    /// The page's tasks, and one more where there is a next page.
    pub tasks: Vec<Task>,
    /// The instant of the snapshot.
    pub as_of: DateTime<Utc>,
    /// How many tasks there are of each status, in the order of their numbers; `None` unless asked for.
    pub status_counts: Option<Vec<i64>>,
}

impl TenantDb<'_> {
    /// Total and page of a list, from one snapshot.
    pub async fn task_list(&self, query: &ListQuery) -> Result<TaskList> {
        let rows: Vec<Row> = self
            .db
            .run(async |connection| {
                ListStatement::new(self.tenant, query)
                    .load(connection)
                    .await
            })
            .await?;
        let (total, as_of, status_counts) = match rows.as_slice() {
            [(total, as_of, counts, _), ..] => (*total, *as_of, counts.clone()),
            [] => {
                return Err(Error::internal(
                    "the list statement answered without a total",
                ));
            }
        };
        let tasks = rows
            .into_iter()
            .filter_map(|(_, _, _, task)| task.map(to_task))
            .collect::<Result<_>>()?;
        Ok(TaskList {
            total,
            tasks,
            as_of,
            status_counts,
        })
    }

    /// The tasks of some ids, by id, from one snapshot; ids without a task are left out.
    pub async fn task_get(&self, query: &GetQuery) -> Result<HashMap<String, Task>> {
        let GetQuery {
            task_ids,
            target_limit,
        } = query;
        // diesel has no slice of an array.
        let target = sql::<Array<Text>>("target[1:")
            .bind::<Integer, _>(target_limit)
            .sql("]");
        let found = tasks::table
            .filter(tasks::tenant_id.eq(self.tenant.as_str()))
            .filter(tasks::task_id.eq_any(task_ids))
            .select((
                tasks::task_id,
                tasks::name,
                target,
                tasks::start_time,
                tasks::end_time,
                tasks::status,
                tasks::progress,
                tasks::created_at,
                tasks::updated_at,
                tasks::target_count,
            ));
        let rows: Vec<TaskRow> = self
            .db
            .run(async |connection| found.load(connection).await)
            .await?;
        let by_id = |row| to_task(row).map(|task| (task.task_id.clone(), task));
        rows.into_iter().map(by_id).collect()
    }

    /// True where there is a task.
    pub async fn task_any(&self) -> Result<bool> {
        let tasks = tasks::table.filter(tasks::tenant_id.eq(self.tenant.as_str()));
        self.db
            .run(async |connection| {
                diesel::select(diesel::dsl::exists(tasks))
                    .get_result(connection)
                    .await
            })
            .await
    }
}

fn to_task(row: TaskRow) -> Result<Task> {
    let (
        task_id,
        name,
        target,
        start_time,
        end_time,
        status,
        progress,
        created_at,
        updated_at,
        target_count,
    ) = row;
    let status = TaskStatus::from_number(status.into())
        .ok_or_else(|| Error::internal(format!("the database holds status {status}")))?;
    Ok(Task {
        task_id,
        name,
        target,
        start_time,
        end_time,
        status,
        progress,
        created_at,
        updated_at,
        target_count,
    })
}
