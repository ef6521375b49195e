//! Outages: states of the database in which it does not work, or only in part.

use std::time::Duration;

use crate::error::ErrorReason;

/// Suggested delay before a caller repeats a call after a transient failure.
pub(in crate::db) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Suggested delay before a caller repeats a write that the database does not take. It is longer, because such a state
/// usually ends only when an operator acts.
const READ_ONLY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A state of the database in which it does not work, or only in part. The service cannot end it, so callers get
/// UNAVAILABLE with a delay, and the log names the state once a minute instead of once a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outage {
    /// It cannot be reached.
    Away,
    /// It is starting or stopping.
    Restarting,
    /// It refuses the role or its password, or the database does not exist.
    Refusing,
    /// It takes no writes: it is read-only, or a standby.
    ReadOnly,
    /// It has no connection left for the service's role.
    Connections,
    /// Its disk is full.
    DiskFull,
    /// It is out of memory.
    Memory,
    /// It lacks another resource.
    Resources,
}

impl Outage {
    /// The text for the operator, without host, role or values.
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

    /// Whether the service still answers reads.
    pub fn is_partial(self) -> bool {
        !matches!(self, Self::Away | Self::Restarting | Self::Refusing)
    }

    /// The text for a caller.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Away => "the database cannot be reached now",
            Self::Refusing => "the database does not accept the service's connection",
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

    /// The name of the error for programs.
    pub(super) fn reason(self) -> ErrorReason {
        match self {
            Self::Away | Self::Restarting | Self::Refusing => ErrorReason::DatabaseUnavailable,
            Self::ReadOnly | Self::DiskFull => ErrorReason::DatabaseReadOnly,
            Self::Connections | Self::Memory | Self::Resources => ErrorReason::DatabaseBusy,
        }
    }

    /// The delay suggested to the caller.
    pub(super) fn retry_after(self) -> Duration {
        match self {
            Self::ReadOnly | Self::DiskFull => READ_ONLY_RETRY_AFTER,
            _ => RETRY_AFTER,
        }
    }
}
