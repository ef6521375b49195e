//! What an error of the database means, for callers and for the operator.
//!
//! A code of PostgreSQL ("Appendix A: PostgreSQL Error Codes") is either a [`Trouble`], a state of the database that
//! lasts and ends without the service; or an accident of one call, which may be made again; or a defect of the
//! service, which is INTERNAL. Call sites that await a certain error, as a taken id, look for it first.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::SimpleAsyncConnection;
use tokio_postgres::error::SqlState;

use super::{
    connect_error::ConnectError,
    session::{Connection, Rest},
};
use crate::error::{Error, ErrorKind, ErrorReason, Result};

/// When a caller may try again what failed by accident.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// When a caller may try again what a state of the database forbids.
const TROUBLE_RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often the log tells of a trouble that lasts.
const LOG_AGAIN: Duration = Duration::from_secs(60);
/// How long after its last sign a trouble is reported.
const RECENT: Duration = Duration::from_secs(10);

/// A state of the database in which it does not serve, or not everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It cannot be reached.
    Away,
    /// It starts or stops.
    Restarting,
    /// It refuses the role, its password, or the database's name.
    Refusing,
    /// It takes no writes: read-only, or a standby.
    ReadOnly,
    /// It has no connection left for the service's role.
    Connections,
    /// Its disk is full.
    DiskFull,
    /// It is out of memory.
    Memory,
    /// It is short of something else.
    Resources,
}

impl Trouble {
    /// What a refused connection means.
    pub(super) fn of_refusal(code: &SqlState) -> Self {
        match meaning(code) {
            Meaning::Trouble(trouble) => trouble,
            _ => Self::Refusing,
        }
    }

