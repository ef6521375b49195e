//! The Connect protocol, unary: an rpc as a plain POST with a JSON or protobuf body (connectrpc.com, "Connect Protocol
//! Reference").
//!
//! A request is turned into a gRPC call and its answer back, so an rpc needs no code here, and key, quota, deadline and
//! permit are those of gRPC. The layers, from the outside in:
//!
//! | layer | does |
//! | --- | --- |
//! | [`admit`] | rejects what is no unary call of Connect; writes a refusal of gRPC as JSON |
//! | [`request::handle`] | as for gRPC; it receives the body, so it limits its size and time |
//! | [`transcode`] | body → gRPC message → tonic → gRPC message → body |
//!
//! Between the layers a refusal has gRPC's form, so logs and metrics have its codes.

mod encoding;
mod error;
mod wire;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    middleware::{self, Next},
    response::Response,
};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::Semaphore;

use crate::{
    beside::{THREADS, beside},
    error::{Error, ErrorKind, Reason, Result, Violation},
    grpc::json::{self, JsonRpc, Shown},
    request::{self, Framing, Policy, TimeoutHeader, Transport},
    telemetry::CallTransport,
};

use self::{
    encoding::Encoding,
    wire::{JSON, is_of_grpc},
};

const PROTO: HeaderValue = HeaderValue::from_static("application/proto");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// Length of the flag and the length before a gRPC message.
const PREFIX_BYTES: usize = 5;
/// Larger messages are converted beside tokio's threads, since that takes milliseconds.
const INLINE_BYTES: usize = 64 * 1024;
/// How many of these are converted at a time: half of the threads, so that large requests of other tenants find one.
static CONVERSIONS: Semaphore = Semaphore::const_new(THREADS / 2);

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Json,
    Proto,
}

/// The services of `grpc`, called by the Connect protocol. `policy` is that of gRPC.
pub(super) fn routes(grpc: Router, policy: &Policy) -> Router {
    json::load();
    let policy = Policy {
        transport: Transport {
            name: CallTransport::Connect,
            framing: Framing::Bare,
            timeout: TimeoutHeader::Connect,
            ..policy.transport
        },
        ..policy.clone()
    };
    grpc.layer(middleware::from_fn(transcode))
        .layer(middleware::from_fn_with_state(policy, request::handle))
        .layer(middleware::from_fn(admit))
}

/// Passes unary calls on. The others get an error that says what to do instead.
async fn admit(request: Request, next: Next) -> Response {
    let refused = |status: StatusCode, what: &str| {
        let error = Error::new(ErrorKind::Unimplemented, what);
        let mut response = error::rendered(tonic::Status::from(error).into_http());
        *response.status_mut() = status;
        response
    };
    if request.method() != Method::POST {
        let what = "an rpc is called by POST";
        let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, what);
        // RFC 9110 requires this header with 405.
        let post = HeaderValue::from_static("POST");
        response.headers_mut().insert(header::ALLOW, post);
        return response;
    }
    if JsonRpc::at(request.uri().path()).is_some_and(|rpc| rpc.is_stream) {
        let what = "this rpc sends or receives a stream: call it over gRPC or gRPC-Web; a watch and an export are also \
            served under /api/v1/";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
    }
    if codec(request.headers()).is_none() {
        let what = "an rpc needs the content-type application/json or application/proto; or those of gRPC and gRPC-Web, \
            application/grpc and application/grpc-web+proto";
        let mut response = refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
        let accepted = HeaderValue::from_static("application/json, application/proto");
        response.headers_mut().insert(ACCEPT_POST, accepted);
        return response;
    }
    error::rendered(next.run(request).await)
}

/// The form that the content type names. The only parameter that it may have is `charset=utf-8`.
fn codec(headers: &HeaderMap) -> Option<Codec> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameter) = text.split_once(';').unwrap_or((text, ""));
    let parameter = parameter.trim();
    let is_utf8 = ["", "charset=utf-8", "charset=\"utf-8\""]
        .iter()
        .any(|known| parameter.eq_ignore_ascii_case(known));
    let named = [(JSON, Codec::Json), (PROTO, Codec::Proto)];
    let mut named = named.into_iter().filter(|_| is_utf8);
    let (_, codec) = named.find(|(known, _)| {
        let kind = kind.trim_end().as_bytes();
        kind.eq_ignore_ascii_case(known.as_bytes())
    })?;
    Some(codec)
}

