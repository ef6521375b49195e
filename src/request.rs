//! What both transports share of a request: its id, its key, its deadline, its place among the others, its log line.
//!
//! [`handle`] runs around every call, whatever the transport; only the form of an error differs, and that is a
//! parameter. A call that is cut short, because its deadline passed or its caller went away, is dropped where it
//! stands; `db` sees to it that no statement outlives it. What is different with an answer that is a stream,
//! [`stream`] tells.

pub mod stream;

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::{
    domain::key::{holds_key, redacted},
    error::{Error, ErrorKind, ErrorReason, Reason, Violation},
    pb,
    telemetry::Metrics,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// Answered by a full service too: an orchestrator would take silence for sickness and restart it under its load.
const HEALTH: &str = "/grpc.health.v1.Health/";
/// gRPC's codes on the wire that this module looks for.
const OUT_OF_RANGE: HeaderValue = HeaderValue::from_static("11");
const RESOURCE_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");
const INTERNAL: HeaderValue = HeaderValue::from_static("13");
/// When a caller that found the service full may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The paths of the contract's rpcs: what a metric's label may hold, since callers can make up paths.
static RPCS: LazyLock<HashSet<String>> = LazyLock::new(|| rpcs(|_| true));

/// The paths of some of the contract's rpcs.
fn rpcs(wanted: fn(&MethodDescriptorProto) -> bool) -> HashSet<String> {
    let set = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET)
        .expect("the descriptor is encoded by this crate's build script");
    let mut paths = HashSet::new();
    for file in &set.file {
        for service in &file.service {
            for method in service.method.iter().filter(|m| wanted(m)) {
                paths.insert(format!(
                    "/{}.{}/{}",
                    file.package(),
                    service.name(),
                    method.name()
                ));
            }
        }
    }
    paths
}

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// The id of the request being answered; empty outside of one.
pub fn current_id() -> Arc<str> {
    CURRENT.try_with(Arc::clone).unwrap_or_default()
}

/// A caller's text as part of an answer: short, on one line, and no key that went to the wrong place.
pub fn shown(text: &str) -> String {
    let text = redacted(text);
    let mut shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() {
        shown.push('…');
    }
    shown
}

/// The key in the headers, `x-api-key` before `authorization: Bearer`. A header that holds no readable key, or that
/// comes twice, still counts as a key: as one that is not good.
pub fn key_from_headers(headers: &HeaderMap) -> Option<&str> {
    let only = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let first = values.next()?.to_str().unwrap_or_default();
        Some(if values.next().is_some() { "" } else { first })
    };
    only(&API_KEY).or_else(|| {
        let (scheme, key) = only(&header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    })
}

/// How calls of one transport are treated.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The deadline of a call that brings none.
    pub timeout: Duration,
    /// The latest deadline there is.
    pub most_timeout: Duration,
    /// Both, of a call that is a stream: to its end.
    pub stream_timeout: Duration,
    /// A place for each call that may be under way at a time, over all transports.
    pub places: Arc<Semaphore>,
    /// A place for each watch that may be open at a time, over all transports.
    pub watches: Arc<Semaphore>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// An error in the transport's form.
    pub render: fn(Error) -> Response,
}

