//! outbound-tasks: lists a call centre's outbound-call tasks.
//!
//! # Life of a request
//!
//! [`server`] accepts a connection and hands each request to [`grpc`] or [`gateway`]. Both read the caller's key and
//! the request, turn it into [`domain`] types, and call the same use case of [`app`]: so the two cannot disagree. The
//! use case checks the request and asks [`db`], whose every query is bound to one tenant. The answer goes the same way
//! back. `use` points in one direction only:
//!
//! ```text
//! grpc, gateway, cli  →  app  →  db  →  domain
//! ```

pub mod app;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod embedded;
pub mod error;
pub mod gateway;
pub mod grpc;
pub mod permits;
pub mod redaction;
pub mod request;
pub mod server;
pub mod telemetry;

/// The contract, generated from `proto/`.
#[allow(missing_docs, clippy::all)]
pub mod pb {
    tonic::include_proto!("outboundtasks.v1");

    /// The contract's descriptor, for server reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/outboundtasks.v1.bin"));
}
