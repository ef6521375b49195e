//! Takes a request's message in: whole, in time, and within the memory that all requests share.
//!
//! gRPC puts five bytes before each message: a flag and the length. So its size is known before it is there, and a
//! second message where one is allowed is seen without decoding either.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{route::Messages, wire::RETRY_AFTER};
use crate::error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation};

/// The largest request message. The largest sensible one, all statuses and a token, has some 3 KiB.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// What comes before each message.
const PREFIX_BYTES: usize = 5;
/// So much of each request is not counted: the number of calls under way bounds it. The most that a caller without a
/// key may send.
pub const MAX_KEYLESS_BYTES: usize = 4 * 1024;

/// The bytes of requests that may be held at a time, over all connections.
#[derive(Debug, Clone)]
pub struct Buffer(Arc<Semaphore>);

impl Buffer {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }
}

/// What was received of a request.
pub(super) struct Received {
    /// It, and what is still to come of a stream of messages.
    pub(super) body: Body,
    /// Its share of the budget; to be kept as long as the bytes are.
    pub(super) share: Option<OwnedSemaphorePermit>,
}

/// Receives the one message of a request, or the first of many, of at most `limit` bytes.
pub(super) async fn receive(
    mut body: Body,
    messages: Messages,
    limit: usize,
    budget: &Buffer,
) -> Result<Received> {
    let mut message = Partial::default();
    while !body.is_end_stream() {
        if messages == Messages::Many && message.is_whole() {
            break;
        }
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Ok(data) = frame
            .map_err(|error| undecodable().caused_by(error))?
            .into_data()
        {
            message.push(data, budget)?;
            message.check(messages, limit)?;
        }
    }
    let share = message.share.take();
    let bytes = message.into_bytes();
    let body = match messages {
        Messages::Many => {
            let first = stream::iter([Ok(Frame::data(bytes))]);
            let rest = stream::unfold(body, async |mut body| Some((body.frame().await?, body)));
            Body::new(StreamBody::new(first.chain(rest)))
        }
        Messages::One | Messages::Unread => Body::from(bytes),
    };
    Ok(Received { body, share })
}

/// INVALID_ARGUMENT: what came is no message of the contract.
pub(super) fn undecodable() -> Error {
    Error::invalid(vec![Violation::new("message", Reason::Undecodable)])
}

/// RESOURCE_EXHAUSTED: the message is beyond [`MAX_MESSAGE_BYTES`].
pub(super) fn too_large() -> Error {
    let why = "the request message is larger than 256 KiB";
    Error::new(ErrorKind::ResourceExhausted, why).because(ErrorReason::MessageTooLarge)
}

/// What has arrived of a message.
#[derive(Default)]
struct Partial {
    /// The first piece, most often all there is; so it is not copied.
    first: Bytes,
    /// Everything, once there is more than one piece. Copied, for each piece would hold on to the whole buffer that it
    /// was read into.
    joined: Vec<u8>,
    share: Option<OwnedSemaphorePermit>,
}

impl Partial {
    fn bytes(&self) -> &[u8] {
        match self.joined.is_empty() {
            true => &self.first,
            false => &self.joined,
        }
    }

    fn into_bytes(self) -> Bytes {
        match self.joined.is_empty() {
            true => self.first,
            false => self.joined.into(),
        }
    }

    fn push(&mut self, data: Bytes, budget: &Buffer) -> Result<()> {
        let length = self.bytes().len() + data.len();
        self.account(length, budget)?;
        if self.bytes().is_empty() {
            self.first = data;
            return Ok(());
        }
        if self.joined.is_empty() {
            self.joined
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&data);
        Ok(())
    }

    /// Takes from the budget what so many bytes need beyond what they have of it.
    fn account(&mut self, length: usize, budget: &Buffer) -> Result<()> {
        let has = (self.share.as_ref()).map_or(0, OwnedSemaphorePermit::num_permits);
        // By doubling, as a vector grows.
        let needed = length.next_power_of_two();
        if length <= MAX_KEYLESS_BYTES || needed <= has {
            return Ok(());
        }
        let more = u32::try_from(needed - has).map_err(|_| too_large())?;
        let more = Arc::clone(&budget.0).try_acquire_many_owned(more);
        let more = more.map_err(|_| {
            let what = "the service is receiving as many bytes of requests as it may hold";
            Error::unavailable(what, RETRY_AFTER).because(ErrorReason::Overloaded)
        })?;
        match &mut self.share {
            Some(share) => share.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// How long the first message is with its prefix, once that is known.
    fn length(&self) -> Option<usize> {
        let [_, a, b, c, d] = *self.bytes().first_chunk::<PREFIX_BYTES>()?;
        Some(PREFIX_BYTES + u32::from_be_bytes([a, b, c, d]) as usize)
    }

    fn is_whole(&self) -> bool {
        let length = self.length();
        length.is_some_and(|length| self.bytes().len() >= length)
    }

    fn check(&self, messages: Messages, limit: usize) -> Result<()> {
        match self.length() {
            Some(length) if length > PREFIX_BYTES + limit => Err(too_large()),
            Some(length) if messages == Messages::One && self.bytes().len() > length => {
                let form = "the only one of its call";
                let violation = Violation::new("message", Reason::Malformed { form });
                Err(Error::invalid(vec![violation]))
            }
            _ => Ok(()),
        }
    }
}