/// Runs one call under `policy`.
pub async fn handle(State(policy): State<Policy>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let path = request.uri().path();
    let (is_stream, is_watch) = (stream::is_at(path), stream::is_watch(path));
    let mut log = CallLog::new(&request, Arc::clone(&policy.metrics));
    let span = tracing::info_span!("request", request.id = &*id);
    let places = match is_watch {
        true => &policy.watches,
        false => &policy.places,
    };
    let place = Arc::clone(places).try_acquire_owned().ok();
    let answer = async {
        let response = run(&policy, request, next, place.as_ref()).await;
        unread(&response).map_or(response, policy.render)
    };
    let mut response = CURRENT
        .scope(Arc::clone(&id), answer)
        .instrument(span.clone())
        .await;
    if is_watch {
        response.extensions_mut().insert(stream::Live);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    // Whoever says no says it at once.
    let goes_on = is_stream && !headers.contains_key(GRPC_STATUS);
    if goes_on && response.status().is_success() {
        return response.map(|body| {
            Body::new(stream::Streamed {
                body,
                id,
                span,
                log,
                _place: place,
                _open: is_watch.then(|| stream::Open::new(Arc::clone(&policy.metrics))),
            })
        });
    }
    span.in_scope(|| log.finish(&response));
    response
}

/// What tonic itself says of a message that it could not read, in the contract's words. Our own errors have details.
fn unread(response: &Response) -> Option<Error> {
    let headers = response.headers();
    let status = headers.get(GRPC_STATUS)?;
    if headers.contains_key(GRPC_STATUS_DETAILS) {
        None
    } else if status == OUT_OF_RANGE || status == RESOURCE_EXHAUSTED {
        let why = "the request message is larger than 256 KiB";
        Some(Error::new(ErrorKind::ResourceExhausted, why).because(ErrorReason::MessageTooLarge))
    } else if status == INTERNAL {
        let violation = Violation::new("message", Reason::Undecodable);
        Some(Error::invalid(vec![violation]))
    } else {
        None
    }
}

async fn run(
    policy: &Policy,
    mut request: Request<Body>,
    next: Next,
    place: Option<&OwnedSemaphorePermit>,
) -> Response {
    let path = request.uri().path();
    if place.is_none() && !path.starts_with(HEALTH) {
        let full = Error::unavailable("the service is overloaded", RETRY_AFTER)
            .because(ErrorReason::Overloaded);
        return (policy.render)(full);
    }
    let is_stream = stream::is_at(path);
    let (default, most) = match is_stream {
        true => (policy.stream_timeout, policy.stream_timeout),
        false => (policy.timeout, policy.most_timeout),
    };
    let asked = match request.headers().get(GRPC_TIMEOUT) {
        None => None,
        Some(value) => match parse_grpc_timeout(value) {
            Some(timeout) => Some(timeout),
            None => {
                let violation = Violation::new("grpc-timeout", Reason::BAD_TIMEOUT);
                return (policy.render)(Error::invalid(vec![violation]));
            }
        },
    };
    let timeout = asked.unwrap_or(default).min(most);
    if is_stream {
        let deadline = stream::Deadline {
            at: Instant::now() + timeout,
            is_callers: asked.is_some_and(|asked| asked <= timeout),
        };
        request.extensions_mut().insert(deadline);
    }
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (policy.render)(Error::deadline_exceeded()),
    }
}

/// The caller's own id where it is harmless, or a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
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

/// gRPC's `Timeout`: at most eight digits and a unit.
fn parse_grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value
        .to_str()
        .ok()?
        .split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// One line and one count for each call, also for one whose caller did not wait for the answer.
struct CallLog {
    /// The path where it is one of ours: a made-up one may hold a key, and is no label for a metric.
    path: String,
    started: Instant,
    metrics: Arc<Metrics>,
    finished: bool,
}

impl CallLog {
    fn new(request: &Request, metrics: Arc<Metrics>) -> Self {
        let path = request.uri().path();
        let route = request.extensions().get::<MatchedPath>();
        let path = match route.map(MatchedPath::as_str) {
            Some(route) if !route.contains('*') => route,
            _ if RPCS.contains(path) => path,
            _ => "other",
        };
        Self {
            path: path.to_owned(),
            started: Instant::now(),
            metrics,
            finished: false,
        }
    }

    fn finish(&mut self, response: &Response) {
        let http = response.status();
        let grpc = response
            .headers()
            .get(GRPC_STATUS)
            .and_then(|v| v.to_str().ok());
        self.end(grpc.unwrap_or(if http.is_success() {
            "0"
        } else {
            http.as_str()
        }));
    }

    /// Writes the line unless it is written.
    fn end(&mut self, code: &str) {
        if !std::mem::replace(&mut self.finished, true) {
            self.write(code);
        }
    }

    /// `code` is gRPC's number for a gRPC call, HTTP's for a failed one of the gateway, 0 for success, `cut` for a
    /// stream of the gateway that broke off.
    fn write(&self, code: &str) {
        let elapsed = self.started.elapsed();
        self.metrics.count_call(&self.path, code, elapsed);
        // Not the query string: it may hold a key.
        tracing::info!(
            path = self.path,
            code,
            elapsed_us = elapsed.as_micros() as u64,
            "call"
        );
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        self.end("gone");
    }
}
