//! The request id: callers quote it, and it is in every log line of the request.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::redaction::holds_key;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The id of the request that the current tokio task handles.
    pub(super) static CURRENT: Arc<str>;
}

/// The id of the current request; empty outside of a request.
pub fn current_id() -> Arc<str> {
    CURRENT.try_with(Arc::clone).unwrap_or_default()
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
