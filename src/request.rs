//! The steps that every call takes on both transports: id, key, permit, message, deadline and log line.
//!
//! [`handle`] is a middleware around every call. The transports differ only in the form of an error, which is a
//! parameter ([`Transport`]). The steps run in this order, so that a rejected caller costs almost nothing:
//!
//! | step | error |
//! | --- | --- |
//! | authenticate the key, check its scope for this path | UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED |
//! | parse `grpc-timeout` or `connect-timeout-ms` | INVALID_ARGUMENT |
//! | pay for the call from the quotas of the key and its tenant | RESOURCE_EXHAUSTED |
//! | check that the timeout is not shorter than the shortest allowed | DEADLINE_EXCEEDED |
//! | take one of the permits for calls in progress | UNAVAILABLE |
//! | receive the whole request message | DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, INVALID_ARGUMENT, UNAVAILABLE |
//! | run the handler, which reads the [`Caller`] from the request's extensions | the handler's own |
//!
//! A call ends at its current step when its deadline passes, when its key is revoked, or when its caller disconnects.
//! Dropping the future is enough: `db` cancels the statement that is running. The permit and the memory of the response
//! are held until the client has been sent the last byte, see [`sent`]. [`stream`] covers streamed responses.

mod accept;
mod admission;
mod answer;
mod aside;
mod bare;
mod budget;
mod code;
mod connection;
mod failed_keys;
mod id;
mod keyless;
mod log;
mod message;
mod origin;
mod path;
mod policy;
mod quota;
mod route;
pub mod sent;
pub mod stream;
mod timeout;
mod trace;
mod wire;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use tracing::Instrument;

use self::{
    connection::UnderWay,
    id::{CURRENT, Ids, REQUEST_ID, request_id},
    log::{CallLog, Source},
    route::{Lasting, Messages, Route},
    sent::{Held, Outgoing},
    wire::{ACCEL_BUFFERING, API_KEY, is_refusal},
};
use crate::{
    app::{Access, Caller},
    domain::tenant::TenantId,
    error::{Error, ErrorKind, Result},
    permits::Permit,
    quota::paid_by,
    traces,
};

pub use accept::accept_identity;
pub use answer::MAX_ANSWER_BYTES;
pub use aside::readers;
pub use budget::{Budgets, ResponseLimits};
pub use code::of_kind as code_of;
pub use connection::Connection;
pub use failed_keys::FailedKeys;
pub use id::{current_id, current_trace, with_id};
pub use keyless::Keyless;
pub use message::{Buffer, Framing, MAX_KEYLESS_BYTES, MAX_MESSAGE_BYTES, too_large, undecodable};
pub use origin::{AddressLimits, Network, Origin, Proxies};
pub use path::decode_path;
pub use policy::{Policy, Resumes, Transport};
pub use route::{EXPORT, QUOTA, WATCH};
pub use timeout::TimeoutHeader;
pub use wire::LAST_EVENT_ID;

/// The key in the headers; `x-api-key` takes precedence over `authorization: Bearer`. `None` means that no key was
/// sent. A repeated or unreadable header yields an empty key, which authentication rejects.
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

/// An authenticated caller with the permit of its call.
struct Admitted {
    caller: Arc<Caller>,
    access: Access,
    /// `None` until the permit step has succeeded.
    permit: Option<Permit>,
}

