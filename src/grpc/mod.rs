//! gRPC: the contract's service on the application.

mod convert;
mod outbound_tasks;
pub mod status;

pub use outbound_tasks::OutboundTaskApi;
