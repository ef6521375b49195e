//! What the path alone says about a call, before its body is read: scope, number of messages, duration.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use axum::extract::{MatchedPath, Request};
use http::Method;
use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

use crate::{app::Access, error::Error, pb};

/// Path of the export on the HTTP gateway.
pub const EXPORT: &str = "/api/v1/outboundtasks:export";
/// Path of the watch on the HTTP gateway.
pub const WATCH: &str = "/api/v1/outboundtasks:watch";
/// Path of the quotas on the HTTP gateway.
pub const QUOTA: &str = "/api/v1/quota";
/// Prefix of all API paths of the HTTP gateway.
const GET_FORM: &str = "/api/";
/// The address of the console, by axum's matched path.
const CONSOLE: &str = "/console/";
/// The rpcs of the gRPC health service, which need no key.
const HEALTH: [&str; 3] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
];
/// The rpcs that change nothing.
const READS: [&str; 10] = [
    "ListOutboundTasks",
    "GetOutboundTask",
    "BatchGetOutboundTasks",
    "ListTaskTargets",
    "ListTaskEvents",
    "GetTaskProgress",
    "ExportOutboundTasks",
    "WatchOutboundTasks",
    "ListKeys",
    QUOTA_RPC,
];
/// The service that needs the scope `admin`. All others need `read`, or `write` for what changes something.
const KEYS: &str = "KeyService";
/// The rpc that is not counted against quotas.
const QUOTA_RPC: &str = "GetQuota";
/// The rpc that stays open until its caller disconnects.
const WATCH_RPC: &str = "WatchOutboundTasks";
/// The unary rpc that has the deadlines of a stream: it may copy millions of customers.
const COPY_RPC: &str = "CopyOutboundTask";

/// How many messages a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Messages {
    /// Not read by the middleware; the handler reads the body if it needs it.
    Unread,
    /// Exactly one message.
    One,
    /// A stream of messages.
    Many,
}

/// How long a call lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Until its single response.
    Unary,
    /// Until the end of a stream of messages, in either direction.
    Stream,
    /// Until the caller disconnects. Watches are mostly idle, so they have permits of their own.
    Watch,
}

/// The kind of a call.
#[derive(Debug)]
pub(super) struct Route {
    /// The scope that the key needs; `None` if the call needs no key.
    pub(super) access: Option<Access>,
    pub(super) messages: Messages,
    pub(super) lasting: Lasting,
    /// Whether it has the deadlines of a stream.
    pub(super) is_long: bool,
    /// Whether the call is counted against the quotas.
    pub(super) is_counted: bool,
    /// Whether it is a health check.
    pub(super) is_probe: bool,
    /// The error of a call whose deadline has passed.
    pub(super) late: fn() -> Error,
    /// The label in logs and metrics; `None` where axum's matched path is the label.
    pub(super) name: Option<String>,
}

/// The rpcs of the API by path, from the descriptor, so that a new rpc is protected without further code.
static RPCS: LazyLock<HashMap<String, Route>> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET)
        .expect("the descriptor is encoded by this crate's build script");
    let mut routes = HashMap::new();
    for file in &set.file {
        let keyed = keyed(file);
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let is_read = READS.contains(&method.name());
                let lasting = match method.client_streaming() || method.server_streaming() {
                    _ if method.name() == WATCH_RPC => Lasting::Watch,
                    true => Lasting::Stream,
                    false => Lasting::Unary,
                };
                let route = Route {
                    access: Some(match (service.name(), is_read) {
                        (KEYS, _) => Access::Admin,
                        (_, true) => Access::Read,
                        (_, false) => Access::Write,
                    }),
                    messages: match method.client_streaming() {
                        true => Messages::Many,
                        false => Messages::One,
                    },
                    is_long: lasting != Lasting::Unary || method.name() == COPY_RPC,
                    lasting,
                    is_counted: method.name() != QUOTA_RPC,
                    is_probe: false,
                    late: match is_read {
                        true => Error::deadline_exceeded,
                        false if keyed.contains(method.input_type()) => {
                            Error::write_deadline_exceeded
                        }
                        false => Error::lone_write_deadline_exceeded,
                    },
                    name: Some(path.clone()),
                };
                routes.insert(path, route);
            }
        }
    }
    routes
});

/// The full names of the messages of a file that have an idempotency key.
fn keyed(file: &FileDescriptorProto) -> HashSet<String> {
    let messages = file.message_type.iter();
    let keyed = messages.filter(|m| m.field.iter().any(|f| f.name() == "idempotency_key"));
    keyed
        .map(|message| format!(".{}.{}", file.package(), message.name()))
        .collect()
}

/// A call of the HTTP gateway.
const fn get_form(lasting: Lasting) -> Route {
    Route {
        access: Some(Access::Read),
        messages: Messages::Unread,
        is_long: !matches!(lasting, Lasting::Unary),
        lasting,
        is_counted: true,
        is_probe: false,
        late: Error::deadline_exceeded,
        name: None,
    }
}

/// A call of the HTTP gateway that is not counted against quotas.
const fn uncounted(lasting: Lasting) -> Route {
    Route {
        access: Some(Access::Read),
        messages: Messages::Unread,
        is_long: !matches!(lasting, Lasting::Unary),
        lasting,
        is_counted: false,
        is_probe: false,
        late: Error::deadline_exceeded,
        name: None,
    }
}

/// A call that needs no key.
const fn keyless(messages: Messages) -> Route {
    Route {
        access: None,
        messages,
        lasting: Lasting::Unary,
        is_long: false,
        is_counted: true,
        is_probe: false,
        late: Error::deadline_exceeded,
        name: None,
    }
}

static GET: Route = get_form(Lasting::Unary);
static GET_QUOTA: Route = uncounted(Lasting::Unary);
static GET_EXPORT: Route = get_form(Lasting::Stream);
static GET_WATCH: Route = get_form(Lasting::Watch);
static HEALTH_RPCS: LazyLock<[Route; 3]> = LazyLock::new(|| {
    HEALTH.map(|path| Route {
        is_probe: true,
        name: Some(path.to_owned()),
        ..keyless(Messages::One)
    })
});
static KEYLESS: Route = keyless(Messages::Unread);
/// The console in a browser checks with HEAD whether a service that sends nothing is still there.
static CONSOLE_CHECK: LazyLock<Route> = LazyLock::new(|| Route {
    is_probe: true,
    ..keyless(Messages::Unread)
});

/// The route that applies to a request.
impl Route {
    /// The route of a gRPC call.
    pub(super) fn of_rpc(request: &Request) -> &'static Self {
        let path = request.uri().path();
        if let Some(rpc) = RPCS.get(path) {
            return rpc;
        }
        let health = HEALTH.iter().position(|health| *health == path);
        health.map_or(&KEYLESS, |index| &HEALTH_RPCS[index])
    }

    /// The route of any other request, which axum has matched with one of the gateway's.
    pub(super) fn of_get(request: &Request) -> &'static Self {
        // Other methods get 405 from axum, with or without a key.
        let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.extensions().get().map(MatchedPath::as_str) {
            Some(EXPORT) if is_get => &GET_EXPORT,
            Some(WATCH) if is_get => &GET_WATCH,
            Some(QUOTA) if is_get => &GET_QUOTA,
            Some(matched) if is_get && matched.starts_with(GET_FORM) => &GET,
            Some(CONSOLE) if *request.method() == Method::HEAD => &CONSOLE_CHECK,
            _ => &KEYLESS,
        }
    }
}
