//! What a call has to do with the connection that it came on.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

/// A connection of a client; every request on it carries it as an extension.
#[derive(Debug)]
pub struct Connection {
    since: Instant,
    /// Calls under way whose keys are good. Others do not keep a connection from being closed for want of room.
    calls: AtomicUsize,
    /// When there was a call last, in milliseconds after `since`.
    used: AtomicU64,
    is_body_left: AtomicBool,
    is_flooded: AtomicBool,
    end: Notify,
    give_way: Notify,
}

/// A call under way, as long as this lives.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Connection>);

impl Connection {
    /// A new one.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            calls: AtomicUsize::new(0),
            used: AtomicU64::new(0),
            is_body_left: AtomicBool::new(false),
            is_flooded: AtomicBool::new(false),
            end: Notify::new(),
            give_way: Notify::new(),
        })
    }

    /// Notes that a request came.
    pub fn touch(&self) {
        let millis = self.since.elapsed().as_millis();
        self.used
            .store(u64::try_from(millis).unwrap_or(u64::MAX), Relaxed);
    }

    /// A call whose key is good begins.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.calls.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Since when there has been no call; `None` where one is under way.
    pub fn idle_since(&self) -> Option<Instant> {
        let used = std::time::Duration::from_millis(self.used.load(Relaxed));
        (self.calls.load(Relaxed) == 0).then(|| self.since + used)
    }

    /// Asks for the connection's end, to make room for another one.
    pub fn end(&self) {
        self.give_way.notify_one();
        self.end.notify_one();
    }

    /// Waits until somebody asks for the end: what serves the connection closes it in order.
    pub async fn ended(&self) {
        self.end.notified().await;
    }

    /// Waits for the same: what counts the connection does so no more.
    pub async fn gives_way(&self) {
        self.give_way.notified().await;
    }

    /// Notes that the client sent too many frames that ask for nothing.
    pub fn flooded(&self) {
        self.is_flooded.store(true, Relaxed);
    }

    /// Whether it did.
    pub fn is_flooded(&self) -> bool {
        self.is_flooded.load(Relaxed)
    }

    /// Whether a request was answered before all of its body was read.
    pub fn is_body_left(&self) -> bool {
        self.is_body_left.load(Relaxed)
    }

    /// The body of a request on this connection, of which it is noted whether somebody read it all.
    pub fn body(self: &Arc<Self>, body: Body) -> Body {
        match body.is_end_stream() {
            true => body,
            false => Body::new(Watched {
                body,
                is_read: false,
                connection: Arc::clone(self),
            }),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.touch();
        self.0.calls.fetch_sub(1, Relaxed);
    }
}

struct Watched {
    body: Body,
    is_read: bool,
    connection: Arc<Connection>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(None) = poll {
            self.is_read = true;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.is_read && !self.body.is_end_stream() {
            self.connection.is_body_left.store(true, Relaxed);
        }
    }
}
