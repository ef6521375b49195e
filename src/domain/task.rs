//! An outbound-call task and the limits of its values.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::{
    action::TaskAction,
    fields::{FieldValue, OrderBy, TaskField},
    labels::Labels,
    limits::INLINE_TARGETS,
    order::SortValue,
    status::TaskStatus,
    target::{OrdinalResult, TargetCounts},
    words::Word,
};

/// A task as in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Unique in its tenant.
    pub task_id: String,
    /// The name for people.
    pub name: String,
    /// The first customer ids, in the order of the task.
    pub target: Vec<String>,
    /// The planned start.
    pub start_time: DateTime<Utc>,
    /// The planned end, not before the start.
    pub end_time: DateTime<Utc>,
    /// The status.
    pub status: TaskStatus,
    /// The progress in percent, 0 to 100.
    pub progress: i16,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change of any field.
    pub updated_at: DateTime<Utc>,
    /// The total number of customers.
    pub target_count: i32,
    /// The reason of the status; may be empty.
    pub status_reason: String,
    /// The time of the last change of the status.
    pub status_changed_at: DateTime<Utc>,
    /// The number of customers per state.
    pub target_counts: TargetCounts,
    /// The labels.
    pub labels: Labels,
    /// The version: changes with every change of the task, and is never reused, not even by other tasks.
    pub revision: i64,
    /// The id of the task that it was copied from; empty if it is no copy.
    pub copied_from: String,
    /// When a result of a call was last stored; `None` if never.
    pub last_result_at: Option<DateTime<Utc>>,
}

impl Task {
    /// The version in the form for callers.
    pub fn etag(&self) -> String {
        format!("{:x}", self.revision)
    }

    /// The actions that the current status allows.
    pub fn allowed_actions(&self) -> impl Iterator<Item = TaskAction> {
        TaskAction::allowed(self.status)
    }

    /// The value of a field.
    pub fn value(&self, field: TaskField) -> FieldValue<'_> {
        match field {
            TaskField::TaskId => FieldValue::word(&self.task_id),
            TaskField::Name => FieldValue::Text(&self.name),
            TaskField::Target => FieldValue::Ids(&self.target),
            TaskField::StartTime => FieldValue::Time(self.start_time),
            TaskField::EndTime => FieldValue::Time(self.end_time),
            TaskField::Status => FieldValue::word(self.status.word()),
            TaskField::Progress => FieldValue::Percent(self.progress.into()),
            TaskField::CreatedAt => FieldValue::Time(self.created_at),
            TaskField::UpdatedAt => FieldValue::Time(self.updated_at),
            TaskField::TargetCount => FieldValue::Number(self.target_count),
            TaskField::AllowedActions => {
                FieldValue::Words(self.allowed_actions().map(TaskAction::word).collect())
            }
            TaskField::StatusReason => FieldValue::Text(&self.status_reason),
            TaskField::StatusChangedAt => FieldValue::Time(self.status_changed_at),
            TaskField::TargetCounts => FieldValue::Counts(self.target_counts),
            TaskField::Etag => FieldValue::Word(self.etag().into()),
            TaskField::Labels => FieldValue::Labels(Cow::Borrowed(&self.labels)),
            TaskField::CopiedFrom => FieldValue::word(&self.copied_from),
            TaskField::LastResultAt => self
                .last_result_at
                .map_or(FieldValue::Absent, FieldValue::Time),
        }
    }

    /// The value of the field that a list with this order is sorted by.
    pub fn sort_value(&self, by: OrderBy) -> SortValue {
        match by {
            OrderBy::StartTime => SortValue::Time(self.start_time),
            OrderBy::EndTime => SortValue::Time(self.end_time),
            OrderBy::CreatedAt => SortValue::Time(self.created_at),
            OrderBy::UpdatedAt => SortValue::Time(self.updated_at),
            OrderBy::Name => SortValue::Text(self.name.clone()),
            OrderBy::Progress => SortValue::Number(self.progress),
            OrderBy::TaskId => SortValue::TaskId,
        }
    }
}

/// A new task with all of its targets.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Unique in its tenant.
    pub task_id: String,
    /// The name for people.
    pub name: String,
    /// All customer ids, in order and without repetitions.
    pub targets: Vec<String>,
    /// The planned start.
    pub start_time: DateTime<Utc>,
    /// The planned end, not before the start.
    pub end_time: DateTime<Utc>,
    /// The status.
    pub status: TaskStatus,
    /// The progress in percent, 0 to 100.
    pub progress: i16,
    /// The time of creation; `None` for the time of the insertion.
    pub created_at: Option<DateTime<Utc>>,
    /// The time of the last change; `None` for the time of the insertion.
    pub updated_at: Option<DateTime<Utc>>,
    /// The reason of the status; may be empty.
    pub status_reason: String,
    /// The time of the last change of the status; `None` if it never changed.
    pub status_changed_at: Option<DateTime<Utc>>,
    /// The labels.
    pub labels: Labels,
    /// The call results of its customers in their order; customers without a result are left out.
    pub results: Vec<OrdinalResult>,
    /// The id of the task that it was copied from; empty if it is no copy.
    pub copied_from: String,
}

impl NewTask {
    /// The time of the latest result; `None` without results.
    pub fn last_result_time(&self) -> Option<DateTime<Utc>> {
        self.results.iter().map(|result| result.time).max()
    }
}

/// The values that the database assigns to a new task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The version.
    pub revision: i64,
    /// The time of creation.
    pub created_at: DateTime<Utc>,
    /// The time of the last change.
    pub updated_at: DateTime<Utc>,
}

impl NewTask {
    /// The task after its insertion.
    pub fn as_made(&self, stamp: Stamp) -> Task {
        let Stamp {
            revision,
            created_at,
            updated_at,
        } = stamp;
        // The database accepts at most an int32 of targets.
        let target_count = i32::try_from(self.targets.len()).unwrap_or(i32::MAX);
        Task {
            task_id: self.task_id.clone(),
            name: self.name.clone(),
            target: self.targets.iter().take(INLINE_TARGETS).cloned().collect(),
            start_time: self.start_time,
            end_time: self.end_time,
            status: self.status,
            progress: self.progress,
            created_at,
            updated_at,
            target_count,
            status_reason: String::new(),
            status_changed_at: created_at,
            target_counts: TargetCounts {
                pending: target_count,
                ..TargetCounts::default()
            },
            labels: self.labels.clone(),
            revision,
            copied_from: self.copied_from.clone(),
            last_result_at: None,
        }
    }
}
