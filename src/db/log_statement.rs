//! The statement that reads the log of changes.
//!
//! ```sql
//! SELECT s.*, c.…, n.name, …, t.… FROM (…the snapshot and the tenant's newest transaction…) s
//! LEFT JOIN LATERAL (…each task that changed, once…) c ON true
//! LEFT JOIN LATERAL (…its row…) t ON true LEFT JOIN LATERAL (…its name…) n ON true ORDER BY c.last
//! ```
//!
//! One statement, so that the changes, the place up to which they go and the tasks themselves are of one snapshot.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text, Timestamptz},
};

use super::{
    lookup::{push_row, push_target},
    row::{COLUMNS, TaskRow, TaskSql},
};
use crate::domain::watch::LogPosition;

/// Most changes told since a place; one bulk change makes up to 10,000.
pub(super) const MOST: i64 = 20_000;
/// The transactions that a snapshot does not see though it may see later ones.
pub(super) const OPEN: &str =
    "ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) AS x)";
/// The newest transaction in the log of the tenant `s`; what was removed counts.
pub(super) const NEWEST: &str =
    "greatest(s.log_trimmed, (SELECT max(l.xid) FROM task_log l WHERE l.tenant_id = s.tenant_id))";

/// What changed since a place: a row for each task, or one row without a task.
#[derive(Debug)]
pub(super) struct LogStatement<'a> {
    pub(super) tenant: &'a str,
    pub(super) from: &'a LogPosition,
    /// Those of whom is to be told which of the tasks call them.
    pub(super) customers: &'a [String],
}

/// The snapshot's instant, the highest transaction that was removed from the log, the newest one, those open.
type Head = (DateTime<Utc>, i64, i64, Vec<i64>);
type HeadSql = (Timestamptz, BigInt, BigInt, Array<BigInt>);
/// What a filter asks of a task, before.
pub(super) type WasRow = (
    i16,
    DateTime<Utc>,
    DateTime<Utc>,
    DateTime<Utc>,
    DateTime<Utc>,
    String,
);
type WasSql = (
    SmallInt,
    Timestamptz,
    Timestamptz,
    Timestamptz,
    Timestamptz,
    Text,
);
/// How many changes were read in all, the task, whether its targets changed, what it was, its name without its case, which
/// of the customers it calls.
type Change = (
    i64,
    Option<String>,
    bool,
    Option<WasRow>,
    Option<String>,
    Vec<String>,
);
type ChangeSql = (
    BigInt,
    Nullable<Text>,
    Bool,
    Nullable<WasSql>,
    Nullable<Text>,
    Array<Text>,
);
/// What the statement answers.
pub(super) type Row = (Head, Option<Change>, Option<TaskRow>);

impl LogStatement<'_> {
    fn push_tenant<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Text, _>(self.tenant)
    }

    /// The customers that the task calls.
    fn push_customers<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if self.customers.is_empty() {
            out.push_sql("'{}'::text[]");
            return Ok(());
        }
        out.push_sql("ARRAY(SELECT w.customer_id FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(self.customers)?;
        out.push_sql(") AS w (customer_id)");
        push_target("c.task_id", self.tenant, out)?;
        out.push_sql(")");
        Ok(())
    }

    /// Every change since the place.
    fn push_log<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let LogPosition { newest, open, .. } = self.from;
        out.push_sql("(SELECT * FROM task_log l WHERE l.tenant_id = ");
        self.push_tenant(out)?;
        out.push_sql(" AND l.xid > ");
        out.push_bind_param::<BigInt, _>(newest)?;
        out.push_sql(" UNION ALL SELECT * FROM task_log l WHERE l.tenant_id = ");
        self.push_tenant(out)?;
        out.push_sql(" AND l.xid = ANY (");
        out.push_bind_param::<Array<BigInt>, _>(open)?;
        out.push_sql(&format!(") LIMIT {})", MOST + 1));
        Ok(())
    }

    /// The row of the changed task in a table that has at most one.
    fn push_lookup<'b>(
        &'b self,
        table: &str,
        name: &str,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        out.push_sql(" LEFT JOIN LATERAL ");
        push_row(table, "c.task_id", self.tenant, out)?;
        out.push_sql(&format!(" {name} ON true"));
        Ok(())
    }
}

impl QueryFragment<Pg> for LogStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(&format!(
            "SELECT statement_timestamp(), s.log_trimmed, {NEWEST}, {OPEN}, c.seen, c.task_id, c.any_targets, c.was_status, c.was_start_time, c.was_end_time, \
             c.was_created_at, c.was_updated_at, task_name_fold(c.was_name), n.name, "
        ));
        self.push_customers(&mut out)?;
        // The first change tells what a task was, the last one when to tell of it.
        out.push_sql(&format!(
            ", {COLUMNS}, t.target FROM tenants s LEFT JOIN LATERAL (SELECT DISTINCT ON (l.task_id) l.*, \
             count(*) OVER () AS seen, bool_or(l.targets_changed) OVER task AS any_targets, \
             max(l.log_id) OVER task AS last FROM "
        ));
        self.push_log(&mut out)?;
        out.push_sql(
            " l WINDOW task AS (PARTITION BY l.task_id) ORDER BY l.task_id, l.log_id) c ON true",
        );
        self.push_lookup("tasks", "t", &mut out)?;
        self.push_lookup("task_names", "n", &mut out)?;
        out.push_sql(" WHERE s.tenant_id = ");
        self.push_tenant(&mut out)?;
        out.push_sql(" ORDER BY c.last");
        Ok(())
    }
}

impl Query for LogStatement<'_> {
    type SqlType = (HeadSql, Nullable<ChangeSql>, Nullable<TaskSql>);
}

impl QueryId for LogStatement<'_> {
    // With and without customers.
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
