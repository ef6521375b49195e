//! What both transports share of a request: its id, its key, its permit, its message, its deadline, its log line.
//!
//! [`handle`] runs around every call, whatever the transport; only the form of an error differs, and that is a
//! parameter. It goes through the same steps for every call, so that a caller who may not call costs next to nothing:
//!
//! | step | if it fails |
//! | --- | --- |
//! | the key, and its scope for this path | UNAUTHENTICATED, PERMISSION_DENIED |
//! | the `grpc-timeout` | INVALID_ARGUMENT |
//! | a permit, one of the calls under way | UNAVAILABLE |
//! | the request's message, all of it | DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INVALID_ARGUMENT |
//! | the handler, which finds the [`Caller`](crate::app::Caller) among the request's extensions | |
//!
//! A call that is cut short, because its deadline passed or its caller went away, is dropped at its current step; `db`
//! makes sure that no statement outlives it. [`stream`] describes what differs for an answer that is a stream.

mod connection;
mod keyless;
mod log;
mod message;
mod path;
mod route;
pub mod stream;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use self::{
    connection::UnderWay,
    log::CallLog,
    route::{Lasting, Messages, Route},
};
use crate::{
    app::App,
    domain::key::{holds_key, redacted},
    error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation},
    telemetry::Metrics,
};

pub use connection::Connection;
pub use keyless::Keyless;
pub use message::{Buffer, MAX_KEYLESS_BYTES, MAX_MESSAGE_BYTES};
pub use path::decode_path;
pub use route::{EXPORT, WATCH};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// What a browser sends by itself when it connects a watch again.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// gRPC's codes on the wire that this module looks for.
const OUT_OF_RANGE: HeaderValue = HeaderValue::from_static("11");
const RESOURCE_EXHAUSTED: HeaderValue = HeaderValue::from_static("8");
const INTERNAL: HeaderValue = HeaderValue::from_static("13");
/// When a caller that found the service full may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    /// Whom keys are checked by.
    pub app: Arc<App>,
    /// The deadline of a call that brings none.
    pub timeout: Duration,
    /// The latest deadline there is.
    pub most_timeout: Duration,
    /// Both, of a call that is a stream: to its end.
    pub stream_timeout: Duration,
    /// How long a request's message may take to arrive, from when it is its call's turn.
    pub message_timeout: Duration,
    /// The room for calls that need no key, over all transports.
    pub keyless: Keyless,
    /// The memory that messages on their way in share, over all transports.
    pub buffer: Buffer,
    /// A permit for each call that may be under way at a time, over all transports.
    pub permits: Arc<Semaphore>,
    /// A permit for each watch that may be open at a time, over all transports.
    pub watches: Arc<Semaphore>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The transport's own ways.
    pub transport: Transport,
}

/// What differs between the transports.
#[derive(Debug, Clone, Copy)]
pub struct Transport {
    /// Whether paths name rpcs; else they are those of the gateway.
    pub is_grpc: bool,
    /// The key of a request.
    pub key: for<'a> fn(&'a HeaderMap, &'a Uri) -> Option<Cow<'a, str>>,
    /// An error in the transport's form.
    pub render: fn(Error, Resumes) -> Response,
}

/// Whether a caller is a browser that connects a watch again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumes(pub bool);

impl Policy {
    /// A permit for one call of this kind.
    fn permit(&self, lasting: Lasting) -> Result<OwnedSemaphorePermit> {
        let permits = match lasting {
            Lasting::Watch => &self.watches,
            Lasting::Unary | Lasting::Stream => &self.permits,
        };
        let permit = Arc::clone(permits).try_acquire_owned();
        permit.map_err(|_| {
            Error::unavailable("the service is overloaded", RETRY_AFTER)
                .because(ErrorReason::Overloaded)
        })
    }
}

