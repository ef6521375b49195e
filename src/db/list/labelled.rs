//! The tasks with a label: which rows have them, and how many there are.
//!
//! `task_labels` has, for each label of a task, a row with the columns that a list by start_time is read from: the
//! status, the start and the id. So such a list reads this table instead of `tasks`, in the same way. The number of tasks
//! of each status is in `task_label_counts`; the deltas of the count index hold the labels of their tasks, and every
//! reader adds them.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::{
    range::Range,
    wanted::{Counted, Statuses},
};
use crate::db::sql::{Part, sql};

/// The label that tasks are looked up by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Label<'a> {
    /// This one.
    One(&'a str),
    /// The one of these that the fewest tasks have, without the deltas: the choice need not be exact.
    Rarest(&'a str, &'a [String]),
}

impl<'a> Label<'a> {
    /// The one of `labels` of `tenant` that leads to the fewest tasks.
    pub(super) fn rarest(tenant: &'a str, labels: &'a [String]) -> Self {
        match labels {
            [only] => Self::One(only),
            _ => Self::Rarest(tenant, labels),
        }
    }
}

/// An expression.
impl<'b> Part<'b> for &'b Label<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Label::One(label) => label.push(out),
            Label::Rarest(tenant, labels) => sql!(out,
                "(SELECT w.label FROM unnest(" {*labels} ") AS w (label) ORDER BY coalesce((SELECT \
                    n.pending + n.running + n.paused + n.completed + n.stopped + n.failed \
                    FROM task_label_counts n WHERE n.tenant_id = " {*tenant} " AND n.label = w.label), 0), w.label LIMIT 1)"
            ),
        }
    }
}

/// The tasks of a tenant, or those with a label, as `t`: what stands after FROM, with the beginning of the condition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'b> {
    pub(super) tenant: &'b str,
    pub(super) label: Option<&'b Label<'b>>,
}

impl<'b> Part<'b> for Source<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, label } = self;
        match label {
            None => sql!(out, "tasks t WHERE t.tenant_id = " {tenant}),
            Some(label) => {
                sql!(out, "task_labels t WHERE t.tenant_id = " {tenant} " AND t.label = " {label})
            }
        }
    }
}

/// The exact number of tasks with a label.
#[derive(Debug, Clone, Copy)]
pub(super) struct LabelTotal<'a> {
    pub(super) tenant: &'a str,
    pub(super) label: &'a str,
    /// As in [`Bounds`](super::total::Bounds).
    pub(super) statuses: Option<Statuses>,
}

impl<'a> LabelTotal<'a> {
    /// `None` if the counts of labels do not have the number, as of a range.
    pub(super) fn new(
        tenant: &'a str,
        label: Label<'a>,
        range: Option<Range>,
        statuses: Option<Statuses>,
    ) -> Option<Self> {
        match (label, range) {
            (Label::One(label), None) => Some(Self {
                tenant,
                label,
                statuses,
            }),
            _ => None,
        }
    }
}

/// The number as `total`, for a SELECT of one row.
impl<'b> Part<'b> for &'b LabelTotal<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let LabelTotal {
            tenant,
            label,
            statuses,
        } = self;
        let statuses = statuses.as_ref();
        sql!(out,
            "coalesce((SELECT task_label_count(n, " {Counted(statuses)}
            ") FROM task_label_counts n WHERE n.tenant_id = " {*tenant} " AND n.label = " {*label}
            "), 0) + coalesce((SELECT sum(task_change_count(d, " {Counted(statuses)}
            ")) FROM task_changes d WHERE d.tenant_id = " {*tenant} " AND d.labels @> ARRAY[" {*label}
            "]), 0) AS total OFFSET 0"
        )
    }
}
