//! Tasks that need attention: their scans, and the condition on a row.
//!
//! Each kind is a range of one index, which has few tasks: those that have ended are of no kind. The ORDER BY names the
//! columns of that index, and OFFSET 0 keeps it, so that no plan reads all tasks of the tenant. The instant is that of
//! the statement, which the answer names as its `as_of`.
//!
//! A scan returns rows and not ids, because a lookup of each id would cost several times as much as the scan. PostgreSQL
//! computes only those columns that the statement uses, and reads no row where the index has all of them. A task of
//! several kinds comes from the first of them.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use crate::{
    db::sql::{Part, sql},
    domain::attention::{Attention, AttentionFilter},
};

/// Since when a running task is without a result, as the index `tasks_stalled` has it. NULL is less than any time.
const QUIET_SINCE: &str = "greatest(t.last_result_at, t.status_changed_at, t.created_at)";

/// Some kinds of attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kinds {
    attention: AttentionFilter,
    /// The time after which a running task is stalled, in seconds.
    stalled_after: i64,
}

impl Kinds {
    pub(super) fn new(attention: AttentionFilter) -> Self {
        Self {
            attention,
            // It matters only if the filter has it.
            stalled_after: attention.stalled_after().map_or(0, |after| after.seconds),
        }
    }

    /// A sub-select of the tenant's tasks that are of one of the kinds, each task once.
    pub(super) fn scan<'b>(&'b self, tenant: &'b str) -> Scans<'b> {
        Scans {
            tenant,
            kinds: self,
        }
    }

    /// The condition that a row `t` is of one of the kinds.
    pub(super) fn any(&self) -> Any<'_> {
        Any {
            kinds: self,
            before: None,
        }
    }
}

/// The condition that a row `t` is of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Is<'b>(pub(super) Attention, pub(super) &'b i64);

impl<'b> Part<'b> for Is<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self(kind, stalled_after) = self;
        match kind {
            Attention::Overdue => {
                sql!(out, "t.status <= 3 AND t.end_time <= statement_timestamp()")
            }
            Attention::Stalled => sql!(out,
                "t.status = 2 AND " [QUIET_SINCE] " <= statement_timestamp() - " {stalled_after} " * interval '1 second'"
            ),
            Attention::FinishedUnended => sql!(out, "t.status = 2 AND t.progress >= 100"),
            Attention::Unstarted => sql!(
                out,
                "t.status = 1 AND t.start_time <= statement_timestamp()"
            ),
            Attention::Empty => sql!(out, "t.status <= 3 AND t.target_count <= 0"),
        }
    }
}

/// A sub-select of the tasks of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'b> {
    pub(super) tenant: &'b str,
    pub(super) is: Is<'b>,
}

impl<'b> Part<'b> for Scan<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, is } = self;
        let order = match is.0 {
            // Status by status, because the index begins with it.
            Attention::Overdue => {
                return sql!(out,
                    "(SELECT t.* FROM unnest('{1,2,3}'::smallint[]) AS s (status) CROSS JOIN LATERAL (\
                        SELECT * FROM tasks t WHERE t.tenant_id = " {tenant}
                    " AND t.status = s.status AND t.end_time <= statement_timestamp() ORDER BY t.end_time, t.task_id OFFSET 0) t)"
                );
            }
            Attention::Stalled => QUIET_SINCE,
            Attention::FinishedUnended => "t.progress",
            Attention::Unstarted => "t.start_time",
            Attention::Empty => "t.target_count",
        };
        sql!(out,
            "(SELECT * FROM tasks t WHERE t.tenant_id = " {tenant} " AND " {is} " ORDER BY " [order]
            ", t.task_id OFFSET 0)"
        )
    }
}

/// See [`Kinds::scan`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Scans<'b> {
    tenant: &'b str,
    kinds: &'b Kinds,
}

impl<'b> Part<'b> for Scans<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, kinds } = self;
        for (index, kind) in kinds.attention.kinds().enumerate() {
            let is = Is(kind, &kinds.stalled_after);
            let scan = Scan { tenant, is };
            if index == 0 {
                sql!(out, "(SELECT * FROM " {scan} " t")?;
            } else {
                let before = Some(kind);
                sql!(out, " UNION ALL SELECT * FROM " {scan} " t WHERE NOT " {Any { kinds, before }})?;
            }
        }
        sql!(out, ")")
    }
}

/// The condition that a row `t` is of one of some kinds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Any<'b> {
    kinds: &'b Kinds,
    /// Only the kinds before this one.
    before: Option<Attention>,
}

impl<'b> Part<'b> for Any<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { kinds, before } = self;
        let wanted = kinds.attention.kinds();
        let mut between = "(";
        for kind in wanted.take_while(|kind| Some(*kind) != before) {
            sql!(out, [between] {Is(kind, &kinds.stalled_after)})?;
            between = " OR ";
        }
        sql!(out, ")")
    }
}
