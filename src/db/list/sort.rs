//! The sorts of the count index.

use crate::domain::{fields::OrderBy, words::Word};

/// An order in which the count index knows how many tasks lie before a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    StartTime,
    TaskId,
    CreatedAt,
    EndTime,
}

impl Sort {
    /// The sort by a column of tasks, with ties by id; `None` if the count index has none.
    pub(super) fn by(column: &str) -> Option<Self> {
        let is = |by: OrderBy| by.word() == column;
        if is(OrderBy::StartTime) {
            Some(Self::StartTime)
        } else if is(OrderBy::TaskId) {
            Some(Self::TaskId)
        } else if is(OrderBy::CreatedAt) {
            Some(Self::CreatedAt)
        } else if is(OrderBy::EndTime) {
            Some(Self::EndTime)
        } else {
            None
        }
    }

    /// Its number in the functions of the count index.
    pub(super) fn number(self) -> &'static str {
        match self {
            Self::StartTime => "1::smallint",
            Self::TaskId => "2::smallint",
            Self::CreatedAt => "3::smallint",
            Self::EndTime => "4::smallint",
        }
    }

    /// Whether an index has the tasks of any status in this order. If not, they are merged.
    pub(super) fn has_index_of_all(self) -> bool {
        match self {
            Self::StartTime | Self::TaskId => true,
            Self::CreatedAt | Self::EndTime => false,
        }
    }

    /// Whether a tenant can be without this sort: after a migration from a version that did not have it, until the
    /// tenant's next compaction.
    pub(super) fn can_be_absent(self) -> bool {
        match self {
            Self::StartTime | Self::TaskId => false,
            Self::CreatedAt | Self::EndTime => true,
        }
    }
}
