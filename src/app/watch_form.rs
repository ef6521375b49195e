//! The form in which a transport writes the changes of a watch.

use bytes::Bytes;

use crate::{
    app::json::TimeFormat,
    domain::{fields::TaskFields, task::Task, watch::ChangeKind},
};

/// Writes changes. Watches of the same [`WatchShape`] share what was written.
pub trait WatchForm: Send + Sync {
    /// What the bytes of a change depend on, besides the change.
    fn shape(&self) -> WatchShape;

    /// A change as it is sent; `task` is what the task is, unless it was removed.
    fn write(&self, kind: ChangeKind, task_id: &str, task: Option<Task>) -> Bytes;

    /// Whether each change carries a token of its own, because a client can lose a message in the middle.
    fn has_tokens(&self) -> bool;
}

/// What the bytes of a change depend on, besides the change and the number of its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchShape {
    /// The transport's format.
    pub format: WatchFormat,
    /// The fields of each task.
    pub fields: TaskFields,
}

/// A transport's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFormat {
    /// The contract's message `TaskChange`.
    Protobuf,
    /// The data of an event.
    Json(TimeFormat),
}
