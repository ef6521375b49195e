//! Errors as the Connect protocol writes them: an HTTP status, and JSON with gRPC's code, message and details.

use axum::{body::Body, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use prost::Message;
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::wire::{JSON, is_of_grpc};
use crate::grpc::json;

#[derive(Serialize)]
struct Failure<'a> {
    code: &'static str,
    message: &'a str,
    details: Vec<Detail<'a>>,
}

/// A message of protobuf. `debug` holds the same as JSON, for people and for callers without the messages of errors.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    debug: Option<serde_json::Value>,
}

/// The name and the HTTP status of a code (Connect Protocol Reference, "Error Codes").
fn code(code: Code) -> (&'static str, StatusCode) {
    match code {
        // gRPC's OK is no error; a refusal that claims it is a defect.
        Code::Ok | Code::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Cancelled => ("canceled", client_closed_request()),
        Code::Unknown => ("unknown", StatusCode::INTERNAL_SERVER_ERROR),
        Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        Code::Aborted => ("aborted", StatusCode::CONFLICT),
        Code::OutOfRange => ("out_of_range", StatusCode::BAD_REQUEST),
        Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
    }
}

/// The status of a call that its caller gave up; nginx introduced it.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// Writes a refusal of gRPC in Connect's form; any other response stays as it is.
pub(super) fn rendered(response: Response) -> Response {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    let (mut head, _) = response.into_parts();
    let whole = tonic_types::Status::decode(status.details()).unwrap_or_default();
    let details = whole.details.iter().map(|detail| Detail {
        kind: detail.type_url.rsplit('/').next().unwrap_or_default(),
        value: STANDARD_NO_PAD.encode(&detail.value),
        debug: json::detail(detail),
    });
    let (name, http) = code(status.code());
    let failure = Failure {
        code: name,
        message: status.message(),
        details: details.collect(),
    };
    let body = serde_json::to_vec(&failure).expect("only strings are keys of maps here");
    head.status = http;
    let names: Vec<HeaderName> = head.headers.keys().cloned().collect();
    for name in names.iter().filter(|name| is_of_grpc(name)) {
        head.headers.remove(name);
    }
    head.headers.insert(header::CONTENT_TYPE, JSON);
    let no_store = HeaderValue::from_static("no-store");
    head.headers.insert(header::CACHE_CONTROL, no_store);
    add_advice(&status, &mut head.headers);
    Response::from_parts(head, Body::from(body))
}

/// Adds what the details say to the headers that HTTP has for it.
fn add_advice(status: &Status, headers: &mut HeaderMap) {
    // RFC 9110 requires this header with 401.
    if status.code() == Code::Unauthenticated {
        let bearer = HeaderValue::from_static("Bearer realm=\"outbound-tasks\"");
        headers.insert(header::WWW_AUTHENTICATE, bearer);
    }
    let retry = status.get_details_retry_info();
    if let Some(after) = retry.and_then(|retry| retry.retry_delay) {
        // Retry-After has whole seconds, and a caller must not come back too early.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, seconds.max(1).into());
    }
}
