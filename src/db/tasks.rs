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
    TenantDb, Transaction,
    list::{ListStatement, Row},
    row::{COLUMNS, TaskRow, TaskSql, to_task},
    schema::tasks,
};
use crate::{
    domain::{
        get::GetQuery,
        list::{CountMode, ListQuery},
        task::Task,
    },
    error::{Error, Result},
};

/// What the database answers to a list.
#[derive(Debug)]
pub struct TaskList {
    /// How many tasks match in all; `None` unless asked for.
    pub total: Option<i64>,
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
        let statement = ListStatement::new(self.tenant, query);
        let rows = self
            .db
            .run(async |connection| statement.load(connection).await)
            .await?;
        to_list(rows, query)
    }

    /// The tasks of some ids, by id, from one snapshot; ids without a task are left out.
    pub async fn task_get(&self, query: &GetQuery) -> Result<HashMap<String, Task>> {
        let GetQuery {
            task_ids,
            target_limit,
        } = query;
        let found = sql::<TaskSql>("SELECT ")
            .sql(COLUMNS)
            .sql(", t.target[1:")
            .bind::<Integer, _>(target_limit)
            .sql("] FROM tasks t WHERE t.tenant_id = ")
            .bind::<Text, _>(self.tenant.as_str())
            .sql(" AND t.task_id = ANY (")
            .bind::<Array<Text>, _>(task_ids)
            .sql(")");
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

impl Transaction<'_> {
    /// Total and page of a list, as this transaction sees them.
    pub async fn task_list(&mut self, query: &ListQuery) -> Result<TaskList> {
        let statement = ListStatement::new(self.tenant, query);
        let rows = self
            .run(async |connection| statement.load(connection).await)
            .await?;
        to_list(rows, query)
    }
}

fn to_list(rows: Vec<Row>, query: &ListQuery) -> Result<TaskList> {
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
        // The way to a page may need it where the caller does not.
        total: total.filter(|_| query.count == CountMode::Exact),
        tasks,
        as_of,
        status_counts,
    })
}
