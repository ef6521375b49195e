//! The kinds of failures, by SQLSTATE.

use tokio_postgres::error::SqlState;

use super::outage::Outage;

/// The kind of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::db) enum Kind {
    /// A state of the database that lasts until someone ends it: unavailable, read-only, full and the like.
    Outage(Outage),
    /// The change violated the constraint with this name.
    Conflict(String),
    /// A conflict with another transaction. PostgreSQL rolled this one back, and it may be repeated.
    Retryable(Retryable),
    /// A time limit passed.
    Timeout(Timeout),
    /// A defect of the service or of its data. Repeating the call does not help.
    Defect,
}

/// The kind of a conflict with another transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) enum Retryable {
    /// Both transactions waited for each other, and PostgreSQL ended this one.
    Deadlock,
    /// The other transaction changed rows that this one had read.
    Serialization,
}

/// The time limit that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) enum Timeout {
    /// `lock_timeout`.
    Lock,
    /// `statement_timeout`. An administrator's cancel request has the same code.
    Statement,
}

impl Kind {
    /// The meaning of an SQLSTATE, and of the constraint in the same error.
    pub(in crate::db) fn of(code: &SqlState, constraint: Option<&str>) -> Self {
        let outage = match code.code() {
            "40P01" => return Self::Retryable(Retryable::Deadlock),
            "55P03" => return Self::Timeout(Timeout::Lock),
            "57014" => return Self::Timeout(Timeout::Statement),
            "25006" => Outage::ReadOnly,
            // A function of the write-ahead log on a standby. No other statement here depends on a
            // state that can be missing.
            "55000" => Outage::ReadOnly,
            // Idle for too long, in a transaction or not: the server closed the connection.
            "25P03" | "57P05" => Outage::Away,
            // A prepared statement that the session does not know: a pooler gave it another backend.
            "26000" => Outage::Away,
            "53100" => Outage::DiskFull,
            "53200" => Outage::Memory,
            "53300" => Outage::Connections,
            "57P04" | "3D000" => Outage::Refusing,
            other => match other.get(..2).unwrap_or_default() {
                "08" => Outage::Away,
                "23" => match constraint {
                    Some(name) => return Self::Conflict(name.to_owned()),
                    None => return Self::Defect,
                },
                "28" => Outage::Refusing,
                "40" => return Self::Retryable(Retryable::Serialization),
                "53" => Outage::Resources,
                "57" => Outage::Restarting,
                _ => return Self::Defect,
            },
        };
        Self::Outage(outage)
    }

    /// The state of the database that the failure shows, if any.
    pub(in crate::db) fn outage(&self) -> Option<Outage> {
        match self {
            Self::Outage(outage) => Some(*outage),
            _ => None,
        }
    }
}
