//! States of the database in which it does not serve, or not everything.

use std::time::Duration;

use crate::error::ErrorReason;

/// When a caller may repeat a call that failed by accident.
pub(in crate::db) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// When a caller may repeat what such a state forbids.
const TROUBLE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A state of the database in which it does not serve, or not everything. It ends without the service's doing.
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
    /// The state in words for the operator, without host, role or value.
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

    /// The state in words for a caller.
    pub(super) fn sentence(self) -> &'static str {
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

    pub(super) fn reason(self) -> ErrorReason {
        match self {
            Self::Away | Self::Restarting | Self::Refusing => ErrorReason::DatabaseUnavailable,
            Self::ReadOnly | Self::DiskFull => ErrorReason::DatabaseReadOnly,
            Self::Connections | Self::Memory | Self::Resources => ErrorReason::DatabaseBusy,
        }
    }

    pub(super) fn retry_after(self) -> Duration {
        match self {
            Self::ReadOnly | Self::DiskFull => TROUBLE_RETRY_AFTER,
            _ => RETRY_AFTER,
        }
    }
}
