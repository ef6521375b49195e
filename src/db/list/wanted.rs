//! A filter in terms of SQL.

use std::fmt;

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};
use strum::VariantArray;

use super::{
    kinds::Kinds,
    range::{ColumnRange, Range, TimeBounds},
    sort::Sort,
};
use crate::{
    db::sql::{Part, sql},
    domain::{
        filter::{Condition, RowCondition, TaskFilter},
        list::ListQuery,
        status::TaskStatus,
        tenant::TenantId,
        words::Word,
    },
};

/// The tasks that a statement selects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) tenant: &'a str,
    pub(super) rows: RowFilter,
    pub(super) lookup: Lookup<'a>,
}

/// The conditions on the columns of a task's row.
///
/// Its methods and [`Matching`](super::matching::Matching) take it apart completely: a condition
/// that is added does not compile until each of them handles it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowFilter {
    pub(super) statuses: Statuses,
    pub(super) range: Option<Range>,
}

/// The conditions by which tasks can be looked up. Each matches so few tasks that reading all of them is cheap.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lookup<'a> {
    /// The ids.
    pub(super) task_ids: Option<&'a [String]>,
    /// A customer among the targets.
    pub(super) customer_id: Option<&'a str>,
    /// A part of the name.
    pub(super) name: Option<&'a str>,
    /// Labels, all of them; by one that most tasks have, reading all of them is not cheap.
    pub(super) labels: Option<&'a [String]>,
    /// What a task needs attention for.
    pub(super) attention: Option<Kinds>,
}

/// What a list reads of the tasks that match besides the keys of its order.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reads {
    /// The tasks of all statuses, to be counted.
    pub(super) all_statuses: bool,
    /// Their numbers of targets.
    pub(super) targets: bool,
}

impl Reads {
    pub(super) fn of(query: &ListQuery) -> Self {
        Self {
            all_statuses: query.status_counts,
            targets: query.target_sums,
        }
    }
}

impl<'a> Wanted<'a> {
    /// The tasks of `tenant` that match `filter`.
    pub(super) fn new(tenant: &'a TenantId, filter: &'a TaskFilter) -> Self {
        let mut wanted = Self {
            tenant: tenant.as_str(),
            rows: RowFilter {
                statuses: Statuses::all(),
                range: None,
            },
            lookup: Lookup::default(),
        };
        for condition in filter.conditions() {
            match condition {
                Condition::Row(RowCondition::Status(statuses)) => {
                    wanted.rows.statuses = Statuses::of(statuses.iter())
                }
                Condition::Row(RowCondition::Date(date)) => {
                    wanted.rows.range = Some(Range::new(date))
                }
                Condition::Customer(id) => wanted.lookup.customer_id = Some(id),
                Condition::NamePart(part) => wanted.lookup.name = Some(part),
                Condition::Id(ids) => wanted.lookup.task_ids = Some(ids.as_slice()),
                Condition::Labels(labels) => wanted.lookup.labels = Some(labels.terms()),
                Condition::Attention(attention) => {
                    wanted.lookup.attention = Some(Kinds::new(attention))
                }
            }
        }
        wanted
    }
}

impl RowFilter {
    /// The statuses and the range, if the index by status and `column` has exactly these tasks;
    /// `None` if it has others too.
    pub(super) fn in_index_by(self, column: &str) -> Option<(Statuses, Option<ColumnRange>)> {
        let Self { statuses, range } = self;
        match range {
            None => Some((statuses, None)),
            Some(Range::Column(range)) if range.column == column => Some((statuses, Some(range))),
            Some(Range::Column(_) | Range::Window(_)) => None,
        }
    }

    /// The sort and the bounds in it, if the count index knows the number of these tasks. Without a range any sort
    /// does.
    pub(super) fn in_count_index(self) -> Option<(Option<Sort>, TimeBounds)> {
        let Self { statuses: _, range } = self;
        match range {
            None => Some((None, (None, None))),
            Some(Range::Column(range)) => {
                Sort::by(range.column).map(|sort| (Some(sort), range.bounds()))
            }
            Some(Range::Window(_)) => None,
        }
    }

    /// The same conditions with other statuses.
    pub(super) fn with_statuses(self, statuses: Statuses) -> Self {
        Self { statuses, ..self }
    }
}

/// The conditions on a row `t`, each beginning with AND.
impl<'b> Part<'b> for &'b RowFilter {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let RowFilter { statuses, range } = self;
        sql!(out, {statuses.condition()} {range.as_ref()})
    }
}

impl<'a> Lookup<'a> {
    /// Whether the filter has no condition to look tasks up by.
    pub(super) fn is_empty(self) -> bool {
        let Self {
            task_ids,
            customer_id,
            name,
            labels,
            attention,
        } = self;
        let has_text = customer_id.is_some() || name.is_some() || labels.is_some();
        task_ids.is_none() && attention.is_none() && !has_text
    }

    /// The label, if the filter has one label and no other condition to look tasks up by.
    pub(super) fn only_label(self) -> Option<&'a str> {
        match self {
            Self {
                task_ids: None,
                customer_id: None,
                name: None,
                labels: Some([only]),
                attention: None,
            } => Some(only),
            _ => None,
        }
    }
}

/// The numbers of the wanted statuses: all six if the filter has no statuses, since most indexes begin with the status.
#[derive(Clone, Copy)]
pub(super) struct Statuses {
    numbers: [i16; TaskStatus::VARIANTS.len()],
    /// The number of valid elements in `numbers`.
    count: usize,
}

impl Statuses {
    /// All statuses.
    pub(super) fn all() -> Self {
        Self::of(TaskStatus::all())
    }

    fn of(statuses: impl Iterator<Item = TaskStatus>) -> Self {
        let mut some = Self {
            numbers: Default::default(),
            count: 0,
        };
        for (number, status) in some.numbers.iter_mut().zip(statuses) {
            *number = status as i16;
            some.count += 1;
        }
        some
    }

    pub(super) fn as_slice(&self) -> &[i16] {
        &self.numbers[..self.count]
    }

    pub(super) fn are_all(self) -> bool {
        self.count == self.numbers.len()
    }

    /// The status, if only one is wanted.
    pub(super) fn only(self) -> Option<i16> {
        match self.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The condition on a row `t`, beginning with AND; `None` if all are wanted.
    pub(super) fn condition(&self) -> Option<StatusIn<'_>> {
        (!self.are_all()).then_some(StatusIn(self))
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<'b> Part<'b> for &'b Statuses {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.as_slice().push(out)
    }
}

/// See [`Statuses::condition`].
#[derive(Debug)]
pub(super) struct StatusIn<'b>(&'b Statuses);

impl<'b> Part<'b> for StatusIn<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        sql!(out, " AND t.status = ANY (" {self.0} ")")
    }
}

/// The statuses as an argument of the functions of the count index; `None` for one status, `s.status` of the enclosing
/// query.
#[derive(Debug)]
pub(super) struct Counted<'b>(pub(super) Option<&'b Statuses>);

impl<'b> Part<'b> for Counted<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.0 {
            Some(statuses) => statuses.push(out),
            None => sql!(out, "ARRAY[s.status]"),
        }
    }
}