    /// The state, for the operator; names no host, role or value.
    pub fn state(self) -> &'static str {
        match self {
            Self::Away => "the database cannot be reached",
            Self::Restarting => "the database is starting or stopping",
            Self::Refusing => "the database refuses the service's role or names no such database",
            Self::ReadOnly => "read-only: the database takes no writes",
            Self::Connections => "the database has no connection left for the service",
            Self::DiskFull => "the database's disk is full",
            Self::Memory => "the database is out of memory",
            Self::Resources => "the database is short of resources",
        }
    }

    /// Whether the service answers reads all the same.
    pub fn is_partial(self) -> bool {
        !matches!(self, Self::Away | Self::Restarting | Self::Refusing)
    }

    /// What a caller reads.
    fn sentence(self) -> &'static str {
        match self {
            Self::Away | Self::Refusing => "the database cannot be reached now",
            Self::Restarting => "the database is starting or stopping",
            Self::ReadOnly => {
                "the database takes no writes now; lists and other reads are answered"
            }
            Self::Connections => "the database has no connection left for the service now",
            Self::DiskFull => "the database's disk is full; it takes no writes now",
            Self::Memory => "the database is out of memory now",
            Self::Resources => "the database is short of resources now",
        }
    }

    fn reason(self) -> ErrorReason {
        match self {
            Self::Away | Self::Restarting | Self::Refusing => ErrorReason::DatabaseUnavailable,
            Self::ReadOnly | Self::DiskFull => ErrorReason::DatabaseReadOnly,
            Self::Connections | Self::Memory | Self::Resources => ErrorReason::DatabaseBusy,
        }
    }

    fn retry_after(self) -> Duration {
        match self {
            Self::ReadOnly | Self::DiskFull => TROUBLE_RETRY_AFTER,
            _ => RETRY_AFTER,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Trouble(Trouble),
    Deadlock,
    Serialization,
    LockTimeout,
    Cancelled,
    Defect,
}

fn meaning(code: &SqlState) -> Meaning {
    use Meaning::{Cancelled, Deadlock, Defect, LockTimeout, Serialization};
    let trouble = match code.code() {
        "40P01" => return Deadlock,
        "55P03" => return LockTimeout,
        "57014" => return Cancelled,
        "25006" => Trouble::ReadOnly,
        // A function of the write-ahead log on a standby. Nothing else here needs a state that can be missing.
        "55000" => Trouble::ReadOnly,
        // Idle for too long, in a transaction or not: the connection is closed.
        "25P03" | "57P05" => Trouble::Away,
        "53100" => Trouble::DiskFull,
        "53200" => Trouble::Memory,
        "53300" => Trouble::Connections,
        "57P04" | "3D000" => Trouble::Refusing,
        other => match other.get(..2).unwrap_or_default() {
            "08" => Trouble::Away,
            "28" => Trouble::Refusing,
            "40" => return Serialization,
            "53" => Trouble::Resources,
            "57" => Trouble::Restarting,
            _ => return Defect,
        },
    };
    Meaning::Trouble(trouble)
}

/// What the service has seen of troubles: told to the operator once, and again each minute that they last.
#[derive(Debug, Default)]
pub(super) struct Reports {
    is_on: AtomicBool,
    seen: Mutex<HashMap<Trouble, Seen>>,
    /// Why the last connection could not be made.
    unreachable: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Seen {
    last: Instant,
    logged: Instant,
    /// How often since it was logged.
    more: u64,
}

impl Reports {
    /// From now on troubles are logged here and not at each call. A command says what went wrong at its end.
    pub(super) fn turn_on(&self) {
        self.is_on.store(true, Relaxed);
    }

    /// The newest trouble of the last seconds.
    pub(super) fn recent(&self) -> Option<Trouble> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = seen.iter().filter(|(_, seen)| seen.last.elapsed() < RECENT);
        recent.max_by_key(|(_, seen)| seen.last).map(|(t, _)| *t)
    }

    /// Forgets a trouble that is known to be over, so that its return is logged.
    pub(super) fn forget(&self, trouble: Trouble) {
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

    /// How often it was seen without being logged, if it is to be logged.
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

    /// Why the last connection could not be made, in words that name no host, role or database.
    pub(super) fn unreachable(&self) -> Option<String> {
        self.why().clone()
    }

    fn why(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        let why = self.unreachable.lock();
        why.unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was made. Troubles that forbid that are over, and their return is logged.
    pub(super) fn connected(&self) {
        if self.why().take().is_some() {
            for trouble in [Trouble::Away, Trouble::Restarting, Trouble::Refusing] {
                self.forget(trouble);
            }
        }
    }

    /// No address gave a connection.
    pub(super) fn connect_error(&self, error: ConnectError) -> Error {
        *self.why() = Some(error.summary());
        self.error(error.trouble(), error)
    }

    fn of_meaning(&self, meaning: Meaning, cause: impl Into<Cause>) -> Error {
        let (kind, message) = match meaning {
            Meaning::Trouble(trouble) => return self.error(trouble, cause),
            Meaning::Defect => return Error::internal(cause),
            Meaning::Deadlock => (
                ErrorKind::Aborted,
                "the call and another one waited for each other; nothing was changed, try again",
            ),
            Meaning::Serialization => (
                ErrorKind::Aborted,
                "another change came between; nothing was changed, try again",
            ),
            Meaning::LockTimeout => (
                ErrorKind::DeadlineExceeded,
                "another change held the tasks for longer than the database waits; nothing was changed, try again",
            ),
            Meaning::Cancelled => (
                ErrorKind::DeadlineExceeded,
                "the database ended the statement before it was done: it took too long, or an administrator cancelled it",
            ),
        };
        let error = Error::new(kind, message)
            .with_retry_after(RETRY_AFTER)
            .caused_by(cause);
        match kind {
            ErrorKind::Aborted => error.because(ErrorReason::DatabaseConflict),
            _ => error,
        }
    }

    /// What an error of the driver means.
    pub(super) fn driver_error(&self, error: tokio_postgres::Error) -> Error {
        match error.code() {
            Some(code) => {
                let meaning = meaning(code);
                self.of_meaning(meaning, error)
            }
            None if error.is_closed() || is_io(&error) => self.error(Trouble::Away, error),
            None => Error::internal(error),
        }
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn is_io(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.is::<std::io::Error>())
}

/// An error of diesel with the code that it lacks.
#[derive(Debug)]
struct Coded(DieselError, SqlState);

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.0, self.1.code())
    }
}

impl std::error::Error for Coded {}

/// What a failed statement means. The connection notes the trouble, if it is one.
pub(super) async fn classify(connection: &mut Connection, error: DieselError) -> Error {
    let kind = match &error {
        DieselError::DatabaseError(kind, _) => Some(kind),
        _ => None,
    };
    let (meaning, cause): (_, Cause) = match (connection.errors.take(), kind) {
        (Some(code), _) => (meaning(&code), Coded(error, code).into()),
        (None, Some(DatabaseErrorKind::ReadOnlyTransaction)) => {
            (Meaning::Trouble(Trouble::ReadOnly), error.into())
        }
        (None, Some(DatabaseErrorKind::SerializationFailure)) => {
            (Meaning::Serialization, error.into())
        }
        // Without a code it is the connection that failed, or the service; the first shows in the connection's state.
        _ => match connection.batch_execute("").await {
            Ok(()) => (Meaning::Defect, error.into()),
            Err(_) => (Meaning::Trouble(Trouble::Away), error.into()),
        },
    };
    connection.trouble = match meaning {
        Meaning::Trouble(trouble) => Some(trouble),
        _ => None,
    };
    connection.reports.of_meaning(meaning, cause)
}

impl Rest {
    /// What an error of work on diesel's part means.
    pub(super) fn error(&self, error: impl Into<Cause>) -> Error {
        match self.errors.take() {
            Some(code) => self.reports.of_meaning(meaning(&code), error),
            None => Error::internal(error),
        }
    }
}

/// The same for work that is done.
pub(super) async fn classified<T>(
    connection: &mut Connection,
    done: diesel::QueryResult<T>,
) -> Result<T> {
    match done {
        Ok(value) => Ok(value),
        Err(error) => Err(classify(connection, error).await),
    }
}
