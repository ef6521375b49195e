//! The request id: callers quote it, and it is in every log line of the request. Beside it the id of the trace.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{redaction::holds_key, traces::TraceId};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The ids of a call.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    /// The id of the request.
    pub(super) request: Arc<str>,
    /// The trace that the call belongs to, if there is one.
    pub(super) trace: Option<TraceId>,
}

tokio::task_local! {
    /// The ids of the call that the current tokio task handles.
    pub(super) static CURRENT: Ids;
}

/// The id of the current request; empty outside of a request.
pub fn current_id() -> Arc<str> {
    let id = CURRENT.try_with(|current| Arc::clone(&current.request));
    id.unwrap_or_default()
}

/// The id of the trace that the current call belongs to, as 32 hexadecimal digits. `None` if the caller named none and calls
/// are not traced.
pub fn current_trace() -> Option<String> {
    let trace = CURRENT.try_with(|current| current.trace).ok()?;
    trace.map(|trace| trace.to_string())
}

/// Takes the caller's `x-request-id` if it is safe to log, else generates a UUIDv7.
pub(super) fn request_id(headers: &HeaderMap) -> Arc<str> {
    let own = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok());
    // The id is logged, so it must contain neither an API key nor terminal control characters. These characters cover
    // UUIDs, W3C trace ids, and the ids of cloud load balancers (Root=1-…;Self=…).
    let is_plain = |id: &str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~:/+=;,@|".contains(&b))
    };
    match own.filter(|id| is_plain(id) && !holds_key(id)) {
        Some(id) => id.into(),
        None => uuid::Uuid::now_v7().to_string().into(),
    }
}

/// Adds a request id to a response that has none yet.
pub fn with_id<B>(mut response: http::Response<B>) -> http::Response<B> {
    if let http::header::Entry::Vacant(id) = response.headers_mut().entry(REQUEST_ID) {
        let fresh = HeaderValue::try_from(uuid::Uuid::now_v7().to_string());
        id.insert(fresh.expect("a UUID is ASCII"));
    }
    response
}
