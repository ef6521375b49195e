//! A task whose texts are borrowed, so that a list is written straight from the rows of the database.

use super::{
    action::TaskAction, fields::OrderBy, micros::Micros, order::SortValue, status::TaskStatus,
    target::TargetCounts, task::Task,
};

/// A task as in a list. The fields are those of [`Task`].
#[derive(Debug, Clone, Copy)]
pub struct TaskView<'a> {
    /// Unique in its tenant.
    pub task_id: &'a str,
    /// The name for people.
    pub name: &'a str,
    /// The first customer ids, in the order of the task.
    pub target: &'a [&'a str],
    /// The planned start.
    pub start_time: Micros,
    /// The planned end, not before the start.
    pub end_time: Micros,
    /// The status.
    pub status: TaskStatus,
    /// The progress in percent, 0 to 100.
    pub progress: i16,
    /// The time of creation.
    pub created_at: Micros,
    /// The time of the last change of any field.
    pub updated_at: Micros,
    /// The total number of customers.
    pub target_count: i32,
    /// The reason of the status; may be empty.
    pub status_reason: &'a str,
    /// The time of the last change of the status.
    pub status_changed_at: Micros,
    /// The number of customers per state.
    pub target_counts: TargetCounts,
    /// The labels: keys and values, in the order of the keys.
    pub labels: &'a [(&'a str, &'a str)],
    /// The version.
    pub revision: i64,
    /// The id of the task that it was copied from; empty if it is no copy.
    pub copied_from: &'a str,
    /// When a result of a call was last stored; `None` if never.
    pub last_result_at: Option<Micros>,
}

impl<'a> TaskView<'a> {
    /// A view of `task`. `target` are its customer ids, `labels` its labels.
    pub fn of(task: &'a Task, target: &'a [&'a str], labels: &'a [(&'a str, &'a str)]) -> Self {
        let Task {
            task_id,
            name,
            target: _,
            start_time,
            end_time,
            status,
            progress,
            created_at,
            updated_at,
            target_count,
            status_reason,
            status_changed_at,
            target_counts,
            labels: _,
            revision,
            copied_from,
            last_result_at,
        } = task;
        Self {
            task_id,
            name,
            target,
            start_time: (*start_time).into(),
            end_time: (*end_time).into(),
            status: *status,
            progress: *progress,
            created_at: (*created_at).into(),
            updated_at: (*updated_at).into(),
            target_count: *target_count,
            status_reason,
            status_changed_at: (*status_changed_at).into(),
            target_counts: *target_counts,
            labels,
            revision: *revision,
            copied_from,
            last_result_at: last_result_at.map(Micros::from),
        }
    }

    /// The actions that the current status allows.
    pub fn allowed_actions(&self) -> impl Iterator<Item = TaskAction> + use<> {
        TaskAction::allowed(self.status)
    }

    /// Appends the version in the form for callers, as [`Task::etag`].
    pub fn push_etag(&self, out: &mut Vec<u8>) {
        let digits = 16 - (self.revision | 1).leading_zeros() / 4;
        for digit in (0..digits).rev() {
            let four = (self.revision >> (digit * 4)) as u8 & 0xf;
            out.push(b"0123456789abcdef"[usize::from(four)]);
        }
    }

    /// The value of the field that a list with this order is sorted by; `None` for a time that is out of range.
    pub fn sort_value(&self, by: OrderBy) -> Option<SortValue> {
        let time = |at: Micros| at.time().map(SortValue::Time);
        match by {
            OrderBy::StartTime => time(self.start_time),
            OrderBy::EndTime => time(self.end_time),
            OrderBy::CreatedAt => time(self.created_at),
            OrderBy::UpdatedAt => time(self.updated_at),
            OrderBy::Name => Some(SortValue::Text(self.name.to_owned())),
            OrderBy::Progress => Some(SortValue::Number(self.progress)),
            OrderBy::TaskId => Some(SortValue::TaskId),
        }
    }
}
