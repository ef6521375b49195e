//! Follows a response into the socket, to know when the client has taken it.
//!
//! hyper takes the frames of a response long before the client reads them, and does not report when a frame is written.
//! Each frame is therefore passed to hyper as [`Bytes`] with an owner of our own. hyper drops the owner when the last
//! byte is written, or when the stream or the connection ends. Until then the response holds its permit and its share
//! of the memory. Frames have at most `PART` bytes, so that a slow client differs visibly from one that stopped
//! reading.
//!
//! A response is stalled if frames are waiting and none was written for the write timeout. If other responses of the
//! connection make progress, only the stalled stream is reset (HTTP/2); otherwise the connection ends.

use std::{
    cell::RefCell,
    pin::Pin,
    sync::{
        Arc, LazyLock, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes, HttpBody};
use http::{
    Response,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use hyper::body::{Frame, SizeHint};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, sleep, sleep_until},
};

use super::{
    budget::{Budget, Reservation, Shares},
    wire::is_refusal,
};
use crate::permits::Permit;

/// The largest frame, in bytes: the smallest SETTINGS_MAX_FRAME_SIZE of HTTP/2 (RFC 9113, section 6.5.2).
const PART: usize = 16 * 1024;

/// The maximum number of refusals that may wait with a body, over all connections; they belong to callers without a
/// valid key, whose answers no budget counts. Each takes about 4 KiB, so all of them take 16 MiB.
pub const MOST_REFUSALS: usize = 4_096;

tokio::task_local! {
    /// The response that the current hyper task sends; hyper runs one task for each HTTP/2 stream.
    static SENDING: RefCell<Weak<Sending>>;
}

/// Monotonic time since the first call of this function.
fn now() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    STARTED.elapsed()
}

/// The number of bytes that wait to be written, and when a frame was written last.
#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    /// In microseconds of [`now`]; also set when the queue stops being empty.
    moved: AtomicU64,
}

impl Queue {
    fn push(&self, bytes: usize) {
        // The time is set first; otherwise the new bytes would seem to have waited since the last write.
        if self.bytes.load(SeqCst) == 0 {
            self.moved.store(now().as_micros() as u64, SeqCst);
        }
        self.bytes.fetch_add(bytes, SeqCst);
    }

    fn pop(&self, bytes: usize, now: Duration) {
        self.moved.store(now.as_micros() as u64, SeqCst);
        self.bytes.fetch_sub(bytes, SeqCst);
    }

    /// For how long bytes have waited without any being written; zero if none wait.
    fn waits(&self) -> Duration {
        if self.bytes.load(SeqCst) == 0 {
            return Duration::ZERO;
        }
        now().saturating_sub(Duration::from_micros(self.moved.load(SeqCst)))
    }
}

/// The responses of one connection. Every request carries it as an extension.
#[derive(Debug)]
pub struct Outgoing {
    /// The memory that the responses of this connection may hold.
    pub(super) budget: Arc<Budget>,
    queue: Queue,
    /// Whether the last request was HTTP/1.0, where the end of the connection may be the end of the response.
    is_http10: AtomicBool,
    /// Whether a response was begun that ends with the connection, and whether it was completely handed to hyper.
    is_open_ended: AtomicBool,
    is_whole: AtomicBool,
    /// Whether the connection ends because its client took nothing, or must not have the rest.
    is_stalled: AtomicBool,
    /// One permit for each refusal with a body, shared by all connections.
    refusals: Arc<Semaphore>,
}

impl Outgoing {
    /// A connection with nothing to send, whose responses may hold at most `bytes`. `refusals` has a permit for each
    /// refusal without a call's permit whose body may wait, see [`MOST_REFUSALS`].
    pub fn new(bytes: usize, refusals: Arc<Semaphore>) -> Self {
        Self {
            refusals,
            budget: Budget::new(bytes),
            queue: Queue::default(),
            is_http10: AtomicBool::new(false),
            is_open_ended: AtomicBool::new(false),
            is_whole: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
        }
    }

    /// Records the HTTP version of a request.
    pub fn begin(&self, version: http::Version) {
        self.is_http10
            .store(version < http::Version::HTTP_11, SeqCst);
    }

    /// Returns once bytes have waited for `limit` without any being written.
    pub async fn stalled(&self, limit: Duration) {
        loop {
            sleep((limit / 4).max(Duration::from_millis(10))).await;
            if self.queue.waits() >= limit {
                self.is_stalled.store(true, SeqCst);
                return;
            }
        }
    }

    /// Lets the connection end with a reset, so that its client gets nothing that is still in the kernel.
    pub fn cut(&self) {
        self.is_stalled.store(true, SeqCst);
    }

    /// Whether the connection must end with a reset (RST). A graceful close would look like the end of a response that
    /// was cut off, or would leave unread bytes in the kernel.
    pub fn ends_in_reset(&self) -> bool {
        let is_cut = !self.is_whole.load(SeqCst) || self.queue.bytes.load(SeqCst) > 0;
        self.is_stalled.load(SeqCst) || self.is_open_ended.load(SeqCst) && is_cut
    }

    /// Wraps the response body, so that the response holds its permit and memory until the last byte is written.
    pub fn send(self: &Arc<Self>, mut response: Response<Body>) -> Response<Sent> {
        let held = response.extensions_mut().remove::<Arc<Held>>();
        if self.is_http10.load(SeqCst) && response.body().size_hint().exact().is_none() {
            self.is_whole.store(false, SeqCst);
            self.is_open_ended.store(true, SeqCst);
        }
        let refusal = self.refusal(&mut response, held.as_deref());
        response.map(|body| Sent::new(Arc::clone(self), body, held, refusal))
    }

