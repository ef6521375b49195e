//! Compressed requests of the Connect protocol (`content-encoding`).

use std::io::Read;

use axum::{body::Bytes, response::Response};
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header};

use crate::{
    error::{Error, ErrorKind, Result},
    request::{too_large, undecodable},
};

/// The largest window that a zstd frame may demand, as a power of two: 8 MiB, which every decoder should support (RFC 8878,
/// section 3.1.1.1.2). A larger one would take that much memory for the smallest message.
const MOST_WINDOW: u32 = 23;
const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, zstd");

/// The compression of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

impl Encoding {
    /// The encoding that the headers name; `None` for one that the service does not read.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let named = headers.get(header::CONTENT_ENCODING);
        let named = named.map_or(&b""[..], HeaderValue::as_bytes);
        // In any case, and gzip by its older name too (RFC 9110, section 8.4.1).
        match &named.to_ascii_lowercase()[..] {
            b"" | b"identity" => Some(Self::Identity),
            b"gzip" | b"x-gzip" => Some(Self::Gzip),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The body without its compression; RESOURCE_EXHAUSTED if it is larger than `limit`, INVALID_ARGUMENT if it is
    /// damaged.
    pub(super) fn decoded(self, body: Bytes, limit: usize) -> Result<Bytes> {
        match self {
            Self::Identity => Ok(body),
            Self::Gzip => read(MultiGzDecoder::new(&*body), limit),
            Self::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(&*body);
                let mut decoder = decoder.map_err(|error| undecodable().caused_by(error))?;
                let bounded = decoder.window_log_max(MOST_WINDOW);
                bounded.map_err(Error::internal)?;
                read(decoder, limit)
            }
        }
    }
}

/// UNIMPLEMENTED, with the encodings that the service reads.
pub(super) fn refusal() -> Response {
    let what = "content-encoding must be gzip, zstd or identity";
    let error = Error::new(ErrorKind::Unimplemented, what);
    let mut refusal: Response = tonic::Status::from(error).into_http();
    let headers = refusal.headers_mut();
    headers.insert(header::ACCEPT_ENCODING, ACCEPTED);
    refusal
}

fn read(decoder: impl Read, limit: usize) -> Result<Bytes> {
    let mut decoded = Vec::new();
    let more = limit as u64 + 1;
    let read = decoder.take(more).read_to_end(&mut decoded);
    read.map_err(|error| undecodable().caused_by(error))?;
    match decoded.len() > limit {
        true => Err(too_large(limit)),
        false => Ok(decoded.into()),
    }
}
