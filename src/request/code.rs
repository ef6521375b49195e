//! The code of a call, from what its transport answers.

use axum::response::Response;
use http::{HeaderValue, StatusCode};

use super::wire::GRPC_STATUS;
use crate::{error::ErrorKind, telemetry::Code};

/// The code of an error.
pub fn of_kind(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::FailedPrecondition => Code::FailedPrecondition,
        ErrorKind::Aborted => Code::Aborted,
        ErrorKind::Unimplemented => Code::Unimplemented,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Internal | ErrorKind::BadUsage => Code::Internal,
    }
}

/// The code that a `grpc-status` header has.
pub(super) fn of_grpc(status: &HeaderValue) -> Code {
    let number = status.to_str().ok().and_then(|text| text.parse().ok());
    number.map_or(Code::Unknown, Code::numbered)
}

/// The code of a response. An HTTP response to an error carries the error's kind as an extension, since several kinds
/// have the same status. Without it, the status decides.
pub(super) fn of_response(response: &Response) -> Code {
    if let Some(status) = response.headers().get(GRPC_STATUS) {
        return of_grpc(status);
    }
    match response.extensions().get::<ErrorKind>() {
        Some(kind) => of_kind(*kind),
        None => of_http(response.status()),
    }
}

/// The code for an HTTP status, after the mapping of `google.rpc.Code`.
fn of_http(status: StatusCode) -> Code {
    match status.as_u16() {
        ..400 => Code::Ok,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        // A method that the path does not have.
        405 | 501 => Code::Unimplemented,
        409 | 412 => Code::Aborted,
        413 | 429 => Code::ResourceExhausted,
        499 => Code::Cancelled,
        400..=499 => Code::InvalidArgument,
        503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Internal,
    }
}

/// The code of an error that ended a body: that of the first of our errors among its sources.
pub(super) fn of_body(error: &axum::Error) -> Code {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(own) = cause.downcast_ref::<crate::error::Error>() {
            return of_kind(own.kind());
        }
        source = cause.source();
    }
    Code::Unknown
}
