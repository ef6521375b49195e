//! Calls that need no key: health and reflection.
//!
//! They take nothing from callers with a key. All of them share a number of places, and where it is not enough, the oldest one
//! gives way to the newest: an honest question is answered within a millisecond, so nobody can keep it out by holding
//! calls open, as a fixed number of permits would let him.

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

/// The room for calls that need no key.
#[derive(Debug, Clone)]
pub struct Keyless(Arc<Room>);

#[derive(Debug)]
struct Room {
    most: usize,
    open: Mutex<Open>,
}

/// The calls that are open, by age: dropping a sender ends its call.
#[derive(Debug, Default)]
struct Open {
    next: u64,
    calls: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A call's place, as long as this lives.
struct Place {
    room: Arc<Room>,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Keyless {
    /// Room for so many calls at a time.
    pub fn new(most: usize) -> Self {
        let open = Mutex::default();
        Self(Arc::new(Room { most, open }))
    }

    /// Runs a call in this room, to the end of its answer.
    pub(super) async fn hold(
        &self,
        answer: impl Future<Output = Result<Response>>,
    ) -> Result<Response> {
        let mut place = self.0.enter();
        let response = tokio::select! {
            biased;
            _ = &mut place.ended => {
                return Err(Error::unavailable(WHY, RETRY_AFTER).because(ErrorReason::Overloaded));
            }
            response = answer => response?,
        };
        Ok(response.map(|body| {
            Body::new(Answer {
                body,
                place: Some(place),
            })
        }))
    }
}

impl Room {
    fn enter(self: &Arc<Self>) -> Place {
        let (sender, ended) = oneshot::channel();
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.calls.insert(number, sender);
        if open.calls.len() > self.most {
            open.calls.pop_first();
        }
        Place {
            room: Arc::clone(self),
            number,
            ended,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.lock().calls.remove(&self.number);
    }
}

/// The answer of such a call.
struct Answer {
    body: Body,
    /// None once it has given way.
    place: Option<Place>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(place) = &mut self.place else {
            return Poll::Ready(None);
        };
        if Pin::new(&mut place.ended).poll(context).is_ready() {
            self.place = None;
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
