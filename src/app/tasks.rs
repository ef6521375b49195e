//! Tasks: the list, and single ones.

use chrono::{DateTime, Utc};

use super::{App, Caller};
use crate::{
    domain::{
        get::GetQuery,
        list::{GrowingPage, ListRequest, page_too_large},
        page::Position,
        status::TaskStatus,
        task::Task,
    },
    error::{Error, Result, Violations},
};

/// One page of the tasks that match.
#[derive(Debug)]
pub struct TaskPage {
    /// How many tasks match in all, where that was asked for.
    pub total: Option<i32>,
    /// The page's tasks, in order.
    pub tasks: Vec<Task>,
    /// Names the next page; empty on the last.
    pub next_page_token: String,
    /// The instant whose committed state this page shows.
    pub as_of: DateTime<Utc>,
    /// How many tasks there are of each status, whatever statuses the filter names; empty unless asked for.
    pub status_counts: Vec<(TaskStatus, i32)>,
}

/// Tasks asked for by their ids.
#[derive(Debug)]
pub struct TaskBatch {
    /// Those that there are, in the order asked for.
    pub tasks: Vec<Task>,
    /// The ids without a task, in the order asked for.
    pub missing: Vec<String>,
}

impl App {
    /// One of the caller's tasks, or NOT_FOUND.
    pub async fn task_get(&self, caller: &Caller, query: GetQuery) -> Result<Task> {
        let TaskBatch { mut tasks, missing } = self.task_batch_get(caller, query).await?;
        match tasks.pop() {
            Some(task) => Ok(task),
            None => Err(Error::no_such_task(missing.concat())),
        }
    }

    /// The caller's tasks of these ids.
    pub async fn task_batch_get(&self, caller: &Caller, query: GetQuery) -> Result<TaskBatch> {
        let found = self.db.tenant(&caller.tenant).task_get(&query).await?;
        let (mut page, mut missing) = (GrowingPage::default(), Vec::new());
        for id in query.task_ids {
            match found.get(&id) {
                // A task counts as often as it is named, though it was read once.
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

    /// Lists the caller's tasks; `faults` are what the transport could not read.
    pub async fn task_list(
        &self,
        caller: &Caller,
        request: ListRequest,
        faults: Violations,
    ) -> Result<TaskPage> {
        let query = request.check(&caller.token_key, faults)?;
        self.listed.note(&caller.tenant);
        let list = self.db.tenant(&caller.tenant).task_list(&query).await?;
        let mut tasks = list.tasks;
        let limit = query.limit as usize; // 1 to 1000
        let is_more = tasks.len() > limit;
        tasks.truncate(limit);
        let next_page_token = match tasks.last().filter(|_| is_more) {
            Some(last) => caller.token_key.seal(
                &query.filter,
                query.order,
                &Position {
                    value: last.sort_value(query.order.by),
                    task_id: last.task_id.clone(),
                },
            ),
            None => String::new(),
        };
        // The contract's counts are int32.
        let count = |of: i64| i32::try_from(of).unwrap_or(i32::MAX);
        let counts = list.status_counts.into_iter().flatten().map(count);
        Ok(TaskPage {
            total: list.total.map(count),
            status_counts: TaskStatus::ALL.into_iter().zip(counts).collect(),
            tasks,
            next_page_token,
            as_of: list.as_of,
        })
    }
}
