//! The export's statement: the whole list of one filter and order, as one walk without a LIMIT.
//!
//! ```sql
//! SELECT t.…, (…the targets…), (…their results…) FROM (…the tasks, in order…) t ORDER BY t.start_time, t.task_id
//! ```
//!
//! Rows must come out as they are read: a sort would hold all of them before the first one, on disk. So the tasks are
//! found in the list's ways, but for pages:
//!
//! - **walk**: read the one index that holds the list in its order, to its end.
//! - **merge**: UNION ALL of such a walk for each status; under one ORDER BY PostgreSQL merges them as they are.
//! - **gather**: the range of time is on another field than the order, and no index has both: sort the keys alone, then
//!   fetch row after row. So it is where the filter names ids, a customer or a part of the name.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, Integer, Nullable, SmallInt, Text, Timestamptz},
};

use super::{COLUMNS, ListStatement, TaskRow, TaskSql, Way, matching::push_range};
use crate::{
    db::lookup::push_row,
    domain::{export::ExportQuery, filter::OrderBy, tenant::TenantId},
};

/// All customers of a task; the row itself has the first 100.
const ALL_TARGETS: &str = "CASE WHEN t.target_count <= cardinality(t.target) THEN t.target ELSE ARRAY(SELECT \
    g.customer_id FROM task_targets g WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id ORDER BY g.position) \
    END";
/// The targets of a task that have a result, as `r`. Without any there is no look into the table of targets.
const RESULTS: &str = " LEFT JOIN LATERAL (SELECT array_agg(g.customer_id) AS customers, array_agg(g.state) AS states, \
    array_agg(g.attempt) AS attempts, array_agg(g.result_at) AS times FROM (SELECT * FROM task_targets g \
    WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id AND g.state <> 1 AND t.targets_answered \
    + t.targets_no_answer + t.targets_busy + t.targets_failed + t.targets_skipped > 0 ORDER BY g.position) g) r ON true";

/// One statement that answers an [`ExportQuery`] of one tenant.
#[derive(Debug)]
pub struct ExportStatement<'a> {
    list: ListStatement<'a>,
    whole: bool,
}

/// What the statement answers: tasks, and of each target with a result its customer, state, attempt and time.
pub(crate) type Row = (
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
        Self {
            list: ListStatement::new(tenant, list),
            whole: *whole,
        }
    }

    /// True where an index has the tasks in their order, so that a plan that sorts is a wrong one.
    pub fn is_ordered(&self) -> bool {
        !matches!(self.list.way(), Way::Gather | Way::Few)
    }

    fn push_walk<'b>(
        &'b self,
        status: Option<&'b i16>,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        out.push_sql("tasks t WHERE t.tenant_id = ");
        out.push_bind_param::<Text, _>(self.list.tenant)?;
        if let Some(status) = status {
            out.push_sql(" AND t.status = ");
            out.push_bind_param::<SmallInt, _>(status)?;
        }
        match &self.list.range {
            Some(range) => push_range(range, out),
            None => Ok(()),
        }
    }

    /// The tasks, as `t`.
    fn push_tasks<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let list = &self.list;
        match list.way() {
            way @ (Way::Gather | Way::Few) => {
                out.push_sql("(SELECT k.* FROM ");
                if way == Way::Few {
                    out.push_sql("few k");
                } else {
                    out.push_sql("(SELECT ");
                    if list.order.by != OrderBy::TaskId {
                        out.push_sql(&format!("t.{}, ", list.order.by.word()));
                    }
                    out.push_sql("t.task_id FROM ");
                    list.push_matching(&list.statuses, list.range.as_ref(), out)?;
                    out.push_sql(" OFFSET 0) k");
                }
                list.push_order(out, "k");
                // OFFSET 0 keeps PostgreSQL from joining first and sorting whole rows then.
                out.push_sql(" OFFSET 0) k CROSS JOIN LATERAL ");
                push_row("tasks", "k.task_id", list.tenant, out)?;
                out.push_sql(" t");
            }
            Way::Walk if list.any_status => {
                out.push_sql("(SELECT * FROM ");
                self.push_walk(None, out)?;
                out.push_sql(") t");
            }
            // An export has no page that could be sought.
            Way::Walk | Way::Merge | Way::Seek => {
                for (place, status) in list.statuses.iter().enumerate() {
                    out.push_sql(if place == 0 { "(" } else { " UNION ALL " });
                    out.push_sql("(SELECT * FROM ");
                    self.push_walk(Some(status), out)?;
                    // PostgreSQL plans each on its own, and merges only what it finds in order.
                    list.push_order(out, "t");
                    out.push_sql(")");
                }
                out.push_sql(") t");
            }
        }
        Ok(())
    }
}

impl QueryFragment<Pg> for ExportStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if let Some(few) = &self.list.few {
            few.push(self.list.tenant, self.list.order.by, &mut out)?;
        }
        out.push_sql("SELECT ");
        out.push_sql(COLUMNS);
        if self.whole {
            out.push_sql(", ");
            out.push_sql(ALL_TARGETS);
            out.push_sql(", r.* FROM ");
        } else {
            out.push_sql(", t.target[1:");
            out.push_bind_param::<Integer, _>(&self.list.target_limit)?;
            out.push_sql(
                "], NULL::text[], NULL::smallint[], NULL::integer[], NULL::timestamptz[] FROM ",
            );
        }
        self.push_tasks(&mut out)?;
        if self.whole {
            out.push_sql(RESULTS);
        }
        let table = if self.is_ordered() { "t" } else { "k" };
        self.list.push_order(&mut out, table);
        Ok(())
    }
}

impl Query for ExportStatement<'_> {
    type SqlType = (
        TaskSql,
        Nullable<Array<Text>>,
        Nullable<Array<SmallInt>>,
        Nullable<Array<Integer>>,
        Nullable<Array<Timestamptz>>,
    );
}

impl QueryId for ExportStatement<'_> {
    // The text differs from query to query.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
