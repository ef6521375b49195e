//! Lists the events of a task: who changed what.

use super::{App, Caller};
use crate::{
    domain::{
        event::TaskEvent,
        get::{GetQuery, Shown},
        limits::{MAX_ID_CHARS, MAX_LIMIT, check_range, check_text},
        order::Direction,
        page,
        write::valid,
    },
    error::{Error, Result, Violations},
};

/// One page of the events of a task.
#[derive(Debug)]
pub struct EventPage {
    /// The events, in the requested order.
    pub events: Vec<TaskEvent>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
}

impl App {
    /// Lists the events of a task, even of a deleted one. NOT_FOUND if there is neither a task nor an event.
    pub async fn event_list(
        &self,
        caller: &Caller,
        task_id: String,
        direction: Direction,
        limit: i64,
        page_token: &str,
        mut violations: Violations,
    ) -> Result<EventPage> {
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut violations);
        check_range("limit", limit, 1, MAX_LIMIT, &mut violations);
        let query = ["events", &task_id, direction.word()];
        let from = caller
            .token_key
            .open_number(page_token, &query, &mut violations);
        valid(violations)?;
        let tenant = self.db.tenant(&caller.tenant);
        let mut events = tenant
            .event_list(&task_id, direction, from, limit + 1)
            .await?;
        if events.is_empty() {
            let task = GetQuery::one(task_id.clone(), Shown::default(), Violations::new())?;
            if from.is_none() && !tenant.task_get(&task).await?.contains_key(&task_id) {
                return Err(Error::no_such_task(task_id));
            }
        }
        let next_page_token = page::cut(&mut events, limit, |last| {
            caller.token_key.seal_number(&query, last.event_id)
        });
        Ok(EventPage {
            events,
            next_page_token,
        })
    }
}
