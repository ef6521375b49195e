//! The span of a call, with the attributes that OpenTelemetry's semantic conventions give to rpcs and HTTP requests.
//!
//! Paths of no route and query strings are left out, because they may hold a key.

use std::{net::IpAddr, sync::Arc};

use axum::extract::Request;
use http::{Method, StatusCode, Version};

use super::route::Route;
use crate::{
    app::Caller,
    telemetry::{CallTransport, Code},
    traces::{Recorded, Remote, TraceId, Tracer},
};

/// What the conventions write for names that the service does not know.
const OTHER: &str = "_OTHER";
/// The codes that are the service's fault, not the caller's.
const FAULTS: [Code; 6] = [
    Code::Unknown,
    Code::DeadlineExceeded,
    Code::Unimplemented,
    Code::Internal,
    Code::Unavailable,
    Code::DataLoss,
];

/// The trace of a call.
#[derive(Debug, Default)]
pub(super) struct CallTrace {
    /// Its id: that of the caller, or a new one if calls are traced.
    pub(super) id: Option<TraceId>,
    /// The span, if the call is recorded.
    pub(super) recorded: Option<Arc<Recorded>>,
}

impl CallTrace {
    /// Begins the span of a call. Health probes have none: they come every few seconds and mean nothing to anybody's trace.
    /// `path` is the label of the route, `None` for an unknown one.
    pub(super) fn begin(
        tracer: Option<&Tracer>,
        (request, route): (&Request, &Route),
        path: Option<&str>,
        transport: CallTransport,
        peer: Option<IpAddr>,
    ) -> Self {
        let remote = Remote::of(request.headers());
        let Some(tracer) = tracer.filter(|_| !route.is_probe) else {
            return Self {
                id: remote.as_ref().map(Remote::trace),
                recorded: None,
            };
        };
        let call = tracer.call(remote.as_ref());
        if let Some(span) = call.recorded() {
            describe(span, request, path, transport);
            if let Some(peer) = peer {
                span.set("client.address", peer.to_string());
            }
        }
        Self {
            id: Some(call.trace()),
            recorded: call.recorded().cloned(),
        }
    }

    /// Ends the span of a call.
    pub(super) fn end(
        &mut self,
        transport: CallTransport,
        code: Code,
        status: Option<StatusCode>,
        caller: Option<&Caller>,
    ) {
        let Some(span) = self.recorded.take() else {
            return;
        };
        if let Some(caller) = caller {
            span.set("tenant.id", caller.tenant.as_str().to_owned());
            span.set("key.id", caller.key_id.as_str().to_owned());
        }
        let is_fault = match (transport, status) {
            (CallTransport::Http, Some(status)) => {
                span.set("http.response.status_code", i64::from(status.as_u16()));
                status.is_server_error() || status.is_success() && FAULTS.contains(&code)
            }
            _ => {
                span.set("rpc.response.status_code", code.name());
                FAULTS.contains(&code)
            }
        };
        if is_fault {
            span.fail(code.name());
        }
        span.end();
    }
}

fn describe(span: &Recorded, request: &Request, path: Option<&str>, transport: CallTransport) {
    let system = match transport {
        CallTransport::Http => None,
        CallTransport::Grpc | CallTransport::GrpcWeb => Some("grpc"),
        CallTransport::Connect => Some("connectrpc"),
    };
    match system {
        Some(system) => {
            let method = path.map_or(OTHER, |path| path.trim_start_matches('/'));
            span.rename(method.to_owned());
            span.set("rpc.system.name", system);
            span.set("rpc.method", method.to_owned());
        }
        None => {
            let method = match *request.method() {
                Method::GET => "GET",
                Method::HEAD => "HEAD",
                Method::POST => "POST",
                Method::PUT => "PUT",
                Method::DELETE => "DELETE",
                Method::OPTIONS => "OPTIONS",
                Method::PATCH => "PATCH",
                _ => OTHER,
            };
            span.set("http.request.method", method);
            match path {
                Some(route) => {
                    span.rename(format!("{method} {route}"));
                    span.set("http.route", route.to_owned());
                    span.set("url.path", request.uri().path().to_owned());
                }
                None => span.rename(method.to_owned()),
            }
        }
    }
    let version = match request.version() {
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        _ => "2",
    };
    span.set("network.protocol.version", version);
}
