//! The document's JSON: its fields, its order, its words.

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use http::{HeaderValue, header};
use serde::{Serialize, Serializer};

use crate::{
    app::{TargetPage, TaskPage},
    domain::{
        action::TaskAction,
        fields::{TaskField, TaskFields},
        status::TaskStatus,
        target::TargetCounts,
        task::Task,
        time,
    },
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

pub(super) struct Time(pub(super) DateTime<Utc>, pub(super) TimeFormat);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(instant, format) = self;
        serializer.serialize_str(&format.write()(*instant))
    }
}

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

/// A field that is not wanted is not there.
#[derive(Serialize)]
pub(super) struct OutboundTask<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<i16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_actions: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_changed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_counts: Option<TargetCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
}

impl<'a> OutboundTask<'a> {
    pub(super) fn new(task: &'a Task, fields: TaskFields, format: TimeFormat) -> Self {
        Self {
            task_id: fields.pick(TaskField::TaskId, &*task.task_id),
            name: fields.pick(TaskField::Name, &*task.name),
            target: fields.pick(TaskField::Target, &*task.target),
            start_time: fields.pick(TaskField::StartTime, Time(task.start_time, format)),
            end_time: fields.pick(TaskField::EndTime, Time(task.end_time, format)),
            status: fields.pick(TaskField::Status, task.status.word()),
            progress: fields.pick(TaskField::Progress, task.progress),
            created_at: fields.pick(TaskField::CreatedAt, Time(task.created_at, format)),
            updated_at: fields.pick(TaskField::UpdatedAt, Time(task.updated_at, format)),
            target_count: fields.pick(TaskField::TargetCount, task.target_count),
            allowed_actions: fields.pick(
                TaskField::AllowedActions,
                task.allowed_actions().map(TaskAction::word).collect(),
            ),
            status_reason: fields.pick(TaskField::StatusReason, &*task.status_reason),
            status_changed_at: fields.pick(
                TaskField::StatusChangedAt,
                Time(task.status_changed_at, format),
            ),
            target_counts: fields.pick(TaskField::TargetCounts, task.target_counts),
            etag: fields.pick(TaskField::Etag, task.etag()),
        }
    }
}

pub(super) fn task(task: &Task, fields: TaskFields, format: TimeFormat) -> Response {
    response(&OutboundTask::new(task, fields, format))
}

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
    serde_json::to_writer(
        &mut *out,
        &OutboundTask::new(task, TaskFields::default(), format),
    )
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
