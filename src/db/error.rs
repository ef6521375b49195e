//! Classifies the errors of the database.
//!
//! Every failure of a statement, a COPY or a connection is classified here, by its SQLSTATE
//! (PostgreSQL, "Appendix A: PostgreSQL Error Codes") and the name of the constraint, never by its
//! text. The result is a [`DbError`] of one of five [`Kind`]s.
//!
//! A call site that expects an error, such as a task id that is taken, takes the [`DbError`] and
//! says what it means there. All others end with `?`, which turns it into the application's
//! [`Error`]: UNAVAILABLE, ABORTED or DEADLINE_EXCEEDED for what passes by itself, INTERNAL for a
//! defect. A conflict that no call site expects is a defect.

mod connect;
mod kind;
mod outage;
mod report;
mod wire;

use std::{fmt, sync::Arc};

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use tokio_postgres::error::SqlState;

use crate::error::{Error, ErrorKind, ErrorReason};

pub(super) use connect::{ConnectError, Failure};
pub(super) use kind::Kind;
use kind::{Retryable, Timeout};
pub use outage::Outage;
pub(super) use outage::RETRY_AFTER;
pub(super) use report::{Cause, Reports};
pub(super) use wire::{FirstError, Tapped, tapped};

/// A classified failure, with its cause for the log.
pub(super) struct DbError {
    kind: Kind,
    cause: Cause,
    reports: Arc<Reports>,
}

impl DbError {
    pub(super) fn new(kind: Kind, cause: impl Into<Cause>, reports: &Arc<Reports>) -> Self {
        Self {
            kind,
            cause: cause.into(),
            reports: Arc::clone(reports),
        }
    }

    /// The connection is closed, or does not answer.
    pub(super) fn away(cause: impl Into<Cause>, reports: &Arc<Reports>) -> Self {
        Self::new(Kind::Outage(Outage::Away), cause, reports)
    }

    /// A failure with a known SQLSTATE. Without one it is a defect.
    pub(super) fn of_code(
        code: Option<SqlState>,
        cause: impl Into<Cause>,
        reports: &Arc<Reports>,
    ) -> Self {
        let kind = code.map_or(Kind::Defect, |code| Kind::of(&code, None));
        Self::new(kind, cause, reports)
    }

    /// A failed statement, with the code that diesel drops. The error itself where nothing says
    /// what failed, the connection or the service.
    pub(super) fn of_statement(
        error: DieselError,
        code: Option<SqlState>,
        reports: &Arc<Reports>,
    ) -> Result<Self, DieselError> {
        let (kind, constraint) = match &error {
            DieselError::DatabaseError(kind, about) => (Some(kind), about.constraint_name()),
            _ => (None, None),
        };
        let (kind, cause): (_, Cause) = match (code, kind) {
            (Some(code), _) => (
                Kind::of(&code, constraint),
                Coded(error.into(), code).into(),
            ),
            (None, Some(DatabaseErrorKind::ReadOnlyTransaction)) => {
                (Kind::Outage(Outage::ReadOnly), error.into())
            }
            (None, Some(DatabaseErrorKind::SerializationFailure)) => {
                (Kind::Retryable(Retryable::Serialization), error.into())
            }
            _ => return Err(error),
        };
        Ok(Self::new(kind, cause, reports))
    }

    /// A failure of the driver, which runs COPY without diesel. `seen`: the code that the server sent, for errors that the
    /// driver loses.
    pub(super) fn of_driver(
        error: tokio_postgres::Error,
        seen: Option<SqlState>,
        reports: &Arc<Reports>,
    ) -> Self {
        let (kind, cause): (_, Cause) = match (error.code(), seen) {
            (Some(code), _) => {
                let constraint = error.as_db_error().and_then(|e| e.constraint());
                (Kind::of(code, constraint), error.into())
            }
            (None, Some(code)) => (Kind::of(&code, None), Coded(error.into(), code).into()),
            (None, None) if error.is_closed() || is_io(&error) => {
                (Kind::Outage(Outage::Away), error.into())
            }
            (None, None) => (Kind::Defect, error.into()),
        };
        Self::new(kind, cause, reports)
    }

    /// The state of the database that the failure shows, if any.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.kind.outage()
    }

    /// Whether the change violated this constraint.
    pub(super) fn is_conflict(&self, constraint: &str) -> bool {
        matches!(&self.kind, Kind::Conflict(name) if name == constraint)
    }

    /// Whether it is unknown what the server did, because the connection ended before the answer.
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(self.kind, Kind::Outage(Outage::Away | Outage::Restarting))
    }

    /// The cause, for the log.
    pub(super) fn into_cause(self) -> Cause {
        self.cause
    }
}

impl fmt::Debug for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbError")
            .field("kind", &self.kind)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// The meaning of the error if the call site expects none.
impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        let DbError {
            kind,
            cause,
            reports,
        } = error;
        let (kind, message) = match kind {
            Kind::Outage(outage) => return reports.error(outage, cause),
            Kind::Conflict(_) | Kind::Defect => return Self::internal(cause),
            Kind::Retryable(Retryable::Deadlock) => (
                ErrorKind::Aborted,
                "the call and another one waited for each other; nothing was changed, try again",
            ),
            Kind::Retryable(Retryable::Serialization) => (
                ErrorKind::Aborted,
                "another change came between; nothing was changed, try again",
            ),
            Kind::Timeout(Timeout::Lock) => (
                ErrorKind::DeadlineExceeded,
                "another change held a lock for longer than the database waits; nothing was changed, try again",
            ),
            Kind::Timeout(Timeout::Statement) => (
                ErrorKind::DeadlineExceeded,
                "the database ended the statement before it was done: it took too long, or an administrator cancelled it",
            ),
        };
        let error = Self::new(kind, message)
            .with_retry_after(RETRY_AFTER)
            .caused_by(cause);
        match kind {
            ErrorKind::Aborted => error.because(ErrorReason::DatabaseConflict),
            _ => error,
        }
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.is::<std::io::Error>())
}

/// An error of diesel or of the driver with the code that they drop.
#[derive(Debug)]
struct Coded(Cause, SqlState);

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.0, self.1.code())
    }
}

impl std::error::Error for Coded {}
