//! Why PostgreSQL gave no connection, for the log and for the operator.

use std::{error::Error as StdError, fmt, io, time::Duration};

use tokio_postgres::error::SqlState;

use super::{kind::Kind, trouble::Trouble};
use crate::db::address::Address;

/// Why no address gave a connection: each that was tried, and what came of it.
#[derive(Debug, Default)]
pub(in crate::db) struct ConnectError(Vec<(String, Failure)>);

/// What came of one address.
#[derive(Debug)]
pub(in crate::db) enum Failure {
    TimedOut(Duration),
    Io(io::Error),
    Postgres(tokio_postgres::Error),
    Setup(diesel::ConnectionError, Option<SqlState>),
    /// The server's session is not as target_session_attrs wants it; whether it should take writes.
    Unfit(bool),
}

impl ConnectError {
    pub(in crate::db) fn of(address: Address, failure: Failure) -> Self {
        Self(vec![(address.to_string(), failure)])
    }

    pub(in crate::db) fn push(&mut self, place: String, failure: Failure) {
        self.0.push((place, failure));
    }

    /// Whether nothing was tried in vain so far.
    pub(in crate::db) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What state of the database it shows: what a server that answered said counts for more than silence.
    pub(in crate::db) fn trouble(&self) -> Trouble {
        let mut answers = self.0.iter().filter_map(|(_, failure)| match failure {
            Failure::Postgres(error) => error.code().map(of_refusal),
            Failure::Setup(_, code) => code.as_ref().map(of_refusal),
            Failure::Unfit(true) => Some(Trouble::ReadOnly),
            _ => None,
        });
        answers.next_back().unwrap_or(Trouble::Away)
    }

    /// The last reason in words that name no host, role or database.
    pub(in crate::db) fn summary(&self) -> String {
        match self.0.last() {
            None => "the URL names no host".to_owned(),
            Some((_, failure)) => {
                let state = self.trouble().state();
                match failure {
                    Failure::Io(error) => format!("{state}: {}", error.kind()),
                    Failure::TimedOut(_) | Failure::Unfit(_) => format!("{state}: {failure}"),
                    _ => match failure.code() {
                        Some(code) => format!("{state} (SQLSTATE {})", code.code()),
                        None => format!("{state}: the connection broke off"),
                    },
                }
            }
        }
    }
}

/// What the code of a refused connection means.
fn of_refusal(code: &SqlState) -> Trouble {
    let kind = Kind::of(code, None);
    kind.trouble().unwrap_or(Trouble::Refusing)
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
            Self::Io(error) => fmt::Display::fmt(error, f),
            // The driver's own text says no more than "db error".
            Self::Postgres(error) => match error.source() {
                Some(source) => fmt::Display::fmt(source, f),
                None => fmt::Display::fmt(error, f),
            },
            Self::Setup(error, _) => fmt::Display::fmt(error, f),
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
        for (i, (place, failure)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{place}: {failure}")?;
        }
        Ok(())
    }
}

impl StdError for ConnectError {}
