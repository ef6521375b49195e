//! The state of a client's connection that its calls and the accept loop share.

use std::{
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Frame, SizeHint};
use tokio::{sync::Notify, time::timeout};

/// How much of a refused request's body is read, and for how long, to keep an HTTP/1.1 connection.
const REST_BYTES: usize = 64 * 1024;
const REST_TIME: Duration = Duration::from_millis(50);

/// A client's connection. Every request carries it as an extension.
#[derive(Debug)]
pub struct Connection {
    /// The other end of the socket.
    peer: IpAddr,
    /// The client that a PROXY header names, if there is one.
    forwarded: OnceLock<IpAddr>,
    /// When the connection was accepted; the origin of `used`.
    since: Instant,
    /// Authenticated calls in progress. Unauthenticated ones are not counted, so that they cannot keep a connection
    /// open.
    calls: AtomicUsize,
    /// When the last request arrived or the last call ended, in milliseconds after `since`.
    used: AtomicU64,
    /// Whether a response was sent before the request body was read to its end.
    is_body_left: AtomicBool,
    /// The body of the present request, until its answer begins.
    rest: Mutex<Rest>,
    /// Whether the client exceeded its allowance of control frames.
    is_flooded: AtomicBool,
    /// The subject of the client's certificate.
    subject: OnceLock<Arc<str>>,
    /// Wakes the task that serves the connection, so that it closes it gracefully.
    end: Notify,
    /// Wakes the task that serves the connection, so that it resets it.
    cut: Notify,
    /// Wakes the task that accounts for the connection, so that it releases the connection's permit.
    give_way: Notify,
}

/// What is known of a request's body.
#[derive(Debug, Default)]
enum Rest {
    /// Nothing keeps it: there is none, or its answer has begun.
    #[default]
    Unkept,
    /// Something reads it.
    Read,
    /// It was dropped before its end.
    Left(Body),
}

/// An authenticated call in progress; dropping the value ends it.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Connection>);

impl Connection {
    /// A connection with no calls. `peer` is the other end of the socket.
    pub fn new(peer: IpAddr) -> Arc<Self> {
        Arc::new(Self {
            peer,
            forwarded: OnceLock::new(),
            since: Instant::now(),
            calls: AtomicUsize::new(0),
            used: AtomicU64::new(0),
            is_body_left: AtomicBool::new(false),
            rest: Mutex::default(),
            is_flooded: AtomicBool::new(false),
            subject: OnceLock::new(),
            end: Notify::new(),
            cut: Notify::new(),
            give_way: Notify::new(),
        })
    }

    /// Records the client that a PROXY header names.
    pub fn forwarded(&self, client: IpAddr) {
        // A connection has one such header at most.
        let _ = self.forwarded.set(client);
    }

    /// The client: the one that a PROXY header names, else the other end of the socket.
    pub fn client(&self) -> IpAddr {
        *self.forwarded.get().unwrap_or(&self.peer)
    }

    /// Records that a request arrived.
    pub fn touch(&self) {
        let millis = self.since.elapsed().as_millis();
        self.used
            .store(u64::try_from(millis).unwrap_or(u64::MAX), Relaxed);
    }

    /// Records the subject of the certificate that the client presented; the calls of the connection are logged with it.
    pub fn authenticated(&self, subject: &str) {
        // A connection has one handshake.
        let _ = self.subject.set(subject.into());
    }

    /// The subject of the client's certificate, if it presented one.
    pub(super) fn subject(&self) -> Option<Arc<str>> {
        self.subject.get().cloned()
    }

    /// Counts an authenticated call until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.calls.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Since when the connection has been idle; `None` while a call is in progress.
    pub fn idle_since(&self) -> Option<Instant> {
        let used = std::time::Duration::from_millis(self.used.load(Relaxed));
        (self.calls.load(Relaxed) == 0).then(|| self.since + used)
    }

    /// Asks the connection to close, to make room for a new one.
    pub fn end(&self) {
        self.give_way.notify_one();
        self.end.notify_one();
    }

    /// Waits for [`Connection::end`]. The task that serves the connection then closes it gracefully.
    pub async fn ended(&self) {
        self.end.notified().await;
    }

    /// Resets the connection, with what waits to be sent.
    pub(super) fn cut_off(&self) {
        self.cut.notify_one();
    }

    /// Waits for `cut_off`.
    pub async fn is_cut_off(&self) {
        self.cut.notified().await;
    }

    /// Waits for [`Connection::end`]. The task that counts the connection then releases its permit.
    pub async fn gives_way(&self) {
        self.give_way.notified().await;
    }

    /// Records that the client exceeded its allowance of control frames.
    pub fn flooded(&self) {
        self.is_flooded.store(true, Relaxed);
    }

    /// Whether the client exceeded its allowance of control frames.
    pub fn is_flooded(&self) -> bool {
        self.is_flooded.load(Relaxed)
    }

    /// Whether a response was sent before the request body was read to its end.
    pub fn is_body_left(&self) -> bool {
        self.is_body_left.load(Relaxed)
    }

    /// Reads what a refused request still has if it is little and comes soon, so that the connection can serve the next
    /// request. False if not: then it ends with the answer.
    pub async fn read_rest(&self) -> bool {
        let rest = std::mem::take(&mut *self.rest());
        let Rest::Left(rest) = rest else {
            return !self.is_body_left();
        };
        if rest.size_hint().lower() > REST_BYTES as u64 {
            return false;
        }
        let read = timeout(REST_TIME, Limited::new(rest, REST_BYTES).collect()).await;
        let is_read = matches!(read, Ok(Ok(_)));
        self.is_body_left.store(!is_read, Relaxed);
        is_read
    }

    /// Wraps a request body, to record whether it is read to its end. A client that `waits` for 100 Continue sends the rest of
    /// a refused request only if it is read, so that is not.
    pub fn body(self: &Arc<Self>, body: Body, waits: bool) -> Body {
        match body.is_end_stream() {
            true => body,
            false => {
                *self.rest() = Rest::Read;
                Body::new(Watched {
                    body,
                    is_read: false,
                    waits,
                    connection: Arc::clone(self),
                })
            }
        }
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.touch();
        self.0.calls.fetch_sub(1, Relaxed);
    }
}

/// A request body that records on drop whether it was read to its end.
struct Watched {
    body: Body,
    is_read: bool,
    waits: bool,
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
            let body = std::mem::take(&mut self.body);
            let mut rest = self.connection.rest();
            self.connection.is_body_left.store(true, Relaxed);
            // Once the answer has begun nobody would take it, and hyper would wait for it to be read.
            if matches!(*rest, Rest::Read) && !self.waits {
                *rest = Rest::Left(body);
            }
        }
    }
}
