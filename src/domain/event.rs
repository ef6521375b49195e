//! Events: the changes of tasks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use super::action::TaskAction;

/// The kind of an event. The discriminant is the number sent over gRPC, the word is stored. A constraint allows these words
/// only (`task_events_kind_check`), so another one needs a migration too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(i32)]
pub enum EventKind {
    /// The task was created.
    Created = 1,
    /// The name, the times or the labels were changed.
    Updated = 2,
    /// The task was deleted.
    Deleted = 3,
    /// pending → running
    Started = 4,
    /// running → paused
    Paused = 5,
    /// paused → running
    Resumed = 6,
    /// → stopped
    Stopped = 7,
    /// → completed
    Completed = 8,
    /// → failed
    Failed = 9,
    /// Targets were added.
    TargetsAdded = 10,
    /// Targets were removed.
    TargetsRemoved = 11,
    /// Call results were reported.
    ResultsReported = 12,
}

impl From<TaskAction> for EventKind {
    fn from(action: TaskAction) -> Self {
        match action {
            TaskAction::Start => Self::Started,
            TaskAction::Pause => Self::Paused,
            TaskAction::Resume => Self::Resumed,
            TaskAction::Stop => Self::Stopped,
            TaskAction::Complete => Self::Completed,
            TaskAction::Fail => Self::Failed,
        }
    }
}

/// The change of a field. Only labels can have an empty value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Change {
    /// The name of the field.
    pub field: String,
    /// The value before as text; `None` if there was none.
    pub before: Option<String>,
    /// The value after as text; `None` if there is none.
    pub after: Option<String>,
}

impl Change {
    /// The change of a field that has no empty value; `None` if both values are equal. An empty text stands for no value.
    pub fn of(field: &str, before: impl ToString, after: impl ToString) -> Option<Self> {
        let (before, after) = (before.to_string(), after.to_string());
        (before != after).then(|| Self {
            field: field.to_owned(),
            before: non_empty(before),
            after: non_empty(after),
        })
    }
}

fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// A change as the database has it: a list of field, value before and value after, in which an empty text is no value.
/// Where one of them is an empty value, the list also says for both whether there is a value.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Plain(String, String, String),
    WithEmpty(String, String, String, bool, bool),
}

impl From<Stored> for Change {
    fn from(stored: Stored) -> Self {
        let (field, before, after) = match stored {
            Stored::Plain(field, before, after) => (field, non_empty(before), non_empty(after)),
            Stored::WithEmpty(field, before, after, had_value, has_value) => {
                let (before, after) = (had_value.then_some(before), has_value.then_some(after));
                (field, before, after)
            }
        };
        Self {
            field,
            before,
            after,
        }
    }
}

impl From<Change> for Stored {
    fn from(change: Change) -> Self {
        let Change {
            field,
            before,
            after,
        } = change;
        let (had_value, has_value) = (before.is_some(), after.is_some());
        let is_plain = [&before, &after].iter().all(|v| v.as_deref() != Some(""));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        match is_plain {
            true => Self::Plain(field, before, after),
            false => Self::WithEmpty(field, before, after, had_value, has_value),
        }
    }
}

/// A change of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEvent {
    /// Increases with each event of the task.
    pub event_id: i64,
    /// The time of the change.
    pub at: DateTime<Utc>,
    /// The key that made the change; empty for the service itself.
    pub key_id: String,
    /// The name of that key for people.
    pub key_name: String,
    /// The kind of change.
    pub kind: EventKind,
    /// The reason given for the change; may be empty.
    pub reason: String,
    /// The changed fields.
    pub changes: Vec<Change>,
    /// The first customers whose targets were added, removed or got a result, at most
    /// [`EVENT_CUSTOMERS`](super::limits::EVENT_CUSTOMERS), in the order of the request.
    pub customer_ids: Vec<String>,
}
