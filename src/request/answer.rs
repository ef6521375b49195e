//! Unary responses: the memory is reserved before the first byte is sent, so that a response can still be rejected.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use super::{
    budget::{Reservation, Shares},
    wire::{GRPC_STATUS, OUT_OF_RANGE},
};
use crate::error::{Error, ErrorKind, ErrorReason, Result};

/// The largest response message, in bytes.
pub const MAX_ANSWER_BYTES: usize = crate::domain::list::MAX_PAGE_BYTES;

/// Reserves the memory of a unary response. tonic encodes a message only when hyper polls the body, which happens when
/// the client has room for it. This function therefore encodes the message early, while an error can still be sent.
/// Returns RESOURCE_EXHAUSTED when the message is too large or when the shares have no room.
pub(super) async fn reserve(
    response: Response,
    shares: &Shares,
) -> Result<(Response, Reservation)> {
    // The JSON responses of the gateway are complete already.
    if let Some(bytes) = response.body().size_hint().exact() {
        let reservation = shares.try_reserve(bytes as usize)?;
        return Ok((response, reservation));
    }
    let (head, mut body) = response.into_parts();
    // A unary gRPC response has one frame of data and one of trailers.
    let mut frames = VecDeque::with_capacity(2);
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Error::internal)?;
        bytes += frame.data_ref().map_or(0, Bytes::len);
        frames.push_back(frame);
    }
    let end = frames.back().and_then(Frame::trailers_ref);
    let is_too_large = end.is_some_and(|t| t.get(GRPC_STATUS) == Some(&OUT_OF_RANGE));
    // tonic refused to encode the message; its error would name neither the limit nor a remedy.
    if bytes == 0 && is_too_large {
        let what =
            format!("the answer would be larger than {MAX_ANSWER_BYTES} bytes; ask for less of it");
        return Err(
            Error::new(ErrorKind::ResourceExhausted, what).because(ErrorReason::AnswerTooLarge)
        );
    }
    let reservation = shares.try_reserve(bytes)?;
    let body = Body::new(Whole { frames, bytes });
    Ok((Response::from_parts(head, body), reservation))
}

/// The encoded frames of a unary response.
struct Whole {
    frames: VecDeque<Frame<Bytes>>,
    /// Bytes of data that are not sent yet.
    bytes: usize,
}

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = self.frames.pop_front();
        if let Some(frame) = &frame {
            self.bytes -= frame.data_ref().map_or(0, Bytes::len);
        }
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        // A lower bound instead of an exact size: hyper would add a content-length, which excludes trailers.
        hint.set_lower(self.bytes as u64);
        hint
    }
}
