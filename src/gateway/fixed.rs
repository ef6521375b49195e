//! Contents that are the same for everyone, and need no key. They are compressed once: for each request that would take
//! milliseconds of a processor, and a caller without a key could take it from everybody.

use std::{
    collections::HashMap,
    io::Write,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::OnceCell;

use crate::beside::beside;

/// Contents with fewer bytes are sent as they are.
const SMALL: usize = 1024;

/// A compressed content, once somebody has asked for it.
type Gzipped = Arc<OnceCell<Bytes>>;

/// By the address of the original, which lives as long as the program.
static GZIPPED: LazyLock<Mutex<HashMap<usize, Gzipped>>> = LazyLock::new(Mutex::default);

/// The response with a content, compressed if the caller takes gzip.
pub(super) async fn response(accepted: &HeaderMap, content: Bytes) -> Response {
    if content.len() < SMALL {
        return Response::new(Body::from(content));
    }
    let is_gzipped = takes_gzip(accepted);
    let body = match is_gzipped {
        true => gzipped(content).await,
        false => content,
    };
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    let vary = HeaderValue::from_static("accept-encoding");
    headers.insert(header::VARY, vary);
    if is_gzipped {
        let gzip = HeaderValue::from_static("gzip");
        headers.insert(header::CONTENT_ENCODING, gzip);
    }
    response
}

async fn gzipped(content: Bytes) -> Bytes {
    let gzipped = {
        let mut all = GZIPPED.lock().unwrap_or_else(PoisonError::into_inner);
        let address = content.as_ptr() as usize;
        Arc::clone(all.entry(address).or_default())
    };
    let compress = || {
        beside(move || {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
            let written = gzip.write_all(&content).and_then(|()| gzip.finish());
            Bytes::from(written.expect("a vector takes everything"))
        })
    };
    gzipped.get_or_init(compress).await.clone()
}

/// Whether Accept-Encoding has gzip, not with the quality 0 (RFC 9110, section 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING);
    let mut codings = lists
        .iter()
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    codings.any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let quality = quality.trim().trim_start_matches(['q', 'Q', '=']);
        name.trim().eq_ignore_ascii_case("gzip") && quality.parse::<f32>().is_ok_and(|q| q > 0.0)
    })
}
