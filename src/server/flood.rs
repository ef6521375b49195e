//! How many frames a client of HTTP/2 may send that ask for nothing.
//!
//! h2 bounds the frames that cost memory, but reads any number of PRIORITY, WINDOW_UPDATE, PING, SETTINGS, RST_STREAM and
//! unknown frames, each of which costs processor time. [`Allowance`] counts them against what the connection achieves, so
//! that a client that acknowledges the parts of a long answer is never short of them.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::frames::{CONTINUATION, DATA, HEADERS, Head};

/// GOAWAY with ENHANCE_YOUR_CALM; the stream's number is the largest there is.
pub(super) const CALM_DOWN: [u8; 17] = [
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11,
];
/// Most control frames that a client may have in hand.
const MOST: u32 = 1_000;
/// How many it gets for each frame of a request or of an answer. A client acknowledges an answer's frame with two or
/// three, some with one for every piece of it that they read.
const PER_FRAME: u32 = 16;
/// How often it gets one more, whatever the connection does.
const STEP: Duration = Duration::from_millis(10);

/// How often the log says that a client floods the service.
const LOG_STEP: Duration = Duration::from_secs(60);

/// How many control frames a client may still send.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    /// Up to when the time gone by is paid out.
    paid: Instant,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self {
            left: MOST,
            paid: Instant::now(),
        }
    }

    /// Notes a frame of the server.
    pub(super) fn sent(&mut self, head: Head) {
        if matches!(head.kind, DATA | HEADERS) {
            self.earn(PER_FRAME);
        }
    }

    /// Notes a frame of the client; false where it is one too many.
    #[must_use]
    pub(super) fn received(&mut self, head: Head) -> bool {
        match head.kind {
            HEADERS => self.earn(PER_FRAME),
            DATA if head.length > 0 => self.earn(PER_FRAME),
            // h2 counts these.
            DATA | CONTINUATION => {}
            _ => return self.spend(),
        }
        true
    }

    fn earn(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(MOST);
    }

    fn spend(&mut self) -> bool {
        if self.left == 0 {
            let steps = self.paid.elapsed().as_millis() / STEP.as_millis();
            self.paid = Instant::now();
            self.earn(u32::try_from(steps).unwrap_or(MOST));
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// Says that a client floods the service, and does not flood the log with it.
#[derive(Debug, Default)]
pub(super) struct FloodLog(Mutex<Option<Instant>>);

impl FloodLog {
    /// Notes a connection that was closed for it.
    pub(super) fn note(&self) {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|at| at.elapsed() >= LOG_STEP) {
            *logged = Some(Instant::now());
            tracing::warn!(
                "a connection was closed because its client sent too many HTTP/2 control frames; the metric \
                 control_frame_floods counts them, and the log repeats this at most once a minute"
            );
        }
    }
}
