//! How a transport encodes the changes of a watch.

use bytes::Bytes;

use crate::{
    app::json::TimeFormat,
    domain::{fields::TaskFields, task::Task, watch::ChangeKind},
};

/// Encodes changes. Watches with the same [`WatchShape`] share the bytes.
pub trait WatchForm: Send + Sync {
    /// The parameters that determine the bytes of a change.
    fn shape(&self) -> WatchShape;

    /// Encodes a change; `task` is the current state, or `None` if the task was removed.
    fn write(&self, kind: ChangeKind, task_id: &str, task: Option<Task>) -> Bytes;

    /// Whether each change carries its own token, because a client can lose part of a message.
    fn has_tokens(&self) -> bool;
}

/// The parameters of a transport that determine the bytes of a change, besides the target limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchShape {
    /// The format of the transport.
    pub format: WatchFormat,
    /// The fields of each task.
    pub fields: TaskFields,
}

/// The format of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchFormat {
    /// The message `TaskChange` of the API.
    Protobuf,
    /// The data of a server-sent event.
    Json(TimeFormat),
}
