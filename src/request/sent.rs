//! An answer on its way into the socket.
//!
//! hyper takes an answer's parts long before the client reads them, and does not tell when a part is written. So every
//! part is handed over as [`Bytes`] with an owner of our own, whose drop is the moment in which the last byte of it was
//! written, or in which the stream or the connection ended. Until then the answer holds what it was given: its permit
//! and its share of the memory. Parts are small (`PART`), so that a slow reader is told from one that stopped reading.
//!
//! An answer whose parts wait while none of them is written for the write timeout is stalled. Where other answers of its
//! connection go on, its stream alone is reset; else the connection ends.

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
use http::Response;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep, sleep_until};

use super::budget::{Budget, Reservation, Shares};
use crate::permits::Permit;

/// The largest part: HTTP/2's smallest largest frame.
const PART: usize = 16 * 1024;

tokio::task_local! {
    /// The answer that a task of hyper's sends, which is that of one HTTP/2 stream.
    static SENDING: RefCell<Weak<Sending>>;
}

/// A clock without a date.
fn now() -> Duration {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    STARTED.elapsed()
}

/// What waits to be written, and when some of it last was.
#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    /// In microseconds of [`now`].
    moved: AtomicU64,
}

impl Queue {
    fn push(&self, bytes: usize) {
        // First the time: else what just came would seem to have waited since the queue was last moved.
        if self.bytes.load(SeqCst) == 0 {
            self.moved.store(now().as_micros() as u64, SeqCst);
        }
        self.bytes.fetch_add(bytes, SeqCst);
    }

    fn pop(&self, bytes: usize, now: Duration) {
        self.moved.store(now.as_micros() as u64, SeqCst);
        self.bytes.fetch_sub(bytes, SeqCst);
    }

    /// For how long nothing was written though something waits; zero where nothing does.
    fn waits(&self) -> Duration {
        if self.bytes.load(SeqCst) == 0 {
            return Duration::ZERO;
        }
        now().saturating_sub(Duration::from_micros(self.moved.load(SeqCst)))
    }
}

/// The answers of one connection; every request carries it as an extension.
#[derive(Debug)]
pub struct Outgoing {
    pub(super) budget: Arc<Budget>,
    queue: Queue,
    /// Whether the connection's requests are HTTP/1.0, which may know an answer's end by that of the connection.
    is_http10: AtomicBool,
    /// Whether an answer began whose end is the connection's, and whether all of it was handed over.
    is_open_ended: AtomicBool,
    is_whole: AtomicBool,
    is_stalled: AtomicBool,
}

impl Outgoing {
    /// A connection with nothing on its way, and at most `bytes` in time.
    pub fn new(bytes: usize) -> Self {
        Self {
            budget: Budget::new(bytes),
            queue: Queue::default(),
            is_http10: AtomicBool::new(false),
            is_open_ended: AtomicBool::new(false),
            is_whole: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
        }
    }

    /// Notes which HTTP a request speaks.
    pub fn begin(&self, version: http::Version) {
        self.is_http10
            .store(version < http::Version::HTTP_11, SeqCst);
    }

    /// Ends when the connection took nothing for `limit` though something waits for it.
    pub async fn stalled(&self, limit: Duration) {
        loop {
            sleep((limit / 4).max(Duration::from_millis(10))).await;
            if self.queue.waits() >= limit {
                self.is_stalled.store(true, SeqCst);
                return;
            }
        }
    }

    /// Whether the connection must end with a reset: an orderly end would pass for that of the answer, or would keep
    /// in the kernel what nobody reads.
    pub fn ends_in_reset(&self) -> bool {
        let is_cut = !self.is_whole.load(SeqCst) || self.queue.bytes.load(SeqCst) > 0;
        self.is_stalled.load(SeqCst) || self.is_open_ended.load(SeqCst) && is_cut
    }

    /// The answer with a body that holds what the answer was given until all of it is written.
    pub fn send(self: &Arc<Self>, mut response: Response<Body>) -> Response<Sent> {
        let held = response.extensions_mut().remove::<Arc<Held>>();
        if self.is_http10.load(SeqCst) && response.body().size_hint().exact().is_none() {
            self.is_whole.store(false, SeqCst);
            self.is_open_ended.store(true, SeqCst);
        }
        response.map(|body| Sent::new(Arc::clone(self), body, held))
    }
}

/// What an answer holds until it is written; an extension of the response.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The call's permit.
    pub(super) permit: Option<Permit>,
    /// The memory of a whole answer.
    pub(super) reservation: Option<Reservation>,
    /// What the parts of a stream count for.
    pub(super) shares: Option<Shares>,
}

/// An answer under way.
struct Sending {
    connection: Arc<Outgoing>,
    queue: Queue,
    _held: Option<Arc<Held>>,
}

/// Some bytes of an answer.
struct Part {
    bytes: Bytes,
    sending: Arc<Sending>,
    /// The memory of the stream's part that these bytes are of.
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

/// The body of an answer, as hyper gets it.
pub struct Sent {
    body: Body,
    /// `None` once the last part is handed over: then the parts alone hold it.
    sending: Option<Arc<Sending>>,
    shares: Option<Shares>,
    /// What is left of the part that came last, and its memory.
    rest: Bytes,
    reservation: Option<Arc<Reservation>>,
    /// Waits for room in the memory of answers.
    room: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sent")
    }
}

impl Sent {
    fn new(connection: Arc<Outgoing>, body: Body, held: Option<Arc<Held>>) -> Self {
        let shares = held.as_ref().and_then(|held| held.shares.clone());
        let sending = (!body.is_end_stream()).then(|| {
            let sending = Arc::new(Sending {
                connection,
                queue: Queue::default(),
                _held: held,
            });
            // HTTP/1.1 has no task for each answer, and needs none: an answer stalls with its connection.
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

    /// The next bytes of what is left.
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

    /// Notes that all of the answer was handed over.
    fn end(&self) {
        if let Some(sending) = &self.sending {
            sending.connection.is_whole.store(true, SeqCst);
        }
    }

    /// Waits until the parts of a stream have room.
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
        // hyper asks before the first frame alone.
        self.body.size_hint()
    }
}

/// Runs hyper's task of one HTTP/2 stream. Where the client takes nothing of the answer for `limit`, the task is dropped,
/// which resets the stream.
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
            // A part that is written wakes nobody, so the timer looks again.
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
