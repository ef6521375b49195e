//! Tasks: the list.

use chrono::{DateTime, Utc};

use super::{App, Caller};
use crate::{
    domain::{list::ListRequest, page::Position, task::Task},
    error::{Result, Violation},
};

/// One page of the tasks that match.
#[derive(Debug)]
pub struct TaskPage {
    /// How many tasks match in all.
    pub total: i32,
    /// The page's tasks, in order.
    pub tasks: Vec<Task>,
    /// Names the next page; empty on the last.
    pub next_page_token: String,
    /// The instant whose committed state this page shows.
    pub as_of: DateTime<Utc>,
}

impl App {
    /// Lists the caller's tasks; `faults` are what the transport could not read.
    pub async fn task_list(
        &self,
        caller: &Caller,
        request: ListRequest,
        faults: Vec<Violation>,
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
        Ok(TaskPage {
            // The contract's total is an int32.
            total: i32::try_from(list.total).unwrap_or(i32::MAX),
            tasks,
            next_page_token,
            as_of: list.as_of,
        })
    }
}