/// Runs one call under `policy`.
pub async fn handle(State(policy): State<Policy>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let route = match policy.transport.is_grpc {
        true => Route::of_rpc(&request),
        false => Route::of_get(&request),
    };
    let is_watch = route.lasting == Lasting::Watch;
    let resumes = Resumes(is_watch && request.headers().contains_key(LAST_EVENT_ID));
    let mut log = CallLog::new(&request, route, Arc::clone(&policy.metrics));
    let span = tracing::info_span!("request", request.id = &*id);
    let (mut permit, mut under_way) = (None, None);
    let answer = async {
        let render = |error| (policy.transport.render)(error, resumes);
        let response = run(&policy, route, request, next, &mut permit, &mut under_way).await;
        let response = response.unwrap_or_else(render);
        unread(&response).map_or(response, render)
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
    // A rejected call is answered with trailers only.
    let goes_on = route.lasting != Lasting::Unary && !headers.contains_key(GRPC_STATUS);
    if goes_on && response.status().is_success() {
        return response.map(|body| {
            Body::new(stream::Streamed {
                body,
                id,
                span,
                log,
                _permit: permit,
                _under_way: under_way,
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
        Some(message::too_large())
    } else if status == INTERNAL {
        Some(message::undecodable())
    } else {
        None
    }
}

/// Takes a call through its steps. What it holds stays with the caller of this function, for the answer may outlast it.
async fn run(
    policy: &Policy,
    route: &Route,
    mut request: Request,
    next: Next,
    permit: &mut Option<OwnedSemaphorePermit>,
    under_way: &mut Option<UnderWay>,
) -> Result<Response> {
    let (default, most) = match route.lasting {
        Lasting::Unary => (policy.timeout, policy.most_timeout),
        Lasting::Stream | Lasting::Watch => (policy.stream_timeout, policy.stream_timeout),
    };
    let asked = asked_timeout(request.headers());
    let timeout = asked.as_ref().ok().copied().flatten();
    let timeout = timeout.unwrap_or(default).min(most);
    let deadline = Instant::now() + timeout;
    let answer = async {
        if let Some(access) = route.access {
            let caller = {
                let key = (policy.transport.key)(request.headers(), request.uri());
                policy.app.authenticate(key.as_deref(), access).await?
            };
            let connection = request.extensions().get::<Arc<Connection>>();
            *under_way = connection.map(Connection::begin);
            request.extensions_mut().insert(caller);
        }
        let asked = asked?;
        if route.access.is_some() {
            *permit = Some(policy.permit(route.lasting)?);
        }
        if route.lasting != Lasting::Unary {
            request.extensions_mut().insert(stream::Deadline {
                at: deadline,
                is_callers: asked.is_some_and(|asked| asked <= timeout),
            });
        }
        // Its bytes count until the handler is done with them.
        let mut _share = None;
        if route.messages != Messages::Unread {
            (request, _share) = receive(policy, route, request).await?;
        }
        Ok(next.run(request).await)
    };
    let answer = async {
        match route.access.is_none() && policy.transport.is_grpc {
            true => policy.keyless.hold(answer).await,
            false => answer.await,
        }
    };
    match tokio::time::timeout_at(deadline.into(), answer).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::deadline_exceeded()),
    }
}

/// Receives the message of a request, and gives the request a body that holds it.
async fn receive(
    policy: &Policy,
    route: &Route,
    request: Request,
) -> Result<(Request, Option<OwnedSemaphorePermit>)> {
    let limit = match route.access {
        Some(_) => MAX_MESSAGE_BYTES,
        None => MAX_KEYLESS_BYTES,
    };
    let (head, body) = request.into_parts();
    let received = message::receive(body, route.messages, limit, &policy.buffer);
    let received = tokio::time::timeout(policy.message_timeout, received).await;
    let received = received.map_err(|_| {
        let limit = policy.message_timeout;
        Error::new(
            ErrorKind::DeadlineExceeded,
            format!("the request message did not arrive within {limit:?}"),
        )
    })??;
    Ok((Request::from_parts(head, received.body), received.share))
}

/// The deadline that the caller asks for, if any.
fn asked_timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else {
        return Ok(None);
    };
    let timeout = parse_grpc_timeout(value);
    let bad = || Error::invalid(vec![Violation::new("grpc-timeout", Reason::BAD_TIMEOUT)]);
    timeout.ok_or_else(bad).map(Some)
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
