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
        json::{AttentionCounts, StatusCounts, Time, TimeFormat, push_task, push_value},
    },
    domain::{fields::TaskFields, words::Word},
    error::Result,
};

/// Approximate bytes of a task besides its texts.
const TASK_BYTES: usize = 640;

/// How answers are written.
pub(super) fn form(fields: TaskFields, format: TimeFormat) -> AnswerForm {
    AnswerForm {
        shape: AnswerShape {
            format: AnswerFormat::Json(format),
            fields,
        },
        write_page,
        write_task: |task, shape| {
            let mut bytes = Vec::new();
            push_task(task, shape.fields, shape.format.times(), &mut bytes);
            WrittenAnswer::timeless(bytes)
        },
        write_time: |as_of, shape, out| {
            out.extend_from_slice((shape.format.times().write())(as_of).as_bytes());
        },
    }
}

/// Members that were not requested are absent, and not null.
fn write_page(page: &TaskPage, shape: AnswerShape) -> Result<WrittenAnswer> {
    let AnswerShape { format, fields } = shape;
    let format = format.times();
    let mut bytes = Vec::with_capacity(page.capacity(TASK_BYTES));
    bytes.push(b'{');
    if let Some(total) = page.total {
        bytes.extend_from_slice(b"\"total\":");
        push_value(&total, &mut bytes);
        bytes.push(b',');
    }
    bytes.extend_from_slice(b"\"tasks\":[");
    let mut is_first = true;
    page.each(|task| {
        if !std::mem::take(&mut is_first) {
            bytes.push(b',');
        }
        push_task(task, fields, format, &mut bytes);
    })?;
    bytes.extend_from_slice(b"],\"next_page_token\":");
    push_value(&page.next_page_token, &mut bytes);
    bytes.extend_from_slice(b",\"as_of\":\"");
    let start = bytes.len();
    (form(fields, format).write_time)(page.as_of, shape, &mut bytes);
    let end = bytes.len();
    bytes.push(b'"');
    let counts = StatusCounts(&page.status_counts);
    if !counts.is_empty() {
        bytes.extend_from_slice(b",\"status_counts\":");
        push_value(&counts, &mut bytes);
    }
    let counts = AttentionCounts(&page.attention_counts);
    if !counts.is_empty() {
        bytes.extend_from_slice(b",\"attention_counts\":");
        push_value(&counts, &mut bytes);
    }
    if let Some(sums) = &page.target_sums {
        bytes.extend_from_slice(b",\"target_sums\":");
        push_value(sums, &mut bytes);
    }
    bytes.push(b'}');
    Ok(WrittenAnswer::new(bytes, start..end))
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
