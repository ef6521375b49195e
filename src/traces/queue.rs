//! The spans that wait to be sent, and the task that sends them.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{BatchLimits, otlp::Exporter};

/// What became of spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The collector has taken them.
    Sent,
    /// They were not sent: too many waited, or the collector took none.
    Lost,
}

/// Learns what became of so many spans.
pub type Count = Arc<dyn Fn(Outcome, usize) + Send + Sync>;

/// The spans that wait to be sent. A call adds its spans without waiting: a span that finds no room is lost.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    spans: Mutex<Vec<SpanData>>,
    limits: BatchLimits,
    /// Wakes the task once there are enough spans for a request.
    is_batch: Arc<Notify>,
    /// Asks the task to send everything. The task ends when this is dropped.
    flushes: mpsc::UnboundedSender<oneshot::Sender<()>>,
    count: Count,
    /// The number of spans in the request that is under way.
    under_way: AtomicUsize,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

impl Queue {
    /// Starts the task.
    pub(super) fn start(exporter: Exporter, limits: BatchLimits, count: Count) -> Self {
        let (flushes, requests) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            spans: Mutex::default(),
            limits,
            is_batch: Arc::default(),
            flushes,
            count,
            under_way: AtomicUsize::new(0),
        });
        let sender = Sender {
            exporter,
            is_failing: false,
        };
        tokio::spawn(sender.run(
            Arc::clone(&shared.is_batch),
            Arc::downgrade(&shared),
            requests,
        ));
        Self(shared)
    }

    /// Sends the spans that wait, for at most `limit`.
    pub(super) async fn flush(&self, limit: Duration) {
        let (done, is_done) = oneshot::channel();
        if self.0.flushes.send(done).is_ok() && timeout(limit, is_done).await.is_err() {
            let lost = self.0.give_up();
            self.0.count(Outcome::Lost, lost);
            tracing::warn!(lost, "spans were not sent before the end of the program");
        }
    }
}

impl Shared {
    fn spans(&self) -> MutexGuard<'_, Vec<SpanData>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, outcome: Outcome, spans: usize) {
        if spans > 0 {
            (self.count)(outcome, spans);
        }
    }

    /// The next spans to send, which are under way from here on.
    fn take(&self) -> Vec<SpanData> {
        let mut spans = self.spans();
        let most = self.limits.batch.min(spans.len());
        self.under_way.store(most, Ordering::Relaxed);
        spans.drain(..most).collect()
    }

    /// Drops all spans. Returns how many they were, with those under way. The lock keeps `take` from moving some meanwhile.
    fn give_up(&self) -> usize {
        let mut spans = self.spans();
        mem::take(&mut *spans).len() + self.under_way.swap(0, Ordering::Relaxed)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let Shared { limits, .. } = &*self.0;
        let mut spans = self.0.spans();
        if spans.len() >= limits.queue {
            drop(spans);
            self.0.count(Outcome::Lost, 1);
            return;
        }
        spans.push(span);
        let is_batch = spans.len() >= limits.batch;
        drop(spans);
        if is_batch {
            self.0.is_batch.notify_one();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(()) // `flush` does it
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(()) // the task ends with the queue
    }
}

/// Sends spans. It is one task, so that at most one request is under way.
struct Sender {
    exporter: Exporter,
    /// Whether the last batch was lost, so that an outage of the collector is logged once and not for each batch.
    is_failing: bool,
}

impl Sender {
    async fn run(
        mut self,
        is_batch: Arc<Notify>,
        shared: Weak<Shared>,
        mut flushes: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    ) {
        let Some(delay) = shared.upgrade().map(|shared| shared.limits.delay) else {
            return;
        };
        let mut ticks = interval(delay);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let flush = tokio::select! {
                () = is_batch.notified() => None,
                _ = ticks.tick() => None,
                flush = flushes.recv() => flush,
            };
            // Upgraded for this round only: the task must not keep the queue.
            let Some(shared) = shared.upgrade() else {
                return;
            };
            loop {
                let batch = shared.take();
                if batch.is_empty() {
                    break;
                }
                self.send(batch, &shared).await;
            }
            if let Some(done) = flush {
                // The receiver may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>, shared: &Shared) {
        let spans = batch.len();
        let sent = timeout(shared.limits.timeout, self.exporter.send(batch)).await;
        if shared.under_way.swap(0, Ordering::Relaxed) == 0 {
            return; // The flush has given them up and counted them.
        }
        let failure = match sent {
            Ok(Ok(rejected)) => {
                shared.count(Outcome::Sent, spans.saturating_sub(rejected));
                shared.count(Outcome::Lost, rejected);
                if mem::take(&mut self.is_failing) {
                    tracing::info!("the collector takes spans again");
                }
                return;
            }
            Ok(Err(failure)) => failure,
            Err(_) => "no answer in time".to_owned(),
        };
        shared.count(Outcome::Lost, spans);
        if !mem::replace(&mut self.is_failing, true) {
            tracing::warn!(
                collector = self.exporter.endpoint(),
                cause = failure,
                "spans are lost because the collector does not take them; the metric trace_spans_lost counts them"
            );
        }
    }
}