    /// Takes a permit for a refusal that has no permit of a call, such as 401 and 404. Without a free one, the response
    /// loses its body: its headers need no flow-control window, so nothing of it has to wait for the client.
    fn refusal(
        &self,
        response: &mut Response<Body>,
        held: Option<&Held>,
    ) -> Option<OwnedSemaphorePermit> {
        let has_permit = held.is_some_and(|held| held.permit.is_some());
        if has_permit || response.body().is_end_stream() || !is_refusal(response) {
            return None;
        }
        let permit = Arc::clone(&self.refusals).try_acquire_owned().ok();
        if permit.is_none() {
            *response.body_mut() = Body::empty();
            for of_body in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH] {
                response.headers_mut().remove(of_body);
            }
        }
        permit
    }
}

/// What a response holds until it is written; an extension of the response.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The call's permit.
    pub(super) permit: Option<Permit>,
    /// The memory of a unary response.
    pub(super) reservation: Option<Reservation>,
    /// The budgets that the messages of a stream count against.
    pub(super) shares: Option<Shares>,
}

/// A response that is being sent.
struct Sending {
    connection: Arc<Outgoing>,
    queue: Queue,
    _held: Option<Arc<Held>>,
    _refusal: Option<OwnedSemaphorePermit>,
}

/// A frame of a response, as the owner of its bytes.
struct Part {
    bytes: Bytes,
    sending: Arc<Sending>,
    /// The memory of the stream message that these bytes belong to.
    _reservation: Option<Arc<Reservation>>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let now = now();
        self.sending.queue.pop(self.bytes.len(), now);
        self.sending.connection.queue.pop(self.bytes.len(), now);
    }
}

/// The response body that hyper polls.
pub struct Sent {
    body: Body,
    /// `None` once the last frame is handed to hyper; the frames alone keep the response alive then.
    sending: Option<Arc<Sending>>,
    shares: Option<Shares>,
    /// The rest of the message that was polled last, and its memory.
    rest: Bytes,
    reservation: Option<Arc<Reservation>>,
    /// Resolves when the budgets have room for another message.
    room: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sent")
    }
}

impl Sent {
    fn new(
        connection: Arc<Outgoing>,
        body: Body,
        held: Option<Arc<Held>>,
        refusal: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let shares = held.as_ref().and_then(|held| held.shares.clone());
        let sending = (!body.is_end_stream()).then(|| {
            let sending = Arc::new(Sending {
                connection,
                queue: Queue::default(),
                _held: held,
                _refusal: refusal,
            });
            // HTTP/1.1 has no task per response and needs none: a response stalls together with its connection.
            let _ = SENDING.try_with(|slot| slot.replace(Arc::downgrade(&sending)));
            sending
        });
        Self {
            body,
            sending,
            shares,
            rest: Bytes::new(),
            reservation: None,
            room: None,
        }
    }

    /// Splits the next frame off the rest.
    fn part(&mut self) -> Option<Bytes> {
        let bytes = match self.rest.len() {
            0..=PART => std::mem::take(&mut self.rest),
            _ => self.rest.split_to(PART),
        };
        let reservation = match self.rest.is_empty() {
            true => self.reservation.take(),
            false => self.reservation.clone(),
        };
        let sending = match self.is_end_stream() {
            true => {
                self.end();
                self.sending.take()?
            }
            false => Arc::clone(self.sending.as_ref()?),
        };
        sending.queue.push(bytes.len());
        sending.connection.queue.push(bytes.len());
        Some(Bytes::from_owner(Part {
            bytes,
            sending,
            _reservation: reservation,
        }))
    }

    /// Records that the response was completely handed to hyper.
    fn end(&self) {
        if let Some(sending) = &self.sending {
            sending.connection.is_whole.store(true, SeqCst);
        }
    }

    /// Waits until the budgets of a stream have room.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(room) = &mut self.room {
            ready!(room.as_mut().poll(context));
            self.room = None;
        }
        if let Some(shares) = self.shares.as_ref().filter(|shares| !shares.has_room()) {
            let mut room = Box::pin(shares.clone().room());
            if room.as_mut().poll(context).is_pending() {
                self.room = Some(room);
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            ready!(this.poll_room(context));
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) if frame.is_data() => {
                    this.rest = frame.into_data().unwrap_or_default();
                    let bytes = this.rest.len();
                    let shares = this.shares.as_ref();
                    this.reservation = shares.map(|shares| Arc::new(shares.reserve(bytes)));
                }
                last => {
                    if !matches!(last, Some(Err(_))) {
                        this.end();
                    }
                    this.sending = None;
                    return Poll::Ready(last);
                }
            }
        }
        Poll::Ready(this.part().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // hyper asks only before the first frame.
        self.body.size_hint()
    }
}

/// Runs hyper's task of one HTTP/2 stream. If the client takes no byte of the response for `limit`, the task is
/// dropped, which resets the stream.
pub async fn run_stream(task: impl Future, limit: Duration) {
    let task = async {
        let mut task = std::pin::pin!(task);
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        std::future::poll_fn(|context| {
            if task.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let sending = SENDING.with(|slot| slot.borrow().upgrade());
            let Some(sending) = sending else {
                return Poll::Pending;
            };
            // A written frame wakes nobody, so the timer re-checks the queue.
            loop {
                let waits = sending.queue.waits();
                if waits >= limit {
                    tracing::info!(limit = ?limit, "a stream was reset: its reader took nothing for the write timeout");
                    return Poll::Ready(());
                }
                if sending.queue.bytes.load(SeqCst) == 0 {
                    return Poll::Pending;
                }
                let until = tokio::time::Instant::now() + (limit - waits);
                let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
                ready!(timer.as_mut().poll(context));
                timer.as_mut().reset(until);
            }
        })
        .await;
    };
    SENDING.scope(RefCell::new(Weak::new()), task).await;
}
