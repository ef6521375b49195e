//! The worker that measures the clock skew: how far this machine's clock is off from PostgreSQL's.
//!
//! The service itself uses PostgreSQL's clock (see `db::clock`). Its logs and request ids use this machine's.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use crate::app::App;

/// How often the skew is measured.
/// Clocks drift by milliseconds in this time; a larger skew comes from somebody who sets the clock.
const INTERVAL: Duration = Duration::from_secs(10);
/// The log warns of a larger skew, in seconds.
/// Below it, log lines and the times of tasks can still be put in order.
const MOST_SKEW: f64 = 2.0;

impl App {
    /// Measures the skew until the future is dropped. While the database is unavailable the last value stays.
    pub async fn run_clock(self: Arc<Self>) {
        let mut is_warned = false;
        loop {
            match self.db.clock_skew().await {
                Ok(seconds) => is_warned = self.note_skew(seconds, is_warned),
                Err(error) => {
                    let cause = error.internal_cause();
                    tracing::debug!(cause, "the clock skew was not measured: {error}");
                }
            }
            sleep(INTERVAL).await;
        }
    }

    /// Stores the skew, and logs when it passes the limit in either direction. Returns whether a warning is in force.
    fn note_skew(&self, seconds: f64, is_warned: bool) -> bool {
        *self.skew.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seconds);
        let is_off = seconds.abs() > MOST_SKEW;
        if is_off && !is_warned {
            tracing::warn!(
                skew.seconds = seconds,
                "this machine's clock is {:.1} s {} PostgreSQL's; tasks, keys and retention use PostgreSQL's clock, \
                         logs use this machine's",
                seconds.abs(),
                if seconds > 0.0 { "ahead of" } else { "behind" }
            );
        } else if is_warned && !is_off {
            tracing::info!(
                skew.seconds = seconds,
                "this machine's clock agrees with PostgreSQL's again"
            );
        }
        is_off
    }

    /// How many seconds this machine's clock is ahead of PostgreSQL's; negative if it is behind, `None` before the
    /// first measurement.
    pub fn clock_skew(&self) -> Option<f64> {
        *self.skew.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
