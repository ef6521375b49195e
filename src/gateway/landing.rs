//! `GET /`, `/openapi.json`: what is where.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;

use super::{fixed, json};
use crate::openapi;

/// The path of the OpenAPI document.
pub(super) const OPENAPI: &str = "/openapi.json";

/// What the port serves: a name, a path, and a sentence.
const LINKS: [(&str, &str, &str); 7] = [
    ("console", "/console/", "The console for operators."),
    ("docs", "/docs/", "The HTTP API, to read and to try."),
    ("openapi", OPENAPI, "The same for programs: OpenAPI 3.1."),
    (
        "tasks",
        "/api/v1/outboundtasks",
        "The list of tasks, by GET with a key.",
    ),
    (
        "quota",
        "/api/v1/quota",
        "The quotas of a key, by GET with it.",
    ),
    (
        "rpcs",
        "/outboundtasks.v1.OutboundTaskService/",
        "The rpcs, over gRPC and gRPC-Web, and by POST with JSON; server reflection describes them.",
    ),
    (
        "keys",
        "/outboundtasks.v1.KeyService/",
        "The rpcs that manage the keys of one's own tenant, likewise, for keys with the scope admin.",
    ),
];

#[derive(Serialize)]
struct Landing {
    service: &'static str,
    version: &'static str,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    name: &'static str,
    path: &'static str,
    about: &'static str,
}

/// The routes. They need no key, since they say the same to everyone.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(landing))
        .route(OPENAPI, get(document))
}

/// JSON, or a page for a browser.
async fn landing(headers: HeaderMap) -> Response {
    let mut response = match wants_html(&headers) {
        true => page(),
        false => json::response(&Landing {
            service: "outbound-tasks",
            version: env!("CARGO_PKG_VERSION"),
            links: LINKS
                .map(|(name, path, about)| Link { name, path, about })
                .into(),
        }),
    };
    let accept = HeaderValue::from_static("accept");
    response.headers_mut().insert(header::VARY, accept);
    response
}

/// Whether the caller names HTML before JSON, as browsers do. A caller that takes anything gets JSON.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut kinds = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kinds.find(|kind| ["text/html", "application/json"].contains(kind)) == Some("text/html")
}

fn page() -> Response {
    let links = LINKS.map(|(_, path, about)| {
        format!("<dt><a href=\"{path}\">{path}</a></dt>\n<dd>{about}</dd>\n")
    });
    let version = env!("CARGO_PKG_VERSION");
    let text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
        <title>outbound-tasks</title>\n<h1>outbound-tasks {version}</h1>\n<dl>\n{}</dl>\n</html>\n",
        links.concat()
    );
    let policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

async fn document(headers: HeaderMap) -> Response {
    let mut response = fixed::response(&headers, openapi::json()).await;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, kind);
    let caching = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, caching);
    response
}
