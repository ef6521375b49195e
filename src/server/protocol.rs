//! Which protocol a request speaks, and the answers to requests that none of them can answer.

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};

use crate::grpc::json::is_of_a_service;

/// The media types of gRPC-Web that tonic's translation layer knows, in its spelling.
const GRPC_WEB: [&str; 4] = [
    "application/grpc-web+proto",
    "application/grpc-web-text+proto",
    "application/grpc-web",
    "application/grpc-web-text",
];

/// A protocol of the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    GrpcWeb,
    /// An rpc, called with another content type than those of gRPC.
    Connect,
    /// Everything else: the HTTP gateway.
    Http,
}

/// Why a request is not passed on. The answer is plain text: the client does not speak the protocol whose errors it
/// would otherwise get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    status: StatusCode,
    text: &'static str,
}

impl Refusal {
    /// RFC 9112, section 3.2.
    const HOST: Self = Self {
        status: StatusCode::BAD_REQUEST,
        text: "an HTTP/1.1 request must have exactly one Host header\n",
    };
    /// The status of gRPC is in trailers, which HTTP/1 clients do not read, so a stream that breaks off would look
    /// complete.
    const NEEDS_HTTP2: Self = Self {
        status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        text: "gRPC needs HTTP/2; over HTTP/1.1, use gRPC-Web (application/grpc-web+proto) or the HTTP form\n",
    };
    const NEEDS_POST: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        text: "gRPC and gRPC-Web need the method POST\n",
    };
    const UNKNOWN_TYPE: Self = Self {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        text: "gRPC-Web needs the content type application/grpc-web+proto or application/grpc-web-text+proto\n",
    };

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        // RFC 9110 requires this header with 405.
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

/// The protocol of a request. The content type decides, as gRPC has no other mark; plain HTTP requests have none of its
/// types. Of those, Connect has the paths of gRPC. Brings a type of gRPC-Web into the spelling that tonic's layer knows, without parameters.
pub(super) fn of(request: &mut Request<Body>) -> Result<Protocol, Refusal> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || hosts == 0 && request.version() == Version::HTTP_11 {
        return Err(Refusal::HOST);
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let kind = content_type.map_or(&b""[..], HeaderValue::as_bytes);
    if !starts_with(kind, b"application/grpc") {
        return Ok(match is_of_a_service(request.uri().path()) {
            true => Protocol::Connect,
            false => Protocol::Http,
        });
    }
    if request.method() != Method::POST {
        return Err(Refusal::NEEDS_POST);
    }
    if !starts_with(kind, b"application/grpc-web") {
        return match request.version() < Version::HTTP_2 {
            true => Err(Refusal::NEEDS_HTTP2),
            false => Ok(Protocol::Grpc),
        };
    }
    let plain = kind.split(|byte| *byte == b';').next().unwrap_or(kind);
    let plain = plain.trim_ascii_end();
    let known = GRPC_WEB
        .into_iter()
        .find(|known| plain.eq_ignore_ascii_case(known.as_bytes()));
    let known = known.ok_or(Refusal::UNKNOWN_TYPE)?;
    if kind != known.as_bytes() {
        let known = HeaderValue::from_static(known);
        request.headers_mut().insert(header::CONTENT_TYPE, known);
    }
    Ok(Protocol::GrpcWeb)
}

/// Whether a media type begins so. Upper and lower case are the same in it (RFC 9110, section 8.3.1).
fn starts_with(kind: &[u8], begin: &[u8]) -> bool {
    let first = kind.get(..begin.len());
    first.is_some_and(|first| first.eq_ignore_ascii_case(begin))
}
