//! Why no connection could be made, for the log and for the operator.

use std::{error::Error as StdError, fmt, io, time::Duration};

use tokio_postgres::error::SqlState;

use super::{kind::Kind, outage::Outage};
use crate::db::{address::Address, tls::TlsFailure};

/// The failure of each address that was tried.
#[derive(Debug, Default)]
pub(in crate::db) struct ConnectError(Vec<(String, Failure)>);

/// Why the connection to one address failed.
#[derive(Debug)]
pub(in crate::db) enum Failure {
    TimedOut(Duration),
    /// The session began, but no statement was answered in time. True if a connection pooler answered others there.
    Silent(Duration, bool),
    Io(io::Error),
    /// The password file cannot be read.
    Password(io::Error),
    Postgres(tokio_postgres::Error),
    Tls(TlsFailure),
    Setup(diesel::ConnectionError, Option<SqlState>),
    /// A connection pooler gives each transaction another backend.
    TransactionMode,
    /// A connection pooler refuses the options of the URL, which are not settings alone.
    Options,
    /// session_replication_role is `replica`, so triggers do not run. Only a superuser can set it, so the service cannot set it
    /// back.
    WithoutTriggers,
    /// The session does not meet target_session_attrs; true if a writable one was required.
    Unfit(bool),
}

impl ConnectError {
    pub(in crate::db) fn of(address: Address, failure: Failure) -> Self {
        Self(vec![(address.to_string(), failure)])
    }

    pub(in crate::db) fn push(&mut self, address: String, failure: Failure) {
        self.0.push((address, failure));
    }

    /// Whether no address has failed so far.
    pub(in crate::db) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The state of the database that the failures show. The answer of a server takes precedence over a missing one.
    pub(in crate::db) fn outage(&self) -> Outage {
        let mut answers = self.0.iter().filter_map(|(_, failure)| match failure {
            Failure::Postgres(error) if lacks_password(error) => Some(Outage::Refusing),
            Failure::Postgres(error) => error.code().map(of_refusal),
            Failure::Setup(_, code) => code.as_ref().map(of_refusal),
            Failure::Unfit(true) => Some(Outage::ReadOnly),
            _ => None,
        });
        answers.next_back().unwrap_or(Outage::Away)
    }

    /// Whether a connection pooler has no connection left. It lets the session wait instead of refusing it.
    pub(in crate::db) fn is_pooler_full(&self) -> bool {
        matches!(self.0.last(), Some((_, Failure::Silent(_, true))))
    }

    /// The last failure as text, without host, role or database.
    pub(in crate::db) fn summary(&self) -> String {
        match self.0.last() {
            None => "the URL names no host".to_owned(),
            Some((_, failure)) => {
                let state = self.outage().state();
                // `/readyz` shows this text without a key, so it names no host and no role.
                match failure {
                    Failure::Io(error) | Failure::Password(error) => {
                        format!("{state}: {}", error.kind())
                    }
                    Failure::Tls(failure) => format!("{state}: {}", failure.summary()),
                    Failure::TimedOut(_)
                    | Failure::Silent(..)
                    | Failure::TransactionMode
                    | Failure::Options
                    | Failure::WithoutTriggers
                    | Failure::Unfit(_) => format!("{state}: {failure}"),
                    _ => match failure.code() {
                        Some(code) => format!("{state} (SQLSTATE {})", code.code()),
                        None => format!("{state}: the connection broke off"),
                    },
                }
            }
        }
    }
}

/// Whether the server asked for a password that nobody has set. The driver has no name for it.
fn lacks_password(error: &tokio_postgres::Error) -> bool {
    error
        .source()
        .is_some_and(|why| why.to_string() == "password missing")
}

/// The meaning of the SQLSTATE of a refused connection.
fn of_refusal(code: &SqlState) -> Outage {
    let kind = Kind::of(code, None);
    kind.outage().unwrap_or(Outage::Refusing)
}

impl Failure {
    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Setup(_, code) => code.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => {
                write!(f, "no answer within {}", humantime::format_duration(*limit))
            }
            Self::Silent(limit, is_pooled) => {
                let limit = humantime::format_duration(*limit);
                write!(f, "the session began, but no statement was answered within {limit}")?;
                match is_pooled {
                    true => f.write_str(
                        ": the connection pooler before the database has no connection left; raise its default_pool_size",
                    ),
                    false => Ok(()),
                }
            }
            Self::Io(error) => fmt::Display::fmt(error, f),
            Self::Password(error) => write!(f, "the password file cannot be read: {error}"),
            Self::Postgres(error) if lacks_password(error) => {
                f.write_str("it asks for a password, and none is set (PGPASSWORD, PGPASSFILE)")
            }
            // The driver's own text is only "db error".
            Self::Postgres(error) => match error.source() {
                Some(source) => fmt::Display::fmt(source, f),
                None => fmt::Display::fmt(error, f),
            },
            Self::Tls(failure) => fmt::Display::fmt(failure, f),
            Self::Setup(error, _) => fmt::Display::fmt(error, f),
            Self::TransactionMode => f.write_str(
                "a connection pooler in transaction mode is before the database, and the service needs sessions; set \
                pool_mode=session for it, or connect to PostgreSQL itself",
            ),
            Self::Options => f.write_str(
                "a connection pooler refuses the options of the URL; only settings, as options=-csearch_path=x, can be \
                sent in another way",
            ),
            Self::WithoutTriggers => f.write_str(
                "session_replication_role is replica for this role, database or server, so counts and logs would not follow \
                changes; a superuser resets it, as with ALTER ROLE … RESET session_replication_role",
            ),
            Self::Unfit(true) => {
                f.write_str("it takes no writes, which target_session_attrs asks for")
            }
            Self::Unfit(false) => {
                f.write_str("it takes writes, which target_session_attrs excludes")
            }
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (address, failure)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{address}: {failure}")?;
        }
        Ok(())
    }
}

impl StdError for ConnectError {}
