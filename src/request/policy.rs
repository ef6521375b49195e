//! What all calls of a transport have in common: limits, shared resources, and the form of its answers.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::response::Response;
use http::{HeaderMap, Uri};

use super::{
    budget::Budgets,
    failed_keys::FailedKeys,
    keyless::Keyless,
    message::{Buffer, Framing},
    origin::Proxies,
    timeout::TimeoutHeader,
};
use crate::{
    app::App,
    error::Error,
    permits::FairPermits,
    telemetry::{CallTransport, Metrics},
    traces::Tracer,
};

/// The limits and shared resources of all calls of one transport.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Authenticates keys.
    pub app: Arc<App>,
    /// The deadline of a unary call that names none.
    pub timeout: Duration,
    /// The shortest timeout that a caller may set; a shorter one is DEADLINE_EXCEEDED before anything is done.
    pub least_timeout: Duration,
    /// The upper bound of the deadline of a unary call; a longer `grpc-timeout` is shortened to it.
    pub most_timeout: Duration,
    /// The default and the upper bound of the deadline of a stream, counted to its last message.
    pub stream_timeout: Duration,
    /// How long a request message may take to arrive once the call has its permit.
    pub message_timeout: Duration,
    /// Slots for calls that need no key (health, reflection), shared by all transports.
    pub keyless: Keyless,
    /// The memory for request messages that are being received, shared by all transports.
    pub buffer: Buffer,
    /// One permit for each large request that is being read, shared by all transports.
    pub readers: FairPermits,
    /// One permit for each call in progress, shared by all transports. A call holds it until its response is written.
    pub permits: FairPermits,
    /// One permit for each open watch, shared by all transports.
    pub watches: FairPermits,
    /// The memory for responses that are being sent, shared by all transports.
    pub answers: Arc<Budgets>,
    /// Limits the calls without a valid key of each address.
    pub failed_keys: Arc<FailedKeys>,
    /// The proxies whose word about the address of a client is taken.
    pub proxies: Proxies,
    /// Counts calls, connections and watches.
    pub metrics: Arc<Metrics>,
    /// Begins the spans of calls; `None` if they are not traced.
    pub tracer: Option<Tracer>,
    /// What is specific to this transport.
    pub transport: Transport,
}

/// What differs between gRPC, the Connect protocol and the HTTP gateway.
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    /// The transport's name in metrics.
    pub name: CallTransport,
    /// Whether request paths name rpcs; otherwise they are paths of the gateway.
    pub is_grpc: bool,
    /// How the messages of a request stand in its body.
    pub framing: Framing,
    /// The header of the caller's timeout.
    pub timeout: TimeoutHeader,
    /// Extracts the API key from a request.
    pub key: for<'a> fn(&'a HeaderMap, &'a Uri) -> Option<Cow<'a, str>>,
    /// Renders an error as a response of this transport.
    pub render: fn(Error, Resumes) -> Response,
    /// Renders the trailers that end a stream with an error. `None` where the transport has no such trailers and must
    /// abort the response.
    pub cut: fn(Error) -> Option<HeaderMap>,
}

/// Whether the caller is a browser that reconnects to a watch by itself, so that errors must say when to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumes(pub bool);
