//! Tasks and filters in the formats that are stored: a task in the `outcome` of a write, a new task
//! and a filter in the `command_hash`.
//!
//! Services of other versions read what is stored. A field keeps its name and meaning. A field that
//! is added has a default in an outcome (`#[serde(default)]`), and is left out of a hash while it
//! has its default.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{
    attention::Attention,
    date_range::DateFilter,
    filter::{Condition, RowCondition},
    labels::Labels,
    status::TaskStatus,
    target::TargetCounts,
    task::Task,
    words::Word,
    write::CheckedTask,
};

/// The status in a stored outcome.
#[derive(Serialize, Deserialize)]
#[serde(remote = "TaskStatus")]
pub(super) enum StatusForm {
    Pending,
    Running,
    Paused,
    Completed,
    Stopped,
    Failed,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TargetCounts")]
struct CountsForm {
    pending: i32,
    answered: i32,
    no_answer: i32,
    busy: i32,
    failed: i32,
    skipped: i32,
}

/// A task in a stored outcome.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Task")]
pub(super) struct TaskForm {
    task_id: String,
    name: String,
    target: Vec<String>,
    start_time: DateTime<Utc>,
    end_time: DateTime<Utc>,
    #[serde(with = "StatusForm")]
    status: TaskStatus,
    progress: i16,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    target_count: i32,
    status_reason: String,
    status_changed_at: DateTime<Utc>,
    #[serde(with = "CountsForm")]
    target_counts: TargetCounts,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    revision: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    copied_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_result_at: Option<DateTime<Utc>>,
}

/// A new task in the hash of a command.
#[derive(Serialize)]
pub(super) struct NewTaskForm<'a> {
    task_id: Option<&'a str>,
    name: &'a str,
    targets: &'a [String],
    start_time: DateTime<Utc>,
    end_time: DateTime<Utc>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
}

/// A condition of a filter in the hash of a command.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConditionForm<'a> {
    Status(Vec<&'static str>),
    Date {
        field: &'static str,
        bounds: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    },
    Customer(&'a str),
    NamePart(&'a str),
    Id(&'a [String]),
    Labels(&'a [String]),
    Attention {
        kinds: Vec<&'static str>,
        stalled_after: Option<i64>,
    },
}

impl<'a> From<&'a CheckedTask> for NewTaskForm<'a> {
    fn from(task: &'a CheckedTask) -> Self {
        let CheckedTask {
            task_id,
            name,
            targets,
            start_time,
            end_time,
            labels,
        } = task;
        Self {
            task_id: task_id.as_deref(),
            name,
            targets,
            start_time: *start_time,
            end_time: *end_time,
            labels,
        }
    }
}

impl<'a> From<Condition<'a>> for ConditionForm<'a> {
    fn from(condition: Condition<'a>) -> Self {
        match condition {
            Condition::Row(RowCondition::Status(statuses)) => {
                Self::Status(statuses.iter().map(|s| s.word()).collect())
            }
            Condition::Row(RowCondition::Date(DateFilter { field, range })) => Self::Date {
                field: field.word(),
                bounds: range.bounds(),
            },
            Condition::Customer(customer_id) => Self::Customer(customer_id),
            Condition::NamePart(part) => Self::NamePart(part),
            Condition::Id(task_ids) => Self::Id(task_ids.as_slice()),
            Condition::Labels(labels) => Self::Labels(labels.terms()),
            Condition::Attention(attention) => Self::Attention {
                kinds: attention.kinds().map(Attention::word).collect(),
                stalled_after: attention.stalled_after().map(|after| after.seconds),
            },
        }
    }
}
