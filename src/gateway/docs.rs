//! `/docs/`: a viewer of the OpenAPI document, Swagger UI, which the build embeds into the binary.
//!
//! It asks no other host. It calls the service with a key that its user enters, and keeps none.

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    response::{Redirect, Response},
    routing::get,
};
use http::HeaderMap;

use super::files::Site;

include!(concat!(env!("OUT_DIR"), "/docs.rs"));

/// The Content-Security-Policy: everything from this origin only. Swagger UI has icons as `data:` in its styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const MISSING: &[u8] =
    b"<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>No viewer</title>\n\
    <h1>The viewer of the HTTP API is not in this binary</h1>\n\
    <p>It was built without Node.js. Run <code>make console</code>, then build again. \
    The document itself is <a href=\"/openapi.json\">/openapi.json</a>.</p>\n";

const SITE: Site = Site {
    files: FILES,
    missing: MISSING,
    policy: POLICY,
};

/// The routes of the viewer.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(page))
        .route("/docs/{file}", get(file))
}

async fn page(headers: HeaderMap) -> Response {
    SITE.page(&headers).await
}

async fn file(headers: HeaderMap, name: Result<Path<String>, PathRejection>) -> Response {
    SITE.file(&headers, name).await
}
