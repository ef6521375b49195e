//! An outbound-call task and the values it may hold.

use chrono::{DateTime, Utc};

use super::{
    action::TaskAction,
    filter::OrderBy,
    limits::INLINE_TARGETS,
    page::SortValue,
    status::TaskStatus,
    target::{PlacedResult, TargetCounts},
};

/// A task as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Unique in its tenant.
    pub task_id: String,
    /// What people call it.
    pub name: String,
    /// The first customer ids, in the task's order.
    pub target: Vec<String>,
    /// Planned start.
    pub start_time: DateTime<Utc>,
    /// Planned end, not before the start.
    pub end_time: DateTime<Utc>,
    /// Where it is in its life.
    pub status: TaskStatus,
    /// Percent done, 0 to 100.
    pub progress: i16,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When anything in it last changed.
    pub updated_at: DateTime<Utc>,
    /// How many customers there are in all.
    pub target_count: i32,
    /// Why the status is what it is; may be empty.
    pub status_reason: String,
    /// When the status last changed.
    pub status_changed_at: DateTime<Utc>,
    /// How many customers were called, and with what result.
    pub target_counts: TargetCounts,
    /// The version: another one after every change, never one that any task had before.
    pub revision: i64,
}

impl Task {
    /// The version as callers know it.
    pub fn etag(&self) -> String {
        format!("{:x}", self.revision)
    }

    /// What can be done with it now.
    pub fn allowed_actions(&self) -> impl Iterator<Item = TaskAction> {
        TaskAction::allowed(self.status)
    }

    /// The value that puts the task into its place in a list ordered by `by`.
    pub fn sort_value(&self, by: OrderBy) -> SortValue {
        match by {
            OrderBy::StartTime => SortValue::Time(self.start_time),
            OrderBy::EndTime => SortValue::Time(self.end_time),
            OrderBy::CreatedAt => SortValue::Time(self.created_at),
            OrderBy::UpdatedAt => SortValue::Time(self.updated_at),
            OrderBy::Name => SortValue::Name(self.name.clone()),
            OrderBy::Progress => SortValue::Progress(self.progress),
            OrderBy::TaskId => SortValue::TaskId,
        }
    }
}

/// A whole task on its way into the database, all of its targets with it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Unique in its tenant.
    pub task_id: String,
    /// What people call it.
    pub name: String,
    /// All customer ids, in order, each once.
    pub targets: Vec<String>,
    /// Planned start.
    pub start_time: DateTime<Utc>,
    /// Planned end, not before the start.
    pub end_time: DateTime<Utc>,
    /// Where it is in its life.
    pub status: TaskStatus,
    /// Percent done, 0 to 100.
    pub progress: i16,
    /// When it was made; `None` for the moment in which the database takes it in.
    pub created_at: Option<DateTime<Utc>>,
    /// When anything in it last changed; `None` for that moment too.
    pub updated_at: Option<DateTime<Utc>>,
    /// Why the status is what it is; may be empty.
    pub status_reason: String,
    /// When the status last changed; `None` where it never did.
    pub status_changed_at: Option<DateTime<Utc>>,
    /// What came of calling its customers, in their order; those without a result are left out.
    pub results: Vec<PlacedResult>,
}

/// What the database gives a task that it takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The version.
    pub revision: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When anything in it last changed.
    pub updated_at: DateTime<Utc>,
}

impl NewTask {
    /// The task that it is once made.
    pub fn as_made(&self, stamp: Stamp) -> Task {
        let Stamp {
            revision,
            created_at,
            updated_at,
        } = stamp;
        // The database takes no more than an int32 of them.
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
            revision,
        }
    }
}
