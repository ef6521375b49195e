//! The part of the list's statement that counts the tasks of each kind of attention.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::{
    kinds::{Is, Scan},
    selective::{Checked, Found},
    wanted::{Lookup, RowFilter, Wanted},
};
use crate::{
    db::sql::{Part, sql},
    domain::{
        attention::{Attention, StalledAfter},
        words::Word,
    },
};

/// The numbers of tasks of each kind that match the filter without its kinds.
#[derive(Debug)]
pub(super) enum AttentionCounts<'a> {
    /// The caller does not need them.
    Unneeded,
    /// The tasks of each kind are scanned, and the other conditions are checked on each.
    Counted {
        tenant: &'a str,
        lookup: Lookup<'a>,
        rows: RowFilter,
        stalled_after: i64,
    },
}

impl<'a> AttentionCounts<'a> {
    pub(super) fn choose(wanted: &Wanted<'a>, stalled_after: Option<StalledAfter>) -> Self {
        let Some(StalledAfter { seconds }) = stalled_after else {
            return Self::Unneeded;
        };
        Self::Counted {
            tenant: wanted.tenant,
            lookup: Lookup {
                attention: None,
                ..wanted.lookup
            },
            rows: wanted.rows,
            stalled_after: seconds,
        }
    }
}

/// An expression: the numbers as an array, in the order of the kinds.
impl<'b> Part<'b> for &'b AttentionCounts<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let AttentionCounts::Counted {
            tenant,
            lookup,
            rows,
            stalled_after,
        } = self
        else {
            return Ok(());
        };
        let mut before = "ARRAY[";
        for kind in Attention::all() {
            let is = Is(kind, stalled_after);
            let checked = Checked {
                tenant,
                found: Found::Rows,
                left: *lookup,
                attention: None,
                rows,
            };
            sql!(out, [before] "(SELECT count(*) FROM " {Scan { tenant, is }} " t" {checked} ")")?;
            before = ", ";
        }
        sql!(out, "]")
    }
}
