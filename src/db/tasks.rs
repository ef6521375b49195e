//! Tasks: reading.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;

use chrono::{DateTime, Utc};

use super::{
    TenantDb,
    list::{ListStatement, Row, TaskRow},
    schema::tasks,
};
use crate::{
    domain::{list::ListQuery, status::TaskStatus, task::Task},
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
        let (total, as_of) = match rows.as_slice() {
            [(total, as_of, _), ..] => (*total, *as_of),
            [] => {
                return Err(Error::internal(
                    "the list statement answered without a total",
                ));
            }
        };
        let tasks = rows
            .into_iter()
            .filter_map(|(_, _, task)| task.map(to_task))
            .collect::<Result<_>>()?;
        Ok(TaskList {
            total,
            tasks,
            as_of,
        })
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
