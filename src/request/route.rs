//! What is known of a call by its path alone, before anything of it is read: its scope, its messages, how long it lasts.

use std::{collections::HashMap, sync::LazyLock};

use axum::extract::{MatchedPath, Request};
use http::Method;
use prost::Message;
use prost_types::FileDescriptorSet;

use crate::{app::Access, pb};

/// The export of the HTTP GET form.
pub const EXPORT: &str = "/api/v1/outboundtasks:export";
/// Its watch.
pub const WATCH: &str = "/api/v1/outboundtasks:watch";
/// How the paths of the HTTP GET form begin.
const GET_FORM: &str = "/api/";
/// Health, of which callers need no key to know.
const HEALTH: &str = "/grpc.health.v1.Health/";
/// The rpcs for which the scope `read` is enough; all others change something.
const READS: [&str; 7] = [
    "ListOutboundTasks",
    "GetOutboundTask",
    "BatchGetOutboundTasks",
    "ListTaskTargets",
    "ListTaskEvents",
    "ExportOutboundTasks",
    "WatchOutboundTasks",
];
/// The rpc whose answer goes on for as long as its caller stays.
const WATCH_RPC: &str = "WatchOutboundTasks";

/// The messages that a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Messages {
    /// The handler reads the body, if it reads it at all.
    Unread,
    /// One message and no more.
    One,
    /// A stream of them.
    Many,
}

/// How long a call lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Until its one answer.
    Unary,
    /// Until the end of a stream.
    Stream,
    /// A stream that is open for long with little to do, so it does not take the permits of other calls.
    Watch,
}

/// A kind of call.
#[derive(Debug)]
pub(super) struct Route {
    /// The scope that the caller's key needs; `None` where no key is asked for.
    pub(super) access: Option<Access>,
    pub(super) messages: Messages,
    pub(super) lasting: Lasting,
    /// Its name in logs and metrics, where the path itself is the name.
    pub(super) name: Option<String>,
}

/// The contract's rpcs by path.
static RPCS: LazyLock<HashMap<String, Route>> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET)
        .expect("the descriptor is encoded by this crate's build script");
    let mut routes = HashMap::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                let route = Route {
                    access: Some(match READS.contains(&method.name()) {
                        true => Access::Read,
                        false => Access::Write,
                    }),
                    messages: match method.client_streaming() {
                        true => Messages::Many,
                        false => Messages::One,
                    },
                    lasting: match method.client_streaming() || method.server_streaming() {
                        _ if method.name() == WATCH_RPC => Lasting::Watch,
                        true => Lasting::Stream,
                        false => Lasting::Unary,
                    },
                    name: Some(path.clone()),
                };
                routes.insert(path, route);
            }
        }
    }
    routes
});

/// A call of the HTTP GET form that lasts so long.
const fn get_form(lasting: Lasting) -> Route {
    Route {
        access: Some(Access::Read),
        messages: Messages::Unread,
        lasting,
        name: None,
    }
}

/// A call that needs no key and carries such messages.
const fn keyless(messages: Messages) -> Route {
    Route {
        access: None,
        messages,
        lasting: Lasting::Unary,
        name: None,
    }
}

static GET: Route = get_form(Lasting::Unary);
static GET_EXPORT: Route = get_form(Lasting::Stream);
static GET_WATCH: Route = get_form(Lasting::Watch);
static KEYLESS_RPC: Route = keyless(Messages::One);
static KEYLESS: Route = keyless(Messages::Unread);

impl Route {
    /// The route of a gRPC call.
    pub(super) fn of_rpc(request: &Request) -> &'static Self {
        let path = request.uri().path();
        match RPCS.get(path) {
            Some(rpc) => rpc,
            None if path.starts_with(HEALTH) => &KEYLESS_RPC,
            None => &KEYLESS,
        }
    }

    /// The route of any other request, which axum has matched with one of the gateway's.
    pub(super) fn of_get(request: &Request) -> &'static Self {
        // Another method is refused whoever asks.
        let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.extensions().get().map(MatchedPath::as_str) {
            Some(EXPORT) if is_get => &GET_EXPORT,
            Some(WATCH) if is_get => &GET_WATCH,
            Some(matched) if is_get && matched.starts_with(GET_FORM) => &GET,
            _ => &KEYLESS,
        }
    }
}
