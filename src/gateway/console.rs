//! `/console/`: the operators' console, as `make console` built it into this binary.
//!
//! It is files alone, the same for everyone, so no key is asked for; what it shows it asks for over gRPC-Web with the
//! key of whoever sits before it. A page of the console is found by its address in the browser, which every page's file
//! is the same for.

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery},
    response::{Redirect, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};

use super::error;

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// True where the console is in this binary.
pub const IS_BUILT: bool = !FILES.is_empty();

const PAGE: &str = "index.html";
/// What a browser may do with these files: run and show what came from here, and ask this origin alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const MISSING: &[u8] =
    b"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>No console</title>\n\
    <h1>The console is not in this binary</h1>\n\
    <p>It was built without Node.js. Run <code>make console</code>, then build again.</p>\n";

/// The console's paths.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/console", get(with_slash))
        .route("/console/", get(page))
        .route("/console/tasks/{task_id}", get(page))
        .route("/console/{file}", get(file))
}

/// The filters in an address go along.
async fn with_slash(RawQuery(query): RawQuery) -> Redirect {
    let query = query.map(|query| format!("?{query}"));
    Redirect::permanent(&format!("/console/{}", query.unwrap_or_default()))
}

async fn page() -> Response {
    if let Some(page) = named(PAGE) {
        return answer(PAGE, page);
    }
    // For people in a browser, and no success to whatever checks that the console is there.
    let mut response = answer(PAGE, MISSING);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

async fn file(Path(name): Path<String>) -> Response {
    match named(&name) {
        Some(bytes) => answer(&name, bytes),
        None => error::plain(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "there is nothing at this path",
        ),
    }
}

fn named(name: &str) -> Option<&'static [u8]> {
    let found = FILES.iter().find(|(file, _)| *file == name);
    found.map(|(_, bytes)| *bytes)
}

fn answer(name: &str, bytes: &'static [u8]) -> Response {
    // The names of scripts and styles have their contents' hash in them: a changed one is another file.
    let (kind, is_hashed) = match name.rsplit_once('.') {
        Some((_, "js")) => ("text/javascript; charset=utf-8", true),
        Some((_, "css")) => ("text/css; charset=utf-8", true),
        Some((_, "html")) => ("text/html; charset=utf-8", false),
        Some((_, "svg")) => ("image/svg+xml", false),
        _ => ("text/plain; charset=utf-8", false),
    };
    let caching = match is_hashed {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, caching),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
