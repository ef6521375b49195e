//! outbound-tasks lists the outbound-call tasks of call centres over gRPC, gRPC-Web, Connect and HTTP, from PostgreSQL.
//!
//! # Modules
//!
//! | module | job |
//! | --- | --- |
//! | [`cli`], [`config`] | commands, settings and the composition of a running service |
//! | [`server`] | connections, their limits and shutdown, the operator's port |
//! | [`request`], [`permits`], [`quota`] | what every call passes on both transports: key, quotas, permit, message, deadline, log line |
//! | [`beside`] | work of milliseconds, on threads of its own |
//! | [`fair_queue`] | how tenants take turns at the connections of the pool |
//! | [`grpc`], [`gateway`] | the two transports: parse a request, call [`app`], render the result |
//! | [`openapi`] | describes what is served as plain HTTP |
//! | [`app`] | use cases and background workers |
//! | [`db`] | SQL, connections, transactions, snapshots |
//! | [`domain`] | plain types and their rules |
//! | [`error`], [`telemetry`] | the error type of all layers; logs and metrics |
//! | [`traces`] | the spans of calls, sent to a collector |
//! | [`histogram`] | counts durations without a lock, for the metrics |
//! | [`pem_file`] | reads files with certificates and keys |
//! | [`secret_file`] | reads files with secrets |
//! | [`embedded`] | a private PostgreSQL for `dev` and for the tests |
//!
//! # Life of a request
//!
//! 1. [`server`] accepts the connection and routes each request by its `content-type` to [`grpc`] or [`gateway`]. It turns a call
//!    of the Connect protocol into one of gRPC.
//! 2. [`request::handle`] authenticates the key, takes a permit, receives the message and sets the deadline.
//! 3. The transport parses the request into [`domain`] types and calls a use case of [`app`]. Both transports call the
//!    same use cases, so their results cannot differ.
//! 4. The use case validates the request and calls [`db`]. Every query is restricted to one tenant.
//! 5. The transport renders the result, or the [`error::Error`], in its own form.
//!
//! `use` points in one direction only:
//!
//! ```text
//! grpc, gateway, cli  →  app  →  db  →  domain
//! ```

pub mod app;
pub mod beside;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod embedded;
pub mod error;
pub mod fair_queue;
pub mod gateway;
pub mod grpc;
pub mod histogram;
pub mod openapi;
pub mod pem_file;
pub mod permits;
pub mod quota;
pub mod redaction;
pub mod request;
pub mod secret_file;
pub mod server;
pub mod telemetry;
pub mod traces;

/// The API's messages and services, generated from `proto/` by the build script.
#[allow(missing_docs, clippy::all)]
pub mod pb {
    tonic::include_proto!("outboundtasks.v1");

    /// The encoded `FileDescriptorSet` of the API, for server reflection and for the routes of
    /// [`request`](crate::request).
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/outboundtasks.v1.bin"));
}
