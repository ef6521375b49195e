//! A task in the document's JSON: its fields, its order, its words. The HTTP form answers so, and the commands that ask
//! a service print so.

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

/// How times are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2023-03-01T10:00:00Z`
    #[default]
    Rfc3339,
    /// The document's `20230301T10:00:00Z`
    Compact,
}

impl TimeFormat {
    /// The function that writes an instant so.
    pub fn write(self) -> fn(DateTime<Utc>) -> String {
        match self {
            Self::Rfc3339 => time::to_rfc3339,
            Self::Compact => time::to_compact,
        }
    }
}

/// An instant and how it is written.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub DateTime<Utc>, pub TimeFormat);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(instant, format) = self;
        serializer.serialize_str(&format.write()(*instant))
    }
}

/// A task as it is written; the fields are those of [`Task`] that callers see. One that is not wanted is not there.
#[allow(missing_docs)] // [`TaskField`] tells what each of them is
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
    /// The task as far as its fields are wanted.
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

/// The documented words and how many tasks there are of each, as one object in the order of the statuses.
#[derive(Debug, Clone, Copy)]
pub struct StatusCounts<'a>(pub &'a [(TaskStatus, i32)]);

impl StatusCounts<'_> {
    /// True where they were not asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for StatusCounts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(status, count)| (status.word(), count)))
    }
}

/// Adds a value as one line.
pub fn push_line(value: &impl Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, value)
        .expect("these types have no map but of words and no fallible part, and memory takes all");
    out.push(b'\n');
}
