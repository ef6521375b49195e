//! How the page of a list is found; the module `list` describes when each strategy is used, and why.

use super::{
    labelled::Label,
    matching::Matching,
    range::ColumnRange,
    selective::Selective,
    sort::Sort,
    wanted::{Reads, Statuses, Wanted},
};
use crate::domain::{fields::OrderBy, order::TaskOrder, words::Word};

/// Minimum number of tasks before a page that is found through the counts, if several statuses are merged. For a nearer
/// page a merge is faster.
const SEEK_FROM: i64 = 256;
/// The same if one index has the tasks in their order. Passing over 1,000 keys of an index takes 90 µs. Finding a page
/// through the counts takes 240 µs more than the first page.
const SCAN_UP_TO: i64 = 1024;

/// A strategy, with the part of the filter that it needs.
#[derive(Debug)]
pub(super) enum Strategy<'a> {
    /// Reads one index that has the list in its order.
    Scan {
        /// The only status; `None` for tasks of any.
        status: Option<i16>,
        range: Option<ColumnRange>,
    },
    /// Reads an index status by status, and sorts the keys up to the page's end.
    Merge {
        /// The label whose rows are read instead of those of all tasks.
        label: Option<Label<'a>>,
        statuses: Statuses,
        range: Option<ColumnRange>,
    },
    /// Sorts the keys of all matching tasks.
    Sort(Matching<'a>),
    /// Scans or merges from a key shortly before the page, which the counts find.
    Seek {
        sort: Sort,
        statuses: Statuses,
        range: Option<ColumnRange>,
    },
    /// Looks up tasks by their ids, a customer, a part of their names or labels.
    Selective(Selective<'a>),
}

impl<'a> Strategy<'a> {
    /// The strategy for the page after `offset` tasks.
    pub(super) fn choose(wanted: &Wanted<'a>, order: TaskOrder, offset: i64, reads: Reads) -> Self {
        let Wanted {
            tenant,
            rows,
            lookup,
        } = *wanted;
        if let Some(label) = lookup.only_label()
            && order.by == OrderBy::StartTime
            // The rows of a label have no numbers of targets.
            && !reads.targets
            && let Some((statuses, range)) = rows.in_index_by(OrderBy::StartTime.word())
        {
            return Self::Merge {
                label: Some(Label::One(label)),
                statuses,
                range,
            };
        }
        if !lookup.is_empty() {
            return Self::Selective(Selective::new(wanted, order.by, reads));
        }
        // An index holds a range only of the column that orders it. Any other range is read by its
        // own index and sorted.
        let Some((statuses, range)) = rows.in_index_by(order.by.word()) else {
            return Self::Sort(Matching::new(tenant, rows));
        };
        let sort = Sort::by(order.by.word());
        let has_index_of_all = sort.is_some_and(Sort::has_index_of_all);
        let has_one_index = statuses.only().is_some() || has_index_of_all && statuses.are_all();
        let is_far = match has_one_index {
            true => offset >= SCAN_UP_TO,
            false => offset >= SEEK_FROM,
        };
        match (sort, statuses.only()) {
            (Some(sort), _) if is_far => Self::Seek {
                sort,
                statuses,
                range,
            },
            // Also for one status: a merge skips keys in an index, while a scan would fetch every
            // row that it skips.
            (None, _) if is_far => Self::Merge {
                label: None,
                statuses,
                range,
            },
            _ if has_index_of_all && statuses.are_all() => Self::Scan {
                status: None,
                range,
            },
            (_, Some(status)) => Self::Scan {
                status: Some(status),
                range,
            },
            (_, None) => Self::Merge {
                label: None,
                statuses,
                range,
            },
        }
    }

    /// Whether the statement needs the total to find the page after `offset` tasks.
    pub(super) fn needs_total(&self, offset: i64) -> bool {
        match self {
            Self::Seek { .. } => true,
            Self::Merge { .. } => offset > 0,
            Self::Scan { .. } | Self::Sort(_) | Self::Selective(_) => false,
        }
    }

    /// The lookup that comes first in the statement.
    pub(super) fn looked_up(&self) -> Option<&Selective<'a>> {
        match self {
            Self::Selective(selective) => Some(selective),
            Self::Scan { .. } | Self::Merge { .. } | Self::Sort(_) | Self::Seek { .. } => None,
        }
    }
}
