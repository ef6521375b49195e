//! Reads tasks: the list, and single tasks.

use chrono::{DateTime, Utc};

use super::{App, Caller};
use crate::{
    domain::{
        get::{GetQuery, Shown},
        list::{GrowingPage, ListRequest, page_too_large},
        page::{self, Position},
        status::TaskStatus,
        task::Task,
        words::Word,
    },
    error::{Error, Result, Violations},
};

/// One page of the matching tasks.
#[derive(Debug)]
pub struct TaskPage {
    /// The number of matching tasks; `None` if it was not requested.
    pub total: Option<i32>,
    /// The tasks of the page, in the requested order.
    pub tasks: Vec<Task>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
    /// The time of the snapshot that the page shows.
    pub as_of: DateTime<Utc>,
    /// The number of matching tasks per status, ignoring the statuses in the filter; empty unless requested.
    pub status_counts: Vec<(TaskStatus, i32)>,
}

/// The result of a request for several tasks by id.
#[derive(Debug)]
pub struct TaskBatch {
    /// The existing tasks, in the order of the request.
    pub tasks: Vec<Task>,
    /// The ids that have no task, in the order of the request.
    pub missing: Vec<String>,
}

impl App {
    /// Reads one task of the caller's tenant; NOT_FOUND if it does not exist. `violations` are those that the transport
    /// found.
    pub async fn task_get(
        &self,
        caller: &Caller,
        task_id: String,
        shown: Shown,
        violations: Violations,
    ) -> Result<Task> {
        let query = GetQuery::one(task_id, shown, violations)?;
        let TaskBatch { mut tasks, missing } = self.task_read(caller, query).await?;
        match tasks.pop() {
            Some(task) => Ok(task),
            None => Err(Error::no_such_task(missing.concat())),
        }
    }

    /// Reads tasks of the caller's tenant by their ids. `violations` are those that the transport found.
    pub async fn task_batch_get(
        &self,
        caller: &Caller,
        task_ids: Vec<String>,
        shown: Shown,
        violations: Violations,
    ) -> Result<TaskBatch> {
        let query = GetQuery::many(task_ids, shown, violations)?;
        self.task_read(caller, query).await
    }

    async fn task_read(&self, caller: &Caller, query: GetQuery) -> Result<TaskBatch> {
        let found = self.db.tenant(&caller.tenant).task_get(&query).await?;
        let (mut page, mut missing) = (GrowingPage::default(), Vec::new());
        for id in query.task_ids {
            match found.get(&id) {
                // A task is read once but counts towards the page size as often as the request names it.
                Some(task) if !page.push(task.clone()) => {
                    return Err(page_too_large(["task_ids", "target_limit"]));
                }
                Some(_) => {}
                None => missing.push(id),
            }
        }
        Ok(TaskBatch {
            tasks: page.tasks,
            missing,
        })
    }

    /// Lists the tasks of the caller's tenant. `violations` are those that the transport found.
    pub async fn task_list(
        &self,
        caller: &Caller,
        request: ListRequest,
        violations: Violations,
    ) -> Result<TaskPage> {
        let query = request.check(&caller.token_key, violations)?;
        self.listed.note(&caller.tenant);
        let list = self.db.tenant(&caller.tenant).task_list(&query).await?;
        let mut tasks = list.tasks;
        let next_page_token = page::cut(&mut tasks, query.limit, |last| {
            let position = Position {
                value: last.sort_value(query.order.by),
                task_id: last.task_id.clone(),
            };
            let key = &caller.token_key;
            key.seal(&query.filter, query.order, &position)
        });
        // The counts of the API are int32.
        let count = |of: i64| i32::try_from(of).unwrap_or(i32::MAX);
        let counts = list.status_counts.into_iter().flatten().map(count);
        Ok(TaskPage {
            total: list.total.map(count),
            status_counts: TaskStatus::all().zip(counts).collect(),
            tasks,
            next_page_token,
            as_of: list.as_of,
        })
    }
}
