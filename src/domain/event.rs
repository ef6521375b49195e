//! Events: the changes of tasks.

use chrono::{DateTime, Utc};
use strum::{IntoStaticStr, VariantArray};

use super::action::TaskAction;

/// The kind of an event. The discriminant is the number sent over gRPC, the word is stored.
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

/// The name of a field, and its value before and after as text; an absent value is empty.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change(pub String, pub String, pub String);

impl Change {
    /// The change of `field`; `None` if both values are equal.
    pub fn of(field: &str, before: impl ToString, after: impl ToString) -> Option<Self> {
        let (before, after) = (before.to_string(), after.to_string());
        (before != after).then(|| Self(field.to_owned(), before, after))
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