/// Runs one call under `policy`; the middleware of both transports.
pub async fn handle(State(policy): State<Policy>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let route = match policy.transport.is_grpc {
        true => Route::of_rpc(&request),
        false => Route::of_get(&request),
    };
    let is_watch = route.lasting == Lasting::Watch;
    let resumes = Resumes(is_watch && request.headers().contains_key(LAST_EVENT_ID));
    let peer = policy.peer(&request);
    let mut log = CallLog::new(
        &request,
        route,
        peer,
        policy.transport.name,
        Arc::clone(&policy.metrics),
        policy.tracer.as_ref(),
    );
    let recorded = log.trace.recorded.clone();
    if let Some(recorded) = &recorded {
        recorded.set("request.id", Arc::clone(&id));
    }
    let ids = Ids {
        request: id,
        trace: log.trace.id,
    };
    let unknown = bare::unknown_rpc(policy.transport.is_grpc, route, &request);
    let span = tracing::info_span!("request", request.id = &*ids.request);
    // The connection, if it is HTTP/1.1 or older.
    let http1 = (request.version() < Version::HTTP_2)
        .then(|| request.extensions().get::<Arc<Connection>>().cloned())
        .flatten();
    let outgoing = request.extensions().get::<Arc<Outgoing>>();
    let connection = outgoing.map(|outgoing| Arc::clone(&outgoing.budget));
    let (mut admitted, mut under_way) = (None, None);
    let mut held = Held::default();
    let answer = async {
        let render = |error| (policy.transport.render)(error, resumes);
        let mut answered = run(
            &policy,
            route,
            (request, &mut log.source),
            next,
            &mut admitted,
            &mut under_way,
        )
        .await;
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
        bare::in_own_words(response, unknown.as_deref(), message_limit(route), render)
    };
    let mut response = {
        let answer = pin!(CURRENT.scope(ids.clone(), answer).instrument(span.clone()));
        traces::within(recorded.clone(), answer).await
    };
    log.status = Some(response.status());
    if is_watch || admitted.is_none() {
        response.extensions_mut().insert(stream::AsIs);
    }
    if let Ok(value) = HeaderValue::from_str(&ids.request) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let is_refusal = is_refusal(&response);
    // Health and reflection calls need no key and may be streams too.
    let is_stream = match admitted {
        Some(_) => route.lasting != Lasting::Unary,
        None => policy.transport.is_grpc,
    };
    if is_stream && !is_refusal {
        // nginx would otherwise collect the parts of the stream before it sends them.
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
    if let Some(account) = &caller.account {
        quota::add_headers(account, response.headers_mut());
    }
    held.permit = permit;
    response.extensions_mut().insert(Arc::new(held));
    if is_stream && !is_refusal {
        return response.map(|body| {
            let account = caller.account.clone();
            let stream = stream::Stream::new(body);
            let weak = Arc::downgrade(&stream);
            let app = Arc::clone(&policy.app);
            tokio::spawn(stream::Stream::end_with_key(
                weak, app, caller, access, http1,
            ));
            Body::new(stream::Streamed {
                stream,
                ids,
                recorded,
                span,
                log,
                account,
                _under_way: under_way,
                cut: policy.transport.cut,
                _open: is_watch.then(|| stream::Open::new(Arc::clone(&policy.metrics))),
            })
        });
    }
    span.in_scope(|| log.finish(&response));
    response
}

/// Takes a call through its steps. `admitted` and `under_way` are parameters because the response may outlive this
/// call.
async fn run(
    policy: &Policy,
    route: &Route,
    (mut request, source): (Request, &mut Source),
    next: Next,
    admitted: &mut Option<Admitted>,
    under_way: &mut Option<UnderWay>,
) -> Result<Response> {
    let (default, most) = match route.is_long {
        false => (policy.timeout, policy.most_timeout),
        true => (policy.stream_timeout, policy.stream_timeout),
    };
    let asked = policy.transport.timeout.asked(request.headers());
    let timeout = asked.as_ref().ok().copied().flatten();
    // A shorter timeout is refused below, and the refusal must not itself be cut off.
    let timeout = timeout.filter(|t| route.access.is_none() || *t >= policy.least_timeout);
    let timeout = timeout.unwrap_or(default).min(most);
    let deadline = Instant::now() + timeout;
    // Whether the call waits for its message, so that nothing is done yet.
    let is_receiving = AtomicBool::new(false);
    // Pinned on the stack: these futures are large, and each wrapper would move them.
    let answer = pin!(async {
        let mut key_end = None;
        if let Some(access) = route.access {
            let caller = {
                let key = (policy.transport.key)(request.headers(), request.uri());
                Arc::new(policy.authenticate(key.as_deref(), access, source).await?)
            };
            source.caller = Some(Arc::clone(&caller));
            let connection = request.extensions().get::<Arc<Connection>>();
            *under_way = connection.map(Connection::begin);
            request.extensions_mut().insert(Caller::clone(&caller));
            key_end = Some(stream::key_end(&policy.app, Arc::clone(&caller), access));
            *admitted = Some(Admitted {
                caller,
                access,
                permit: None,
            });
        }
        let asked = asked?;
        let mut account = None;
        if let Some(Admitted { caller, permit, .. }) = admitted {
            account = caller.account.clone();
            if let Some(account) = account.as_ref().filter(|_| route.is_counted) {
                account
                    .admit()
                    .inspect_err(|error| policy.count_quota(error))?;
            }
            (policy.transport.timeout).check_least(asked, policy.least_timeout)?;
            *permit = Some(policy.permit(&caller.tenant, route.lasting)?);
        }
        if route.lasting != Lasting::Unary {
            request.extensions_mut().insert(stream::Deadline {
                at: deadline,
                is_callers: asked.is_some_and(|asked| asked <= timeout),
            });
        }
        let answer = pin!(async {
            // The message's share of the buffer is held until the handler returns.
            let mut share = None;
            let tenant = source.caller.as_deref().map(|caller| &caller.tenant);
            if route.messages != Messages::Unread {
                is_receiving.store(true, Relaxed);
                (request, share) = receive(policy, route, request, tenant).await?;
                is_receiving.store(false, Relaxed);
            }
            let turn = match aside::is_large(&request, share.is_some()) {
                true => aside::turn(&policy.readers, tenant).await,
                false => None,
            };
            Ok(aside::answer(turn, next.run(request)).await)
        });
        let answer = paid_by(account, answer);
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
            true => policy.keyless.hold(route.is_probe, answer).await,
            false => answer.await,
        }
    };
    match tokio::time::timeout_at(deadline.into(), answer).await {
        Ok(answer) => answer,
        Err(_) if is_receiving.load(Relaxed) => Err(Error::new(
            ErrorKind::DeadlineExceeded,
            "the deadline passed before the request message had arrived; nothing was done",
        )),
        Err(_) => Err((route.late)()),
    }
}

/// The maximum size of a message, in bytes.
fn message_limit(route: &Route) -> usize {
    match route.access {
        Some(_) => MAX_MESSAGE_BYTES,
        None => MAX_KEYLESS_BYTES,
    }
}

/// Receives the request message and returns the request with a body that holds it.
async fn receive(
    policy: &Policy,
    route: &Route,
    request: Request,
    tenant: Option<&TenantId>,
) -> Result<(Request, Option<Permit>)> {
    let limit = message_limit(route);
    let (head, body) = request.into_parts();
    // The first read of the body tells the caller to send it, with the status 100.
    if policy.transport.framing == Framing::Bare && announces_too_large(&head.headers, limit) {
        return Err(message::too_large(limit));
    }
    let received = message::receive(
        body,
        (route.messages, policy.transport.framing),
        limit,
        tenant.map(|tenant| (&policy.buffer, tenant)),
    );
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

/// Whether a caller with `Expect: 100-continue` announces a message of more than `limit` bytes. Others send their message
/// at once, and would lose the answer to one that is not read (RFC 9112, section 9.6).
fn announces_too_large(headers: &HeaderMap, limit: usize) -> bool {
    let text = |name| headers.get(name)?.to_str().ok();
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    text(header::EXPECT).is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
        && length.is_some_and(|length| length > limit as u64)
}
