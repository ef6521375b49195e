//! The document's JSON: its fields, its order, its words.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, header};
use serde::{Serialize, Serializer};

use crate::{
    app::{TargetPage, TaskPage},
    domain::{action::TaskAction, status::TaskStatus, target::TargetCounts, task::Task, time},
};

/// How times are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// `2023-03-01T10:00:00Z`
    #[default]
    Rfc3339,
    /// The document's `20230301T10:00:00Z`
    Compact,
}

impl TimeFormat {
    /// The function that writes an instant so.
    pub(super) fn write(self) -> fn(DateTime<Utc>) -> String {
        match self {
            Self::Rfc3339 => time::to_rfc3339,
            Self::Compact => time::to_compact,
        }
    }
}

struct Time(DateTime<Utc>, TimeFormat);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(instant, format) = self;
        serializer.serialize_str(&format.write()(*instant))
    }
}

#[derive(Serialize)]
struct Page<'a> {
    total: i32,
    tasks: Vec<OutboundTask<'a>>,
    next_page_token: &'a str,
    as_of: Time,
    #[serde(skip_serializing_if = "StatusCounts::is_empty")]
    status_counts: StatusCounts<'a>,
}

/// The documented words and how many tasks there are of each, as one object in the order of the statuses.
struct StatusCounts<'a>(&'a [(TaskStatus, i32)]);

impl StatusCounts<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for StatusCounts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(status, count)| (status.word(), count)))
    }
}

#[derive(Serialize)]
struct OutboundTask<'a> {
    task_id: &'a str,
    name: &'a str,
    target: &'a [String],
    start_time: Time,
    end_time: Time,
    status: &'a str,
    progress: i16,
    created_at: Time,
    updated_at: Time,
    target_count: i32,
    allowed_actions: Vec<&'static str>,
    status_reason: &'a str,
    status_changed_at: Time,
    target_counts: Counts,
    etag: String,
}

#[derive(Serialize)]
struct Counts {
    pending: i32,
    answered: i32,
    no_answer: i32,
    busy: i32,
    failed: i32,
    skipped: i32,
}

impl From<TargetCounts> for Counts {
    fn from(counts: TargetCounts) -> Self {
        let TargetCounts {
            pending,
            answered,
            no_answer,
            busy,
            failed,
            skipped,
        } = counts;
        Self {
            pending,
            answered,
            no_answer,
            busy,
            failed,
            skipped,
        }
    }
}

impl<'a> OutboundTask<'a> {
    fn new(task: &'a Task, format: TimeFormat) -> Self {
        Self {
            task_id: &task.task_id,
            name: &task.name,
            target: &task.target,
            start_time: Time(task.start_time, format),
            end_time: Time(task.end_time, format),
            status: task.status.word(),
            progress: task.progress,
            created_at: Time(task.created_at, format),
            updated_at: Time(task.updated_at, format),
            target_count: task.target_count,
            allowed_actions: task.allowed_actions().map(TaskAction::word).collect(),
            status_reason: &task.status_reason,
            status_changed_at: Time(task.status_changed_at, format),
            target_counts: task.target_counts.into(),
            etag: task.etag(),
        }
    }
}

pub(super) fn task(task: &Task, format: TimeFormat) -> Response {
    response(&OutboundTask::new(task, format))
}

pub(super) fn page(page: &TaskPage, format: TimeFormat) -> Response {
    response(&Page {
        total: page.total,
        tasks: page
            .tasks
            .iter()
            .map(|t| OutboundTask::new(t, format))
            .collect(),
        next_page_token: &page.next_page_token,
        as_of: Time(page.as_of, format),
        status_counts: StatusCounts(&page.status_counts),
    })
}

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

/// Adds a task as one line.
pub(super) fn push_line(task: &Task, format: TimeFormat, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, &OutboundTask::new(task, format))
        .expect("these types have no map and no fallible part, and memory takes all");
    out.push(b'\n');
}

/// `value` as a JSON answer.
pub(super) fn response(value: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(value)
        .expect("these types have no map but of words, and no fallible part");
    let json = HeaderValue::from_static("application/json");
    // A list is as of an instant: a cache would tell an old one.
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
