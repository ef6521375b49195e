//! Receives request messages: completely, within a time limit, and within a memory budget that all requests share.
//!
//! gRPC precedes each message by five bytes, a compression flag and a big-endian length (gRPC over HTTP/2,
//! "Length-Prefixed-Message"). The size is thus known before the message arrives, and a second message where only one
//! is allowed is detected without decoding.

use axum::body::{Body, Bytes, HttpBody};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::{route::Messages, wire::RETRY_AFTER};
use crate::{
    domain::tenant::TenantId,
    error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation},
    permits::{FairPermits, Permit},
};

/// The largest request message, in bytes. The largest useful one, with all statuses and a token, has about 3 KiB.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Length of the flag and length that precede each message.
const PREFIX_BYTES: usize = 5;
/// The largest message of a caller without a key, in bytes. The same number of bytes of each request is not counted
/// against the buffer, because the number of calls in progress already bounds it.
pub const MAX_KEYLESS_BYTES: usize = 4 * 1024;

/// How messages stand in the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Each behind a prefix with its length, as in gRPC.
    Prefixed,
    /// One, and nothing else.
    Bare,
}

/// The number of request bytes that may be held at a time, over all connections. Tenants share them fairly, in blocks.
#[derive(Debug, Clone)]
pub struct Buffer(FairPermits);

/// The bytes of a block.
const BLOCK: usize = MAX_KEYLESS_BYTES;

impl Buffer {
    /// A budget of `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self(FairPermits::new(bytes / BLOCK))
    }
}

/// The received part of a request.
pub(super) struct Received {
    /// The received message, followed by the rest of a stream of messages.
    pub(super) body: Body,
    /// The share of the budget, to be held as long as the bytes are.
    pub(super) share: Option<Permit>,
}

/// Receives the only message of a request, or the first one of a stream, of at most `limit` bytes. Those of a tenant count
/// against the budget; those without a key are too small to count.
pub(super) async fn receive(
    mut body: Body,
    (messages, framing): (Messages, Framing),
    limit: usize,
    budget: Option<(&Buffer, &TenantId)>,
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
            match framing {
                Framing::Prefixed => message.check(messages, limit)?,
                Framing::Bare if message.bytes().len() > limit => return Err(too_large(limit)),
                Framing::Bare => {}
            }
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

/// INVALID_ARGUMENT: the bytes are not a message of the API.
pub fn undecodable() -> Error {
    Error::invalid(vec![Violation::new("message", Reason::Undecodable)])
}

/// RESOURCE_EXHAUSTED: the message is larger than `limit`, in whole KiB.
pub fn too_large(limit: usize) -> Error {
    let why = format!("the request message is larger than {} KiB", limit / 1024);
    Error::new(ErrorKind::ResourceExhausted, why).because(ErrorReason::MessageTooLarge)
}

/// The bytes of a message received so far.
#[derive(Default)]
struct Partial {
    /// The first chunk. Usually it is the whole message, which is then not copied.
    first: Bytes,
    /// All chunks, once there is more than one. They are copied because each chunk keeps the whole read buffer alive.
    joined: Vec<u8>,
    /// The share of the budget held for these bytes.
    share: Option<Permit>,
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

    /// Appends a chunk; UNAVAILABLE if the budget is used up.
    fn push(&mut self, data: Bytes, budget: Option<(&Buffer, &TenantId)>) -> Result<()> {
        let length = self.bytes().len() + data.len();
        if let Some((Buffer(blocks), tenant)) = budget {
            self.account(length, blocks, tenant)?;
        }
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

    /// Takes budget for a message of `length` bytes, beyond the share that it already holds.
    fn account(&mut self, length: usize, blocks: &FairPermits, tenant: &TenantId) -> Result<()> {
        let has = self.share.as_ref().map_or(0, Permit::count);
        // The share doubles like the capacity of a vector.
        let needed = length.next_power_of_two() / BLOCK;
        if length <= MAX_KEYLESS_BYTES || needed <= has {
            return Ok(());
        }
        let more = blocks.try_acquire_many(tenant, needed - has);
        let more = more.ok_or_else(|| {
            let what = "the service is receiving as many bytes of requests as it may hold, of this tenant or of all";
            Error::unavailable(what, RETRY_AFTER).because(ErrorReason::Overloaded)
        })?;
        match &mut self.share {
            Some(share) => share.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// The length of the first message with its prefix, once the prefix has arrived.
    fn length(&self) -> Option<usize> {
        let [_, a, b, c, d] = *self.bytes().first_chunk::<PREFIX_BYTES>()?;
        Some(PREFIX_BYTES + u32::from_be_bytes([a, b, c, d]) as usize)
    }

    fn is_whole(&self) -> bool {
        let length = self.length();
        length.is_some_and(|length| self.bytes().len() >= length)
    }

    /// Checks the length in the prefix against `limit`, and that no second message follows where one is allowed.
    fn check(&self, messages: Messages, limit: usize) -> Result<()> {
        match self.length() {
            Some(length) if length > PREFIX_BYTES + limit => Err(too_large(limit)),
            Some(length) if messages == Messages::One && self.bytes().len() > length => {
                let form = "the only one of its call";
                let violation = Violation::new("message", Reason::Malformed { form });
                Err(Error::invalid(vec![violation]))
            }
            _ => Ok(()),
        }
    }
}
