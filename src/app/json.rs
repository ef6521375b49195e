//! A task in the JSON form of the specification: its fields, their order and its words. The gateway responds with it,
//! and the commands that call a service print it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::domain::{
    action::TaskAction,
    fields::{TaskField, TaskFields},
    status::TaskStatus,
    target::TargetCounts,
    task::Task,
    time,
};

/// The format of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2023-03-01T10:00:00Z`
    #[default]
    Rfc3339,
    /// `20230301T10:00:00Z`, as in the specification
    Compact,
}

impl TimeFormat {
    /// The function that formats a time.
    pub fn write(self) -> fn(DateTime<Utc>) -> String {
        match self {
            Self::Rfc3339 => time::to_rfc3339,
            Self::Compact => time::to_compact,
        }
    }
}

/// A time with its format.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub DateTime<Utc>, pub TimeFormat);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(instant, format) = self;
        serializer.serialize_str(&format.write()(*instant))
    }
}

/// The JSON form of a task. The fields are those of [`Task`] that callers see; fields that were not
/// requested are absent.
#[allow(missing_docs)] // documented at [`TaskField`]
#[derive(Debug, Serialize)]
pub struct OutboundTask<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_actions: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_changed_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_counts: Option<TargetCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<Cow<'a, str>>,
}

impl<'a> OutboundTask<'a> {
    /// The requested fields of a task.
    pub fn new(task: &'a Task, fields: TaskFields, format: TimeFormat) -> Self {
        let time = |field, instant| fields.pick(field, Time(instant, format));
        Self {
            task_id: fields.pick(TaskField::TaskId, &*task.task_id),
            name: fields.pick(TaskField::Name, &*task.name),
            target: fields.pick(TaskField::Target, &*task.target),
            start_time: time(TaskField::StartTime, task.start_time),
            end_time: time(TaskField::EndTime, task.end_time),
            status: fields.pick(TaskField::Status, task.status.word()),
            progress: fields.pick(TaskField::Progress, task.progress.into()),
            created_at: time(TaskField::CreatedAt, task.created_at),
            updated_at: time(TaskField::UpdatedAt, task.updated_at),
            target_count: fields.pick(TaskField::TargetCount, task.target_count),
            allowed_actions: fields.pick(
                TaskField::AllowedActions,
                task.allowed_actions().map(TaskAction::word).collect(),
            ),
            status_reason: fields.pick(TaskField::StatusReason, &*task.status_reason),
            status_changed_at: time(TaskField::StatusChangedAt, task.status_changed_at),
            target_counts: fields.pick(TaskField::TargetCounts, task.target_counts),
            etag: fields.pick(TaskField::Etag, task.etag().into()),
        }
    }
}

/// The number of tasks per status, as one object in the order of the statuses.
#[derive(Debug, Clone, Copy)]
pub struct StatusCounts<'a>(pub &'a [(TaskStatus, i32)]);

impl StatusCounts<'_> {
    /// Whether the counts were not requested.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for StatusCounts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(status, count)| (status.word(), count)))
    }
}

/// Appends a value as one line.
pub fn push_line(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, value)
        .expect("these types have only strings as map keys, and writing to a Vec cannot fail");
    out.push(b'\n');
}
