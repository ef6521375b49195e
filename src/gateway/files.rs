//! Files that the build embeds into the binary.

use axum::{body::Body, response::Response};
use http::{HeaderValue, header};

/// The file with this name.
pub(super) fn named(files: &[(&'static str, &'static [u8])], name: &str) -> Option<&'static [u8]> {
    let found = files.iter().find(|(file, _)| *file == name);
    found.map(|(_, bytes)| *bytes)
}

/// The response with a file, whose type its name tells. `policy` is the Content-Security-Policy.
pub(super) fn answer(name: &str, bytes: &'static [u8], policy: &'static str) -> Response {
    // Script and style names contain the hash of their contents, so browsers may cache them without limit.
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
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
