//! Responses in the JSON form of the GET specification.

use axum::{
    body::Bytes,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use serde::Serialize;

use crate::{
    app::{
        AnswerForm, AnswerFormat, AnswerShape, TargetPage, TaskPage, WrittenAnswer,
        json::{OutboundTask, StatusCounts, Time, TimeFormat},
    },
    domain::{fields::TaskFields, task::Task, words::Word},
};

/// What stands before the time of a page. No text of a task can contain it, since the quotes of a text are escaped.
const TIME: &[u8] = br#""as_of":""#;

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

/// How a page of tasks is written.
pub(super) fn page_form(fields: TaskFields, format: TimeFormat) -> AnswerForm {
    AnswerForm {
        shape: AnswerShape {
            format: AnswerFormat::Json(format),
            fields,
        },
        write: write_page,
        write_time: |as_of, shape, out| {
            out.extend_from_slice((shape.format.times().write())(as_of).as_bytes());
        },
    }
}

fn write_page(page: TaskPage, shape: AnswerShape) -> WrittenAnswer {
    let AnswerShape { format, fields } = shape;
    let format = format.times();
    let tasks = page.tasks.iter();
    let bytes = to_bytes(&Page {
        total: page.total,
        tasks: tasks
            .map(|t| OutboundTask::new(t, fields, format))
            .collect(),
        next_page_token: &page.next_page_token,
        as_of: Time(page.as_of, format),
        status_counts: StatusCounts(&page.status_counts),
    });
    // Only the counts follow, so it is found at once.
    let time = bytes.windows(TIME.len()).rposition(|part| part == TIME);
    let start = time.expect("a page has a time") + TIME.len();
    let length = bytes[start..].iter().position(|byte| *byte == b'"');
    let end = start + length.expect("a text ends with a quote");
    WrittenAnswer::new(bytes, start..end)
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
    response_of(to_bytes(value).into())
}

fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value)
        .expect("these types have no fallible part and only strings as map keys")
}

/// A response with a JSON body.
pub(super) fn response_of(bytes: Bytes) -> Response {
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
