//! The part of the list's statement that adds up the targets of all matching tasks.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::{
    matching::Matching,
    strategy::Strategy,
    wanted::{Statuses, Wanted},
};
use crate::{
    db::{
        row::TARGET_COLUMNS,
        sql::{Part, sql},
    },
    domain::target::TargetSums,
};

/// The source of the sums. No index holds the numbers of targets, so the row of each matching task is read.
#[derive(Debug)]
pub(super) enum Sums<'a> {
    /// The caller does not need them.
    Unneeded,
    /// All matching tasks.
    Matching(Matching<'a>),
    /// The tasks that were looked up.
    LookedUp(Statuses),
}

impl<'a> Sums<'a> {
    pub(super) fn choose(wanted: &Wanted<'a>, strategy: &Strategy<'a>) -> Self {
        match strategy {
            Strategy::Selective(_) => Self::LookedUp(wanted.rows.statuses),
            _ => Self::Matching(Matching::new(wanted.tenant, wanted.rows)),
        }
    }
}

/// An expression: the sums of [`TARGET_COLUMNS`] as an array. The sub-select refers to no column of the page, so PostgreSQL
/// runs it once.
impl<'b> Part<'b> for &'b Sums<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if matches!(self, Sums::Unneeded) {
            return Ok(());
        }
        let mut before = "(SELECT ARRAY[";
        for column in TARGET_COLUMNS {
            sql!(out, [before] "coalesce(sum(t." [column] "), 0)")?;
            before = ", ";
        }
        match self {
            Sums::Unneeded => Ok(()),
            Sums::Matching(matching) => sql!(out, "] FROM " {matching} ")"),
            Sums::LookedUp(statuses) => sql!(out,
                "] FROM found t WHERE true" {statuses.condition()} ")"
            ),
        }
    }
}

/// The sums of [`TARGET_COLUMNS`].
pub(in crate::db) fn to_sums(sums: [i64; TARGET_COLUMNS.len()]) -> TargetSums {
    let [total, answered, no_answer, busy, failed, skipped] = sums;
    TargetSums {
        total,
        pending: total - answered - no_answer - busy - failed - skipped,
        answered,
        no_answer,
        busy,
        failed,
        skipped,
    }
}
