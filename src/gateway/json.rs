//! Responses in the JSON form of the GET specification.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;

use crate::{
    app::{
        TargetPage, TaskPage,
        json::{OutboundTask, StatusCounts, Time, TimeFormat},
    },
    domain::{fields::TaskFields, task::Task, words::Word},
};

/// A page of tasks. Members that were not requested are absent, and not null.
#[derive(Serialize)]
struct Page<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i32>,
    tasks: Vec<OutboundTask<'a>>,
    next_page_token: &'a str,
    as_of: Time,
    #[serde(skip_serializing_if = "StatusCounts::is_empty")]
    status_counts: StatusCounts<'a>,
}

/// Renders one task.
pub(super) fn task(task: &Task, fields: TaskFields, format: TimeFormat) -> Response {
    response(&OutboundTask::new(task, fields, format))
}

/// Renders a page of tasks.
pub(super) fn page(page: &TaskPage, fields: TaskFields, format: TimeFormat) -> Response {
    let tasks = page.tasks.iter();
    response(&Page {
        total: page.total,
        tasks: tasks
            .map(|t| OutboundTask::new(t, fields, format))
            .collect(),
        next_page_token: &page.next_page_token,
        as_of: Time(page.as_of, format),
        status_counts: StatusCounts(&page.status_counts),
    })
}

/// A page of targets.
#[derive(Serialize)]
struct Targets<'a> {
    total: i32,
    targets: Vec<TaskTarget<'a>>,
    next_page_token: &'a str,
    as_of: Time,
}

#[derive(Serialize)]
struct TaskTarget<'a> {
    customer_id: &'a str,
    state: &'static str,
    attempt: i32,
    time: Option<Time>,
}

/// Renders a page of a task's targets.
pub(super) fn target_page(page: &TargetPage, format: TimeFormat) -> Response {
    let targets = page.targets.iter().map(|target| TaskTarget {
        customer_id: &target.customer_id,
        state: target.state.word(),
        attempt: target.attempt,
        time: target.time.map(|time| Time(time, format)),
    });
    response(&Targets {
        total: page.total,
        targets: targets.collect(),
        next_page_token: &page.next_page_token,
        as_of: Time(page.as_of, format),
    })
}

/// A response with `value` as its JSON body.
pub(super) fn response(value: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(value)
        .expect("these types have no fallible part and only strings as map keys");
    let json = HeaderValue::from_static("application/json");
    // A list describes one instant, so a cached copy would be stale.
    let no_store = HeaderValue::from_static("no-store");
    (
        [
            (header::CONTENT_TYPE, json),
            (header::CACHE_CONTROL, no_store),
        ],
        bytes,
    )
        .into_response()
}
