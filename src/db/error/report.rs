//! What the service has seen of troubles, for the log and for the health check.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{connect::ConnectError, trouble::Trouble};
use crate::error::Error;

/// Any error, as the log shows it.
pub(in crate::db) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// How often the log reports a trouble that lasts.
const LOG_AGAIN: Duration = Duration::from_secs(60);
/// How long after its last sign a trouble counts as present.
const RECENT: Duration = Duration::from_secs(10);

/// The troubles that were met. The log has each one once, and again every minute that it lasts.
#[derive(Debug, Default)]
pub(in crate::db) struct Reports {
    is_on: AtomicBool,
    seen: Mutex<HashMap<Trouble, Seen>>,
    /// Why the last connection could not be made.
    unreachable: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Seen {
    last: Instant,
    logged: Instant,
    /// How often it was met since it was logged.
    more: u64,
}

impl Reports {
    /// From this call on troubles are logged here and not at each failed call. Only services ask for it; a command reports at
    /// its end what went wrong.
    pub(in crate::db) fn turn_on(&self) {
        self.is_on.store(true, Relaxed);
    }

    /// The newest trouble of the last ten seconds.
    pub(in crate::db) fn recent(&self) -> Option<Trouble> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = seen.iter().filter(|(_, seen)| seen.last.elapsed() < RECENT);
        recent.max_by_key(|(_, seen)| seen.last).map(|(t, _)| *t)
    }

    /// Forgets a trouble that is known to be over, so that its return is logged.
    pub(in crate::db) fn forget(&self, trouble: Trouble) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.remove(&trouble);
    }

    /// UNAVAILABLE for a trouble, and a line in the log where one is due.
    pub(super) fn error(&self, trouble: Trouble, cause: impl Into<Cause>) -> Error {
        let error = Error::unavailable(trouble.sentence(), trouble.retry_after())
            .because(trouble.reason())
            .caused_by(cause);
        if !self.is_on.load(Relaxed) {
            return error;
        }
        if let Some(more) = self.note(trouble) {
            tracing::warn!(cause = error.internal_cause(), more, "{}", trouble.state());
        }
        error.logged()
    }

    /// How often it was met without being logged, if it is due in the log.
    fn note(&self, trouble: Trouble) -> Option<u64> {
        let now = Instant::now();
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seen) = all.get_mut(&trouble) else {
            let seen = Seen {
                last: now,
                logged: now,
                more: 0,
            };
            all.insert(trouble, seen);
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

    /// Why the last connection could not be made, in words without host, role or database; `None` if it was made.
    pub(in crate::db) fn unreachable(&self) -> Option<String> {
        self.why().clone()
    }

    fn why(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        let why = self.unreachable.lock();
        why.unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was made: troubles that forbid that are over, and their return is logged.
    pub(in crate::db) fn connected(&self) {
        if self.why().take().is_some() {
            for trouble in [Trouble::Away, Trouble::Restarting, Trouble::Refusing] {
                self.forget(trouble);
            }
        }
    }

    /// No address gave a connection.
    pub(in crate::db) fn connect_error(&self, error: ConnectError) -> Error {
        *self.why() = Some(error.summary());
        self.error(error.trouble(), error)
    }
}
