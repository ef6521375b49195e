//! Renders an [`Error`] as an HTTP status and a JSON body.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::json;
use crate::{
    error::{Error, ErrorKind},
    request,
};

#[derive(Serialize)]
struct Body<'a> {
    error: Failure<'a>,
}

/// The content of `error`. It has the same facts as the details of the gRPC error, under similar
/// names.
#[derive(Serialize)]
struct Failure<'a> {
    code: u16,
    status: &'a str,
    message: &'a str,
    details: Vec<Detail<'a>>,
    request_id: &'a str,
    /// The trace that the call belongs to, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    /// The stable name of the reason; the name of the code if no reason is set.
    reason: &'a str,
    /// The public facts of the error.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct Detail<'a> {
    field: &'a str,
    description: &'a str,
    reason: &'static str,
    parameters: BTreeMap<&'static str, String>,
}

/// The HTTP status of an error kind, after the mapping of `google.rpc.Code`.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidArgument => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::FailedPrecondition => StatusCode::CONFLICT,
        ErrorKind::Aborted => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal | ErrorKind::BadUsage => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The response to a failed call. Logs the internal cause.
pub(super) fn render(error: Error) -> Response {
    error.log();
    let details = error.violations().iter();
    let facts = (error.facts().iter()).map(|(name, value)| (*name, value.as_str()));
    let mut response = body(
        match error.kind() {
            // A conflict that a retry resolves. 412 would mean that the caller must change the request first.
            ErrorKind::Aborted if error.retry_after().is_some() => StatusCode::SERVICE_UNAVAILABLE,
            kind => status(kind),
        },
        error.kind().name(),
        error.message(),
        details
            .map(|v| Detail {
                field: &v.field,
                description: &v.description,
                reason: v.reason.code().name(),
                parameters: v.reason.parameters().into_iter().collect(),
            })
            .collect(),
        (error.reason(), facts.collect()),
    );
    // Several kinds have the same status; the metrics tell them apart.
    response.extensions_mut().insert(error.kind());
    let headers = response.headers_mut();
    // RFC 9110 requires this header with 401.
    if error.kind() == ErrorKind::Unauthenticated {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"outbound-tasks\""),
        );
    }
    if let Some(after) = error.retry_after() {
        // Retry-After has whole seconds, and a caller must not come back too early.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, seconds.max(1).into());
    }
    response
}

/// Lets handlers return errors with `?`.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        render(self)
    }
}

/// An error of HTTP itself, such as 404 and 405, which has no [`ErrorKind`].
pub(super) fn plain(code: StatusCode, status: &str, message: &str) -> Response {
    body(code, status, message, Vec::new(), (status, BTreeMap::new()))
}

fn body(
    code: StatusCode,
    status: &str,
    message: &str,
    details: Vec<Detail<'_>>,
    (reason, parameters): (&str, BTreeMap<&'static str, &str>),
) -> Response {
    let (request_id, trace_id) = (request::current_id(), request::current_trace());
    let error = Failure {
        code: code.as_u16(),
        status,
        message,
        details,
        request_id: &request_id,
        trace_id: trace_id.as_deref(),
        reason,
        parameters,
    };
    (code, json::response(&Body { error })).into_response()
}
