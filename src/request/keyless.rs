//! Calls that need no key: health and reflection.
//!
//! They use slots of their own, so they take nothing from authenticated callers. When all slots are taken, a new call
//! ends the oldest one. A genuine health check is answered within a millisecond, so no attacker can keep it out by
//! holding calls open, as he could with a fixed number of permits.
//!
//! A question of 40 bytes to reflection is answered by 100 KB. So these calls have fewer slots, and their answers pass one
//! after the other at a limited rate ([`BYTES_PER_MILLISECOND`]); they are for people who look at the contract.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyStream, StreamBody};
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::wire::{GRPC_MESSAGE, GRPC_STATUS, RETRY_AFTER, UNAVAILABLE};
use crate::error::{Error, ErrorReason, Result};

const WHY: &str = "the call gave way to newer ones that need no key either";

/// Of so many slots one is for reflection. Each of its calls holds some three answers of 100 KB.
const REFLECTION: usize = 10;
/// The rate at which answers of reflection pass, over all connections: 160 a second.
const BYTES_PER_MILLISECOND: usize = 16 * 1024;
/// The longest time that an answer of reflection waits for others.
const LONGEST: Duration = Duration::from_secs(1);

/// The slots for calls that need no key.
#[derive(Debug, Clone)]
pub struct Keyless {
    health: Arc<Room>,
    reflection: Arc<Room>,
    /// When the answers of reflection so far have passed.
    next: Arc<Mutex<Instant>>,
}

#[derive(Debug)]
struct Room {
    /// Number of slots.
    most: usize,
    open: Mutex<Open>,
}

/// The open calls by age. Dropping a sender ends its call.
#[derive(Debug, Default)]
struct Open {
    /// The number of the next call; numbers increase, so the smallest key is the oldest call.
    next: u64,
    calls: BTreeMap<u64, oneshot::Sender<()>>,
}

/// The slot of one call; dropping the value frees it.
struct Slot {
    room: Arc<Room>,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Keyless {
    /// Creates `most` slots for health, and a tenth of it for reflection.
    pub fn new(most: usize) -> Self {
        Self {
            health: Room::new(most),
            reflection: Room::new((most / REFLECTION).max(1)),
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Runs a call in a slot, which it occupies until its response ends. UNAVAILABLE if a newer call takes the slot.
    pub(super) async fn hold(
        &self,
        is_health: bool,
        answer: impl Future<Output = Result<Response>>,
    ) -> Result<Response> {
        let room = if is_health {
            &self.health
        } else {
            &self.reflection
        };
        let mut slot = room.enter();
        let response = tokio::select! {
            biased;
            _ = &mut slot.ended => {
                return Err(Error::unavailable(WHY, RETRY_AFTER).because(ErrorReason::Overloaded));
            }
            response = answer => response?,
        };
        Ok(response.map(|body| {
            Body::new(Answer {
                body: if is_health { body } else { self.paced(body) },
                slot: Some(slot),
            })
        }))
    }

    /// The body of a response whose frames pass one after the other, also with those of other calls.
    fn paced(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let next = Arc::clone(&self.next);
        let frames = BodyStream::new(body).then(move |frame| {
            let data = frame.as_ref().ok().and_then(Frame::data_ref);
            let bytes = data.map_or(0, Bytes::len);
            sleep_until(moment(&next, bytes)).map(|()| frame)
        });
        Body::new(StreamBody::new(frames))
    }
}

/// The moment at which so many bytes have passed behind all others. Callers that go away leave their time taken; so no moment
/// is further away than [`LONGEST`].
fn moment(next: &Mutex<Instant>, bytes: usize) -> Instant {
    let now = Instant::now();
    let time = Duration::from_millis((bytes / BYTES_PER_MILLISECOND) as u64);
    let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
    *next = (now.max(*next) + time).min(now + LONGEST);
    *next
}

impl Room {
    fn new(most: usize) -> Arc<Self> {
        let open = Mutex::default();
        Arc::new(Self { most, open })
    }

    fn enter(self: &Arc<Self>) -> Slot {
        let (sender, ended) = oneshot::channel();
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.calls.insert(number, sender);
        // The smallest number is the oldest call; dropping its sender ends it.
        if open.calls.len() > self.most {
            open.calls.pop_first();
        }
        Slot {
            room: Arc::clone(self),
            number,
            ended,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.room.lock().calls.remove(&self.number);
    }
}

/// The response body of such a call.
struct Answer {
    body: Body,
    /// `None` once a newer call has taken the slot.
    slot: Option<Slot>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(slot) = &mut self.slot else {
            return Poll::Ready(None);
        };
        if Pin::new(&mut slot.ended).poll(context).is_ready() {
            self.slot = None;
            self.body = Body::empty();
            let mut trailers = HeaderMap::new();
            trailers.insert(GRPC_STATUS, UNAVAILABLE);
            trailers.insert(GRPC_MESSAGE, HeaderValue::from_static(WHY));
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
