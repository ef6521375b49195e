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
use http::StatusCode;

use super::{error, files};

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Whether the binary contains the console.
pub const IS_BUILT: bool = !FILES.is_empty();

const PAGE: &str = "index.html";
/// The Content-Security-Policy: scripts, styles and images from this origin only, and connections to this origin only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const MISSING: &[u8] =
    b"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>No console</title>\n\
    <h1>The console is not in this binary</h1>\n\
    <p>It was built without Node.js. Run <code>make console</code>, then build again.</p>\n";

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

/// The page of the console, or instructions if the binary does not contain it.
async fn page() -> Response {
    if let Some(page) = files::named(FILES, PAGE) {
        return files::answer(PAGE, page, POLICY);
    }
    // Instructions for people; the status 404 shows monitoring that the console is missing.
    let mut response = files::answer(PAGE, MISSING, POLICY);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// A script, style or image of the console.
async fn file(name: Result<Path<String>, PathRejection>) -> Response {
    // A name that is not UTF-8 is rejected, and no file has one.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    match files::named(FILES, &name) {
        Some(bytes) => files::answer(&name, bytes, POLICY),
        None => error::plain(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "nothing is served at this path",
        ),
    }
}
