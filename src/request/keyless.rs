//! Calls that need no key: health and reflection.
//!
//! They use slots of their own, so they take nothing from authenticated callers. When all slots are taken, a new call
//! ends the oldest one. A genuine health check is answered within a millisecond, so no attacker can keep it out by
//! holding calls open, as he could with a fixed number of permits.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    response::Response,
};
use http::{HeaderMap, HeaderValue};
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;

use super::wire::{GRPC_MESSAGE, GRPC_STATUS, RETRY_AFTER, UNAVAILABLE};
use crate::error::{Error, ErrorReason, Result};

const WHY: &str = "the call gave way to newer ones that need no key either";

/// The slots for calls that need no key.
#[derive(Debug, Clone)]
pub struct Keyless(Arc<Room>);

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
    /// Creates `most` slots.
    pub fn new(most: usize) -> Self {
        let open = Mutex::default();
        Self(Arc::new(Room { most, open }))
    }

    /// Runs a call in a slot, which it occupies until its response ends. UNAVAILABLE if a newer call takes the slot.
    pub(super) async fn hold(
        &self,
        answer: impl Future<Output = Result<Response>>,
    ) -> Result<Response> {
        let mut slot = self.0.enter();
        let response = tokio::select! {
            biased;
            _ = &mut slot.ended => {
                return Err(Error::unavailable(WHY, RETRY_AFTER).because(ErrorReason::Overloaded));
            }
            response = answer => response?,
        };
        Ok(response.map(|body| {
            Body::new(Answer {
                body,
                slot: Some(slot),
            })
        }))
    }
}

impl Room {
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
