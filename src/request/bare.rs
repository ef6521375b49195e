//! Replaces the errors that tonic answers by itself, so that their text, reason and details are ours.
//!
//! Errors of this project always carry details, which distinguishes them.

use axum::{extract::Request, response::Response};

use super::{
    message,
    route::Route,
    wire::{
        GRPC_ACCEPT_ENCODING, GRPC_STATUS, GRPC_STATUS_DETAILS, INTERNAL, OUT_OF_RANGE,
        RESOURCE_EXHAUSTED, UNIMPLEMENTED,
    },
};
use crate::{
    error::{Error, ErrorKind},
    redaction::excerpt,
};

/// The path of a call by gRPC, if it may be the path of no rpc.
pub(super) fn unknown_rpc(is_grpc: bool, route: &Route, request: &Request) -> Option<String> {
    let may_be_unknown = is_grpc && route.name.is_none();
    may_be_unknown.then(|| excerpt(request.uri().path()))
}

/// The response, or what `render` makes of the error that replaces it. `path` is [`unknown_rpc`]; `limit` is that of a message.
pub(super) fn in_own_words(
    response: Response,
    path: Option<&str>,
    limit: usize,
    render: impl Fn(Error) -> Response,
) -> Response {
    let headers = response.headers();
    let Some(status) = headers.get(GRPC_STATUS) else {
        return response;
    };
    if headers.contains_key(GRPC_STATUS_DETAILS) {
        return response;
    }
    // tonic sends this header with an error only if it does not know the request's compression.
    let accepted = headers.get(GRPC_ACCEPT_ENCODING).cloned();
    let error = if status == OUT_OF_RANGE || status == RESOURCE_EXHAUSTED {
        message::too_large(limit)
    } else if status == INTERNAL {
        message::undecodable()
    } else if status != UNIMPLEMENTED {
        return response;
    } else if accepted.is_some() {
        let what = "grpc-encoding names a compression that the service does not read; grpc-accept-encoding names those \
            that it does";
        Error::new(ErrorKind::Unimplemented, what)
    } else {
        let path = path.unwrap_or_default();
        let what = format!("there is no rpc {path}; server reflection lists all services and rpcs");
        Error::new(ErrorKind::Unimplemented, what)
    };
    let mut response = render(error);
    if let Some(accepted) = accepted {
        response
            .headers_mut()
            .insert(GRPC_ACCEPT_ENCODING, accepted);
    }
    response
}
