//! How the page of a list is found; the module `list` says when and why.

use super::{
    matching::Matching,
    range::{ColumnRange, Range},
    selective::Selective,
    wanted::{Statuses, Wanted},
};
use crate::domain::filter::{OrderBy, TaskOrder};

/// A page is sought by the counts when this many tasks lie before it. A scan to a nearer one is faster.
const SEEK_FROM: i64 = 256;

/// How a page is found, with what that needs of the filter.
#[derive(Debug)]
pub(super) enum Strategy<'a> {
    /// Read one index, which has the list in its order.
    Scan {
        /// The only status; `None` for tasks of any.
        status: Option<i16>,
        range: Option<ColumnRange>,
    },
    /// Read an index status by status, and sort the keys up to the page's end.
    Merge {
        statuses: Statuses,
        range: Option<ColumnRange>,
    },
    /// Sort the keys of all tasks that match.
    Sort(Matching<'a>),
    /// Scan or merge from a key close before the page, to which the counts lead.
    Seek {
        statuses: Statuses,
        range: Option<ColumnRange>,
    },
    /// Look tasks up by their ids, their customers or their names.
    Selective(Selective<'a>),
}

impl<'a> Strategy<'a> {
    /// The strategy for the page after `offset` tasks. `counts_statuses` says that the tasks of each status are counted too.
    pub(super) fn choose(
        wanted: &Wanted<'a>,
        order: TaskOrder,
        offset: i64,
        counts_statuses: bool,
    ) -> Self {
        let Wanted {
            tenant,
            statuses,
            range,
            lookup,
        } = *wanted;
        if !lookup.is_empty() {
            return Self::Selective(Selective::new(wanted, order.by, counts_statuses));
        }
        let range = match range {
            None => None,
            Some(Range::Column(range)) if range.column == order.by.word() => Some(range),
            Some(range) => return Self::Sort(Matching::new(tenant, statuses, Some(range))),
        };
        // The orders that the count index has, and that an index has for tasks of any status.
        let is_indexed = matches!(order.by, OrderBy::StartTime | OrderBy::TaskId);
        let is_far = offset >= SEEK_FROM;
        match (is_indexed, is_far, statuses.only()) {
            (true, true, _) => Self::Seek { statuses, range },
            (false, true, _) => Self::Merge { statuses, range },
            (true, false, _) if statuses.are_all() => Self::Scan {
                status: None,
                range,
            },
            (_, false, Some(status)) => Self::Scan {
                status: Some(status),
                range,
            },
            (_, false, None) => Self::Merge { statuses, range },
        }
    }

    /// True where the way to the page after `offset` tasks begins at the total.
    pub(super) fn needs_total(&self, offset: i64) -> bool {
        match self {
            Self::Seek { .. } => true,
            Self::Merge { .. } => offset > 0,
            Self::Scan { .. } | Self::Sort(_) | Self::Selective(_) => false,
        }
    }

    /// The tasks that are looked up first of all, as a part of the statement.
    pub(super) fn looked_up(&self) -> Option<&Selective<'a>> {
        match self {
            Self::Selective(selective) => Some(selective),
            Self::Scan { .. } | Self::Merge { .. } | Self::Sort(_) | Self::Seek { .. } => None,
        }
    }
}
