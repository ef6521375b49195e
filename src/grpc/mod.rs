//! The gRPC transport: parses messages, calls [`app`](crate::app), renders messages.

mod answer;
mod api;
mod convert;
mod convert_attention;
mod convert_copy;
mod convert_counts;
mod convert_event;
mod convert_import;
mod convert_progress;
mod convert_target;
mod convert_value;
mod convert_write;
mod encode;
mod export;
mod import;
pub(crate) mod json;
mod keys;
mod outbound_tasks;
pub mod status;
mod upload;
mod watch;

pub use answer::EncodedAnswer;
pub use api::{KeyApi, OutboundTaskApi};
pub(crate) use convert::{filter_message, list_message, task_value};
pub(crate) use convert_counts::read_target_sums;
pub(crate) use convert_value::read_time;
pub use watch::EncodedWatchResponse;

/// The service trait and server, generated from `proto/`.
#[allow(missing_docs, clippy::all)]
mod service {
    tonic::include_proto!("server/outboundtasks.v1");
}
pub use service::{key_service_server as key_server, outbound_task_service_server as server};
