//! `/console/`: the files of the operators' console, which the build embeds into the binary.
//!
//! The files are the same for everyone, so they need no key. The console in the browser calls the service over gRPC-Web
//! with the user's key. Every page of the console is the same HTML file; its script reads the address to choose the
//! page.

use axum::{
    Router,
    extract::{Path, RawQuery, rejection::PathRejection},
    response::{Redirect, Response},
    routing::get,
};
use http::HeaderMap;

use super::files::Site;

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Whether the binary contains the console.
pub const IS_BUILT: bool = !FILES.is_empty();

/// The Content-Security-Policy: scripts, styles and images from this origin only, and connections to this origin only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const MISSING: &[u8] =
    b"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>No console</title>\n\
    <h1>The console is not in this binary</h1>\n\
    <p>It was built without Node.js. Run <code>make console</code>, then build again.</p>\n";

const SITE: Site = Site {
    files: FILES,
    missing: MISSING,
    policy: POLICY,
};

/// The routes of the console. `/console/wall` and `/console/tasks/{task_id}` serve the same page as `/console/`.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/console", get(with_slash))
        .route("/console/", get(page))
        .route("/console/wall", get(page))
        .route("/console/tasks/{task_id}", get(page))
        .route("/console/{file}", get(file))
}

/// Redirects to the address with a slash, with the query string that holds the filters.
async fn with_slash(RawQuery(query): RawQuery) -> Redirect {
    let query = query.map(|query| format!("?{query}"));
    Redirect::permanent(&format!("/console/{}", query.unwrap_or_default()))
}

async fn page(headers: HeaderMap) -> Response {
    SITE.page(&headers).await
}

async fn file(headers: HeaderMap, name: Result<Path<String>, PathRejection>) -> Response {
    SITE.file(&headers, name).await
}
