//! Records the outages that the service meets, for the log and for the health check.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{connect::ConnectError, outage::Outage};
use crate::error::Error;

/// Any error, as the log shows it.
pub(in crate::db) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Interval between two log lines about an outage that lasts.
const LOG_AGAIN: Duration = Duration::from_secs(60);
/// An outage counts as present for this time after it was last met.
const RECENT: Duration = Duration::from_secs(10);

/// The outages that were met. Each is logged once, and then every minute while it lasts.
#[derive(Debug, Default)]
pub(in crate::db) struct Reports {
    is_on: AtomicBool,
    seen: Mutex<HashMap<Outage, Seen>>,
    /// Why the last connection could not be made.
    unreachable: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Seen {
    last: Instant,
    logged: Instant,
    /// Number of times that it was met since it was last logged.
    more: u64,
}

impl Reports {
    /// From now on, outages are logged here instead of at each failed call. Only services use this; a command reports
    /// its error when it ends.
    pub(in crate::db) fn turn_on(&self) {
        self.is_on.store(true, Relaxed);
    }

    /// The newest outage of the last ten seconds.
    pub(in crate::db) fn recent(&self) -> Option<Outage> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = seen.iter().filter(|(_, seen)| seen.last.elapsed() < RECENT);
        recent.max_by_key(|(_, seen)| seen.last).map(|(t, _)| *t)
    }

    /// Forgets an outage that is known to be over, so that it is logged when it comes back.
    pub(in crate::db) fn forget(&self, outage: Outage) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&outage);
    }

    /// UNAVAILABLE for an outage. Also logs the outage if that is due.
    pub(super) fn error(&self, outage: Outage, cause: impl Into<Cause>) -> Error {
        let error = Error::unavailable(outage.sentence(), outage.retry_after())
            .because(outage.reason())
            .caused_by(cause);
        if !self.is_on.load(Relaxed) {
            return error;
        }
        if let Some(more) = self.note(outage) {
            tracing::warn!(cause = error.internal_cause(), more, "{}", outage.state());
        }
        error.logged()
    }

    /// If a log line is due: the number of times that the outage was met since the last one.
    fn note(&self, outage: Outage) -> Option<u64> {
        let now = Instant::now();
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = all.get_mut(&outage) else {
            let seen = Seen {
                last: now,
                logged: now,
                more: 0,
            };
            all.insert(outage, seen);
            return Some(0);
        };
        seen.last = now;
        if seen.logged.elapsed() < LOG_AGAIN {
            seen.more += 1;
            return None;
        }
        seen.logged = now;
        Some(std::mem::take(&mut seen.more))
    }

    /// Why the last attempt to connect failed, without host, role or database; `None` if it succeeded.
    pub(in crate::db) fn unreachable(&self) -> Option<String> {
        self.why().clone()
    }

    fn why(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        let why = self.unreachable.lock();
        why.unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a connection: outages that prevent connections are over, and are logged when they come back.
    pub(in crate::db) fn connected(&self) {
        if self.why().take().is_some() {
            for outage in [Outage::Away, Outage::Restarting, Outage::Refusing] {
                self.forget(outage);
            }
        }
    }

    /// Records that no address accepted a connection.
    pub(in crate::db) fn connect_error(&self, error: ConnectError) -> Error {
        *self.why() = Some(error.summary());
        self.error(error.outage(), error)
    }
}
