//! Reads tasks.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, QueryDsl, QueryResult, dsl::sql, sql_types::Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;

use super::{
    Db, TenantDb, Work,
    get::{GetStatement, task_row_on},
    list::{ListStatement, Row},
    list_rows::{ListRows, StoredTask, list_rows_on},
    row::{TaskRow, to_task},
    schema::tasks,
};
use crate::{
    domain::{
        get::GetQuery,
        list::{GrowingPage, ListQuery, page_too_large},
        task::Task,
    },
    error::{Error, Result},
};

/// Tasks of a list, from one snapshot.
#[derive(Debug)]
pub struct TasksAt {
    /// The number of matching tasks.
    pub total: i64,
    /// The time of the snapshot.
    pub as_of: DateTime<Utc>,
    /// The tasks of the page, and one more if there is a next page.
    pub tasks: Vec<Task>,
}

impl TenantDb<'_> {
    /// A text in the form in which names are searched: without its case.
    pub async fn name_fold(&self, text: &str) -> Result<String> {
        let fold = diesel::select(
            sql::<Text>("task_name_fold(")
                .bind::<Text, _>(text)
                .sql(")"),
        );
        self.db
            .run(async |connection| fold.get_result(connection).await)
            .await
    }

    /// Reads the total and one page of a list from one snapshot, to be written as an answer. INVALID_ARGUMENT if the page
    /// is too large, which is noticed while its rows arrive.
    pub async fn list_rows(&self, query: &ListQuery) -> Result<ListRows> {
        let read = self
            .db
            .run_page(Work::list(self.tenant, query), async |connection| {
                list_rows_on(connection, self.tenant, query).await
            });
        let list = read.await?;
        list.ok_or_else(|| page_too_large(["limit", "target_limit"]))?
    }

    /// Reads the tasks of a list, however large they are together, with the total and the time of the snapshot.
    pub async fn task_list(&self, query: &ListQuery) -> Result<TasksAt> {
        let list = ListStatement::new(self.tenant, query);
        let rows: Vec<Row> = self
            .db
            .run_as(Work::list(self.tenant, query), async |connection| {
                list.load(connection).await
            })
            .await?;
        let first = rows.as_slice().first();
        let head = first.and_then(|(total, as_of, ..)| Some(((*total)?, *as_of)));
        let (total, as_of) =
            head.ok_or_else(|| Error::internal("the list statement answered without a total"))?;
        Ok(TasksAt {
            total,
            as_of,
            tasks: tasks_of(rows)?,
        })
    }

    /// Reads one task by its id, to be written as an answer; `None` if it does not exist.
    pub async fn task_row(&self, query: &GetQuery) -> Result<Option<StoredTask>> {
        let read = self.run("task", async |connection| {
            task_row_on(connection, self.tenant, query).await
        });
        read.await?
    }

    /// Reads tasks by their ids from one snapshot. Missing ids are left out.
    pub async fn task_get(&self, query: &GetQuery) -> Result<HashMap<String, Task>> {
        let work = Work::named(self.tenant, "tasks", query.task_ids.len());
        let read = self.db.run_page(work, async |connection| {
            let found = GetStatement::new(self.tenant, query);
            let mut rows = found.load_stream::<TaskRow>(connection).await?;
            let mut page = GrowingPage::default();
            while let Some(row) = rows.try_next().await? {
                match to_task(row) {
                    Ok(task) => {
                        if !page.push(task) {
                            return Ok(None);
                        }
                    }
                    Err(error) => return Ok(Some(Err(error))),
                }
            }
            Ok(Some(Ok(page.tasks)))
        });
        let tasks = read.await?;
        let tasks = tasks.ok_or_else(|| page_too_large(["task_ids", "target_limit"]))??;
        let by_id = |task: Task| (task.task_id.clone(), task);
        Ok(tasks.into_iter().map(by_id).collect())
    }

    /// Whether the tenant has any task.
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

/// The tasks among the rows of a list that was read at once: a bulk change requests no targets, so
/// the rows are small.
pub(super) fn tasks_of(rows: Vec<Row>) -> Result<Vec<Task>> {
    let tasks = rows.into_iter().filter_map(|(_, _, _, task)| task);
    tasks.map(to_task).collect()
}

impl Db {
    /// Reads a page. `None` means that reading stopped early; the connection is then closed and its statement
    /// cancelled, because the remaining rows would reach its next user.
    async fn run_page<T>(
        &self,
        work: Work<'_>,
        read: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<Option<T>>,
    ) -> Result<Option<T>> {
        let mut lease = self.lease(work).await?;
        let page = lease.run(read).await;
        // A lease that is not given back closes its connection.
        if !matches!(page, Ok(None)) {
            lease.give_back();
        }
        page
    }
}
