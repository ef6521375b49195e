//! The export's statement: the whole list of one filter and order, in one scan without a LIMIT.
//!
//! ```sql
//! SELECT t.…, (…the targets…), (…their results…) FROM (…the tasks, in order…) t ORDER BY t.start_time, t.task_id
//! ```
//!
//! Rows must come out as they are read: a sort would hold all of them, on disk, before the first one. So the list's
//! strategies find the tasks, without its pages:
//!
//! - **scan**: read the one index that has the list in its order, to its end.
//! - **merge**: UNION ALL of such a scan for each status; under one ORDER BY PostgreSQL merges them as they are.
//! - **sort** and **selective**, and **merge** with a label: sort the keys alone, then fetch row after row.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, Integer, Nullable, SmallInt, Text, Timestamptz},
};

use super::{
    COLUMNS, TaskRow, TaskSql,
    matching::Matching,
    page::{Scanned, keyset},
    range::ColumnRange,
    strategy::Strategy,
    wanted::{Reads, Wanted},
};
use crate::{
    db::{
        keyset::{Columns, Keyset},
        lookup::RowOf,
        sql::{Constant, Part, sql, statement},
    },
    domain::{export::ExportQuery, tenant::TenantId},
};

/// All customers of a task; the row itself has the first 100.
const ALL_TARGETS: &str = "CASE WHEN t.target_count <= cardinality(t.target) THEN t.target ELSE ARRAY(SELECT \
    g.customer_id FROM task_targets g WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id ORDER BY g.position) \
    END";
/// The targets of a task that have a result, as `r`. For a task without any, the table of targets is not read.
const RESULTS: &str = " LEFT JOIN LATERAL (SELECT array_agg(g.customer_id) AS customers, array_agg(g.state) AS states, \
    array_agg(g.attempt) AS attempts, array_agg(g.result_at) AS times FROM (SELECT * FROM task_targets g \
    WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id AND g.state <> 1 AND t.targets_answered \
    + t.targets_no_answer + t.targets_busy + t.targets_failed + t.targets_skipped > 0 ORDER BY g.position) g) r ON true";

/// One statement that answers an [`ExportQuery`] of one tenant.
#[derive(Debug)]
pub struct ExportStatement<'a> {
    tenant: &'a str,
    keyset: Keyset,
    strategy: Strategy<'a>,
    /// Most customer ids in each task; `None` for all of them, with their results.
    target_limit: Option<i32>,
}

/// What the statement returns: tasks, and of each target with a result its customer, state, attempt and time.
pub(in crate::db) type Row = (
    TaskRow,
    Option<Vec<String>>,
    Option<Vec<i16>>,
    Option<Vec<i32>>,
    Option<Vec<DateTime<Utc>>>,
);

impl<'a> ExportStatement<'a> {
    /// The statement of `query` for `tenant`.
    pub fn new(tenant: &'a TenantId, query: &'a ExportQuery) -> Self {
        let ExportQuery { list, whole } = query;
        let wanted = Wanted::new(tenant, &list.filter);
        // From the first task on, so nothing is sought.
        let strategy = match Strategy::choose(&wanted, list.order, 0, Reads::default()) {
            Strategy::Merge {
                label: Some(label), ..
            } => Strategy::Sort(Matching::labelled(wanted.tenant, wanted.rows, label)),
            strategy => strategy,
        };
        Self {
            tenant: tenant.as_str(),
            keyset: keyset(list.order),
            strategy,
            target_limit: (!whole).then_some(list.target_limit),
        }
    }

    /// True where an index has the tasks in their order, so that a plan that sorts is a wrong one.
    pub fn is_ordered(&self) -> bool {
        match self.strategy {
            Strategy::Scan { .. } | Strategy::Merge { .. } | Strategy::Seek { .. } => true,
            Strategy::Sort(_) | Strategy::Selective(_) => false,
        }
    }

    /// The tasks of one status, or of any, in a range.
    fn scan<'b>(&'b self, status: Option<&'b i16>, range: &'b Option<ColumnRange>) -> Scanned<'b> {
        Scanned {
            tenant: self.tenant,
            status,
            range: range.as_ref(),
        }
    }

    /// The tasks of each of some statuses, as they are merged.
    fn push_merged<'b>(
        &'b self,
        statuses: &'b [i16],
        range: &'b Option<ColumnRange>,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        for (index, status) in statuses.iter().enumerate() {
            let before = if index == 0 { "(" } else { " UNION ALL " };
            // PostgreSQL plans each on its own, and merges only what it finds in order.
            sql!(out, [before] "(SELECT * FROM " {self.scan(Some(status), range)} {self.keyset.order("t")} ")")?;
        }
        sql!(out, ") t")
    }

    /// The rows of `keys`, a table or sub-select, once these are sorted. OFFSET 0 keeps PostgreSQL
    /// from joining first and sorting whole rows then.
    fn push_sorted<'b>(
        &'b self,
        keys: impl Part<'b>,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        let row = RowOf {
            table: "tasks",
            task_id: "k.task_id",
            tenant: self.tenant,
        };
        sql!(out,
            "(SELECT k.* FROM " {keys} " k" {self.keyset.order("k")}
            " OFFSET 0) k CROSS JOIN LATERAL " {row} " t"
        )
    }

    /// The tasks, as `t`.
    fn push_tasks<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match &self.strategy {
            Strategy::Scan {
                status: None,
                range,
            } => sql!(out, "(SELECT * FROM " {self.scan(None, range)} ") t"),
            Strategy::Scan {
                status: Some(status),
                range,
            } => self.push_merged(std::slice::from_ref(status), range, out),
            // An export has no page to seek.
            Strategy::Merge {
                statuses, range, ..
            }
            | Strategy::Seek {
                statuses, range, ..
            } => self.push_merged(statuses.as_slice(), range, out),
            Strategy::Sort(matching) => {
                let keys = Keys {
                    columns: self.keyset.columns("t"),
                    matching,
                };
                self.push_sorted(keys, out)
            }
            Strategy::Selective(_) => self.push_sorted(Constant("found"), out),
        }
    }
}

/// The keys of all tasks that match, as a sub-select.
#[derive(Debug, Clone, Copy)]
struct Keys<'b> {
    columns: Columns,
    matching: &'b Matching<'b>,
}

impl<'b> Part<'b> for Keys<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { columns, matching } = self;
        sql!(out, "(SELECT " {columns} " FROM " {matching} " OFFSET 0)")
    }
}

impl QueryFragment<Pg> for ExportStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let out = &mut out;
        sql!(out, {self.strategy.looked_up()} "SELECT " [COLUMNS])?;
        match &self.target_limit {
            None => sql!(out, [ALL_TARGETS] ", r.* FROM ")?,
            Some(target_limit) => sql!(out,
                "t.target[1:" {target_limit}
                "], NULL::text[], NULL::smallint[], NULL::integer[], NULL::timestamptz[] FROM "
            )?,
        }
        self.push_tasks(out)?;
        if self.target_limit.is_none() {
            sql!(out, [RESULTS])?;
        }
        // Repeats the order in which the rows come, so PostgreSQL keeps it and sorts nothing.
        let table = if self.is_ordered() { "t" } else { "k" };
        sql!(out, { self.keyset.order(table) })
    }
}

statement!(ExportStatement<'_>: (
    TaskSql,
    Nullable<Array<Text>>,
    Nullable<Array<SmallInt>>,
    Nullable<Array<Integer>>,
    Nullable<Array<Timestamptz>>,
));
