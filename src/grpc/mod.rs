//! gRPC: the contract's service on the application.

mod convert;
mod convert_target;
mod convert_write;
mod export;
mod outbound_tasks;
pub mod status;
mod upload;
mod watch;

pub(crate) use convert::timestamp;
pub use outbound_tasks::OutboundTaskApi;
