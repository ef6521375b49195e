//! Lists the events of a task: who changed what.

use super::{App, Caller};
use crate::{
    db::TenantDb,
    domain::{
        event::{Change, TaskEvent},
        get::{GetQuery, Shown},
        limits::{DEFAULT_PARTS, MAX_ID_CHARS, MAX_LIMIT, check_range, check_text},
        order::Direction,
        page,
        words::Word,
        write::valid,
    },
    error::{Error, Result, Violations},
};

/// The events that one query reads at most. An event of the maximum size has 70 KiB, so this limits the memory of a call.
const AT_A_TIME: i64 = 250;
/// The size of events after which a page ends, so that a response stays far below the maximum of its size.
const PAGE_BYTES: usize = 2 << 20;

/// The parameters of a list of a task's events.
#[derive(Debug)]
pub struct EventListRequest {
    /// The id of the task.
    pub task_id: String,
    /// The order of the events in time.
    pub direction: Direction,
    /// The maximum number of events in the page; [`DEFAULT_PARTS`] if not set.
    pub limit: Option<i64>,
    /// The token of the previous page; empty for the first page.
    pub page_token: String,
}

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
        request: EventListRequest,
        mut violations: Violations,
    ) -> Result<EventPage> {
        let EventListRequest {
            task_id,
            direction,
            limit,
            page_token,
        } = request;
        let limit = limit.unwrap_or(DEFAULT_PARTS);
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut violations);
        check_range("limit", limit, 1, MAX_LIMIT, &mut violations);
        let query = ["events", &task_id, direction.word()];
        let from = caller
            .token_key
            .open_number(&page_token, &query, &mut violations);
        valid(violations)?;
        let tenant = self.db.tenant(&caller.tenant);
        let (mut events, limit) = read(tenant, &task_id, direction, from, limit).await?;
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

/// Reads the events of a page, and perhaps some more. Returns them with the number of those that the page holds: at most
/// `limit`, and fewer if they are large.
async fn read(
    tenant: TenantDb<'_>,
    task_id: &str,
    direction: Direction,
    from: Option<i64>,
    limit: i64,
) -> Result<(Vec<TaskEvent>, i64)> {
    let (mut events, mut bytes, mut fitting) = (Vec::new(), 0, 0);
    let mut after = from;
    loop {
        // One more than the page holds tells whether there is a next page.
        let most = (limit + 1 - events.len() as i64).min(AT_A_TIME);
        let more = tenant.event_list(task_id, direction, after, most).await?;
        let is_last = (more.len() as i64) < most;
        for event in more {
            bytes += size(&event);
            if bytes <= PAGE_BYTES || fitting == 0 {
                fitting += 1;
            }
            after = Some(event.event_id);
            events.push(event);
        }
        if is_last || events.len() as i64 > limit || bytes > PAGE_BYTES {
            return Ok((events, limit.min(fitting.max(1))));
        }
    }
}

/// About how many bytes an event takes in a response.
fn size(event: &TaskEvent) -> usize {
    let changes = event.changes.iter();
    let changes = changes.map(|change| {
        let Change {
            field,
            before,
            after,
        } = change;
        let values = [before, after].into_iter().flatten().map(String::len);
        field.len() + values.sum::<usize>()
    });
    let customers = event.customer_ids.iter().map(|id| id.len() + 3);
    event.reason.len() + changes.sum::<usize>() + customers.sum::<usize>()
}
