//! Limits the HTTP/2 control frames of a client.
//!
//! h2 limits the frames that cost memory, but reads any number of PRIORITY, WINDOW_UPDATE, PING, SETTINGS, RST_STREAM
//! and unknown frames, which cost processor time. [`Allowance`] counts them against the useful frames of the
//! connection, so that a client that acknowledges the frames of a long response never runs out.

use std::time::{Duration, Instant};

use super::frames::{CONTINUATION, DATA, HEADERS, Head};

/// A GOAWAY frame with the error ENHANCE_YOUR_CALM and the largest stream id (RFC 9113, section 6.8).
pub(super) const CALM_DOWN: [u8; 17] = [
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11,
];
/// The maximum number of control frames that a client may save up.
const MOST: u32 = 1_000;
/// Control frames granted for each frame of a request or response. Clients acknowledge a response frame with two or
/// three frames; some send one for each piece that they read.
const PER_FRAME: u32 = 16;
/// One control frame is granted per step of time, whatever the connection does.
/// So a client with nothing but control frames may send 100 a second, and 1,000 at once.
const STEP: Duration = Duration::from_millis(10);

/// The number of control frames that a client may still send.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    /// The time up to which frames have been granted for elapsed time.
    paid: Instant,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self {
            left: MOST,
            paid: Instant::now(),
        }
    }

    /// Grants frames for a frame of the server.
    pub(super) fn sent(&mut self, head: Head) {
        if matches!(head.kind, DATA | HEADERS) {
            self.earn(PER_FRAME);
        }
    }

    /// Accounts for a frame of the client; false if the allowance is used up.
    #[must_use]
    pub(super) fn received(&mut self, head: Head) -> bool {
        match head.kind {
            HEADERS => self.earn(PER_FRAME),
            DATA if head.length > 0 => self.earn(PER_FRAME),
            // h2 limits these itself.
            DATA | CONTINUATION => {}
            _ => return self.spend(),
        }
        true
    }

    fn earn(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(MOST);
    }

    fn spend(&mut self) -> bool {
        let steps = self.paid.elapsed().as_millis() / STEP.as_millis();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        // Granted when they are due and not when they are needed, so that no more than `MOST` are saved up.
        self.paid += STEP.saturating_mul(steps);
        self.earn(steps);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}