/// Makes the call in gRPC's form and returns the answer in Connect's. A refusal keeps gRPC's form.
async fn transcode(request: Request, next: Next) -> Response {
    let rpc = JsonRpc::at(request.uri().path());
    let codec = codec(request.headers());
    let (Some(rpc), Some(codec)) = (rpc, codec) else {
        // tonic answers that there is no such rpc. Nobody has limited the body of such a request.
        let (head, _) = request.into_parts();
        return next
            .run(as_grpc(Request::from_parts(head, Body::empty())))
            .await;
    };
    match call(rpc, codec, request, next).await {
        Ok(response) => response,
        Err(error) => tonic::Status::from(error).into_http(),
    }
}

async fn call(
    rpc: &'static JsonRpc,
    codec: Codec,
    request: Request,
    next: Next,
) -> Result<Response> {
    let (head, body) = request.into_parts();
    check_version(&head.headers)?;
    let Some(encoding) = Encoding::of(&head.headers) else {
        return Ok(encoding::refusal());
    };
    let body = body.collect().await.map_err(Error::internal)?.to_bytes();
    let (message, shown) = converted(body.len(), move || {
        let body = encoding.decoded(body, request::MAX_MESSAGE_BYTES)?;
        match codec {
            Codec::Proto => Ok((body, None)),
            Codec::Json => {
                let (message, shown) = rpc.encode(&body)?;
                Ok((message.into(), shown))
            }
        }
    })
    .await?;
    let request = as_grpc(Request::from_parts(head, framed(&message)?));
    answer(rpc, codec, shown, next.run(request).await).await
}

/// INVALID_ARGUMENT for another version of the protocol. The header may be missing, so that curl needs none.
fn check_version(headers: &HeaderMap) -> Result<()> {
    let version = headers.get(VERSION);
    if version.is_none_or(|version| version == "1") {
        return Ok(());
    }
    let why = Reason::Malformed { form: "1" };
    Err(Error::invalid(vec![Violation::new(VERSION.as_str(), why)]))
}

/// The request with the headers of a gRPC call. The answer must not be compressed, since it is read here.
fn as_grpc(mut request: Request) -> Request {
    let headers = request.headers_mut();
    for name in ["grpc-encoding", "grpc-accept-encoding", "content-encoding"] {
        headers.remove(name);
    }
    headers.remove(header::CONTENT_LENGTH);
    let grpc = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, grpc);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    request
}

/// A message with its prefix.
fn framed(message: &Bytes) -> Result<Body> {
    let length = u32::try_from(message.len()).map_err(Error::internal)?;
    let mut framed = Vec::with_capacity(PREFIX_BYTES + message.len());
    framed.push(0);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(message);
    Ok(Body::from(framed))
}

/// Turns the answer of tonic into one of Connect.
async fn answer(
    rpc: &'static JsonRpc,
    codec: Codec,
    shown: Shown,
    response: Response,
) -> Result<Response> {
    if response.headers().contains_key(GRPC_STATUS) {
        return Ok(response);
    }
    let (mut head, body) = response.into_parts();
    let body = body.collect().await.map_err(Error::internal)?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    if trailers.get(GRPC_STATUS).is_some_and(|code| code != "0") {
        // tonic could not encode the message, which `request::handle` explains.
        let end = stream::iter([Ok::<_, Error>(Frame::trailers(trailers))]);
        let body = Body::new(StreamBody::new(end));
        return Ok(Response::from_parts(head, body));
    }
    let mut message = body.to_bytes();
    if message.len() < PREFIX_BYTES {
        return Err(Error::internal("an answer without a message"));
    }
    let message = message.split_off(PREFIX_BYTES);
    let (kind, body) = match codec {
        Codec::Proto => (PROTO, message),
        Codec::Json => {
            let bytes = message.len();
            let json = converted(bytes, move || rpc.decode(&message, &shown));
            (JSON, json.await?.into())
        }
    };
    let names: Vec<HeaderName> = head.headers.keys().cloned().collect();
    for name in names.iter().filter(|name| is_of_grpc(name)) {
        head.headers.remove(name);
    }
    for (name, value) in &trailers {
        // The protocol has no trailers, so that HTTP/1.1 is enough.
        if let Ok(named) = HeaderName::try_from(format!("trailer-{name}"))
            && !is_of_grpc(name)
        {
            head.headers.append(named, value.clone());
        }
    }
    head.headers.insert(header::CONTENT_TYPE, kind);
    let no_store = HeaderValue::from_static("no-store");
    head.headers.insert(header::CACHE_CONTROL, no_store);
    Ok(Response::from_parts(head, Body::from(body)))
}

/// Converts a message of `bytes`: a small one at once, a large one on a thread where it may take its time.
async fn converted<T: Send + 'static>(
    bytes: usize,
    convert: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if bytes <= INLINE_BYTES {
        return convert();
    }
    let permit = CONVERSIONS.acquire().await.map_err(Error::internal)?;
    let convert = move || {
        let _permit = permit; // also when the caller has gone meanwhile
        convert()
    };
    beside(convert).await
}
