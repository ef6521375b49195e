//! Headers of requests and responses, and gRPC's codes as headers write them.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Response};

pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The header that a browser's `EventSource` sends when it reconnects to a watch (WHATWG HTML, server-sent events).
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx to pass response bytes on immediately; it buffers them by default.
pub(super) const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(super) const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
pub(super) const GRPC_STATUS_DETAILS: HeaderName =
    HeaderName::from_static("grpc-status-details-bin");
/// How the messages of a request are compressed (gRPC over HTTP/2, "Message-Encoding").
pub(super) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// The compressions that the service reads (gRPC over HTTP/2, "Message-Accept-Encoding").
pub(super) const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

pub(super) const RESOURCE_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");
pub(super) const OUT_OF_RANGE: HeaderValue = HeaderValue::from_static("11");
pub(super) const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");
pub(super) const INTERNAL: HeaderValue = HeaderValue::from_static("13");
pub(super) const UNAVAILABLE: HeaderValue = HeaderValue::from_static("14");

/// The retry delay suggested to a caller when the service has no free permit.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whether the call was rejected. gRPC answers a rejected call with trailers only, so the status is among the headers.
pub(super) fn is_refusal<B>(response: &Response<B>) -> bool {
    response.headers().contains_key(GRPC_STATUS) || !response.status().is_success()
}
