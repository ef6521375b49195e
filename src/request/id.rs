//! The id of a request: what a caller quotes, and the log entry that it names.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::redaction::holds_key;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    /// The id of the request that this task answers.
    pub(super) static CURRENT: Arc<str>;
}

/// The id of the request being answered; empty outside of one.
pub fn current_id() -> Arc<str> {
    CURRENT.try_with(Arc::clone).unwrap_or_default()
}

/// The caller's own id where it is harmless, or a new one.
pub(super) fn request_id(headers: &HeaderMap) -> Arc<str> {
    let own = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok());
    // An id goes into the log, where neither a key may stand nor what drives a log's reader. UUIDs, W3C's trace ids and
    // those of the cloud providers' load balancers (Root=1-…;Self=…) are made of these characters.
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

/// Gives an answer an id that has none yet.
pub fn with_id<B>(mut response: http::Response<B>) -> http::Response<B> {
    if let http::header::Entry::Vacant(id) = response.headers_mut().entry(REQUEST_ID) {
        let fresh = HeaderValue::try_from(uuid::Uuid::now_v7().to_string());
        id.insert(fresh.expect("a UUID is ASCII"));
    }
    response
}
