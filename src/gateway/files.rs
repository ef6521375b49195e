//! Sites whose files the build embeds into the binary.

use axum::{
    body::Bytes,
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{error, fixed};

const PAGE: &str = "index.html";

/// A page with its scripts, styles and images.
pub(super) struct Site {
    /// Names and contents.
    pub(super) files: &'static [(&'static str, &'static [u8])],
    /// The page that tells people how to build a binary with the files.
    pub(super) missing: &'static [u8],
    /// The Content-Security-Policy.
    pub(super) policy: &'static str,
}

impl Site {
    /// The page, or instructions if the binary does not contain it.
    pub(super) async fn page(&self, accepted: &HeaderMap) -> Response {
        if let Some(page) = self.named(PAGE) {
            return answer(accepted, PAGE, page, self.policy).await;
        }
        // The status 404 shows monitoring that the page is missing.
        let mut response = answer(accepted, PAGE, self.missing, self.policy).await;
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }

    /// A script, style or image.
    pub(super) async fn file(
        &self,
        accepted: &HeaderMap,
        name: Result<Path<String>, PathRejection>,
    ) -> Response {
        // A name that is not UTF-8 is rejected, and no file has one.
        let name = name.map(|Path(name)| name).unwrap_or_default();
        match self.named(&name) {
            Some(bytes) => answer(accepted, &name, bytes, self.policy).await,
            None => error::plain(
                StatusCode::NOT_FOUND,
                "NOT_FOUND",
                "nothing is served at this path",
            ),
        }
    }

    fn named(&self, name: &str) -> Option<&'static [u8]> {
        let found = self.files.iter().find(|(file, _)| *file == name);
        found.map(|(_, bytes)| *bytes)
    }
}

/// The response with a file, whose type its name tells. `policy` is the Content-Security-Policy.
async fn answer(
    accepted: &HeaderMap,
    name: &str,
    bytes: &'static [u8],
    policy: &'static str,
) -> Response {
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
    let mut response = fixed::response(accepted, Bytes::from_static(bytes)).await;
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
