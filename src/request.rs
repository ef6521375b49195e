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
//! | the handler, which finds the [`Caller`] among the request's extensions | |
//!
//! A call is dropped at its current step when its deadline passes, its key is revoked or its caller goes away; `db` makes
//! sure that no statement outlives it. The permit and the memory of the answer are held until the answer is written, see
//! [`sent`]. [`stream`] describes what differs for an answer that is a stream.

mod answer;
mod budget;
mod connection;
mod id;
mod keyless;
mod log;
mod message;
mod path;
mod route;
pub mod sent;
pub mod stream;
mod timeout;
mod wire;

use std::{
    borrow::Cow,
    pin::pin,
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
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use self::{
    connection::UnderWay,
    id::{CURRENT, REQUEST_ID, request_id},
    log::CallLog,
    route::{Lasting, Messages, Route},
    sent::{Held, Outgoing},
    timeout::asked_timeout,
    wire::{
        ACCEL_BUFFERING, API_KEY, GRPC_STATUS, GRPC_STATUS_DETAILS, INTERNAL, OUT_OF_RANGE,
        RESOURCE_EXHAUSTED, RETRY_AFTER,
    },
};
use crate::{
    app::{Access, App, Caller},
    domain::tenant::TenantId,
    error::{Error, ErrorKind, ErrorReason, Result},
    permits::{FairPermits, Permit},
    telemetry::Metrics,
};

pub use answer::MAX_ANSWER_BYTES;
pub use budget::{Budgets, ResponseLimits};
pub use connection::Connection;
pub use id::{current_id, with_id};
pub use keyless::Keyless;
pub use message::{Buffer, MAX_KEYLESS_BYTES, MAX_MESSAGE_BYTES};
pub use path::decode_path;
pub use route::{EXPORT, WATCH};
pub use wire::LAST_EVENT_ID;

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
    /// A permit for each call that may be under way at a time, over all transports. It is held until the answer is
    /// written.
    pub permits: FairPermits,
    /// A permit for each watch that may be open at a time, over all transports.
    pub watches: FairPermits,
    /// The memory that answers on their way out share, over all transports.
    pub answers: Arc<Budgets>,
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
    /// The trailers that end a stream with an error; `None` where the transport can only break off.
    pub cut: fn(Error) -> Option<HeaderMap>,
}

/// Whether a caller is a browser that connects a watch again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumes(pub bool);

impl Policy {
    /// A permit for one call of this kind.
    fn permit(&self, tenant: &TenantId, lasting: Lasting) -> Result<Permit> {
        let permits = match lasting {
            Lasting::Watch => &self.watches,
            Lasting::Unary | Lasting::Stream => &self.permits,
        };
        let permit = permits.try_acquire(tenant);
        permit.ok_or_else(|| {
            Error::unavailable("the service is overloaded", RETRY_AFTER)
                .because(ErrorReason::Overloaded)
        })
    }
}

/// A caller that may call, and the permit for its call.
struct Admitted {
    caller: Caller,
    access: Access,
    permit: Option<Permit>,
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
    let outgoing = request.extensions().get::<Arc<Outgoing>>();
    let connection = outgoing.map(|outgoing| Arc::clone(&outgoing.budget));
    let (mut admitted, mut under_way) = (None, None);
    let mut held = Held::default();
    let answer = async {
        let render = |error| (policy.transport.render)(error, resumes);
        let mut answered = run(&policy, route, request, next, &mut admitted, &mut under_way).await;
        let tenant = admitted
            .as_ref()
            .map(|admitted: &Admitted| &admitted.caller.tenant);
        let shares = policy.answers.shares(connection, tenant);
        if route.lasting == Lasting::Unary && tenant.is_some() {
            answered = match answered {
                Ok(response) if !is_refusal(&response) => {
                    let reserved = answer::reserve(response, &shares).await;
                    reserved.map(|(response, reservation)| {
                        held.reservation = Some(reservation);
                        response
                    })
                }
                refused => refused,
            };
        } else {
            held.shares = Some(shares);
        }
        let response = answered.unwrap_or_else(render);
        unread(&response).map_or(response, render)
    };
    let mut response = CURRENT
        .scope(Arc::clone(&id), answer)
        .instrument(span.clone())
        .await;
    if is_watch {
        response.extensions_mut().insert(stream::Live);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let is_refusal = is_refusal(&response);
    // Health and reflection have streams too.
    let is_stream = match admitted {
        Some(_) => route.lasting != Lasting::Unary,
        None => policy.transport.is_grpc,
    };
    if is_stream && !is_refusal {
        // nginx would gather the parts.
        let headers = response.headers_mut();
        headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
    let Some(Admitted {
        caller,
        access,
        permit,
    }) = admitted
    else {
        response.extensions_mut().insert(Arc::new(held));
        span.in_scope(|| log.finish(&response));
        return response;
    };
    held.permit = permit;
    response.extensions_mut().insert(Arc::new(held));
    if is_stream && !is_refusal {
        return response.map(|body| {
            let stream = stream::Stream::new(body);
            let weak = Arc::downgrade(&stream);
            let app = Arc::clone(&policy.app);
            tokio::spawn(stream::Stream::end_with_key(weak, app, caller, access));
            Body::new(stream::Streamed {
                stream,
                id,
                span,
                log,
                _under_way: under_way,
                cut: policy.transport.cut,
                _open: is_watch.then(|| stream::Open::new(Arc::clone(&policy.metrics))),
            })
        });
    }
    span.in_scope(|| log.finish(&response));
    response
}

/// Whether a call was rejected: gRPC answers then with trailers only.
fn is_refusal(response: &Response) -> bool {
    response.headers().contains_key(GRPC_STATUS) || !response.status().is_success()
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
    admitted: &mut Option<Admitted>,
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
    // Pinned where they are: these futures are large, and each wrapper would copy them.
    let answer = pin!(async {
        let mut key_end = None;
        if let Some(access) = route.access {
            let caller = {
                let key = (policy.transport.key)(request.headers(), request.uri());
                policy.app.authenticate(key.as_deref(), access).await?
            };
            let connection = request.extensions().get::<Arc<Connection>>();
            *under_way = connection.map(Connection::begin);
            request.extensions_mut().insert(caller.clone());
            key_end = Some(stream::key_end(&policy.app, caller.clone(), access));
            *admitted = Some(Admitted {
                caller,
                access,
                permit: None,
            });
        }
        let asked = asked?;
        if let Some(Admitted { caller, permit, .. }) = admitted {
            *permit = Some(policy.permit(&caller.tenant, route.lasting)?);
        }
        if route.lasting != Lasting::Unary {
            request.extensions_mut().insert(stream::Deadline {
                at: deadline,
                is_callers: asked.is_some_and(|asked| asked <= timeout),
            });
        }
        let answer = pin!(async {
            // Its bytes count until the handler is done with them.
            let mut _share = None;
            if route.messages != Messages::Unread {
                (request, _share) = receive(policy, route, request).await?;
            }
            Ok(next.run(request).await)
        });
        match key_end {
            Some(key_end) => tokio::select! {
                biased;
                answer = answer => answer,
                error = key_end => Err(error),
            },
            None => answer.await,
        }
    });
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
