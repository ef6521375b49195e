//! The SQL statement that reads the change log.
//!
//! ```sql
//! SELECT s.*, c.…, …, t.… FROM (…the snapshot and the tenant's newest transaction…) s LEFT JOIN LATERAL (…the
//! changed tasks, each once, the first n…) c ON true LEFT JOIN LATERAL (…its row…) t ON true ORDER BY c.last
//! ```
//!
//! It is one statement, so that the changes, the position they lead to and the tasks come from the same snapshot.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz},
};

use super::{
    lookup::{RowOf, TargetOf},
    row::{COLUMNS, TaskRow, TaskSql, WAS_COLUMNS, WasRow, WasSql},
    sql::{sql, statement},
};
use crate::domain::{
    watch::LogPosition,
    watch_token::{Snapshot, Step},
};

/// The transactions that are open in the current snapshot: invisible in it but perhaps visible in later ones.
pub(super) const OPEN: &str =
    "ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) AS x)";
/// The newest transaction in the log of tenant `s`, including trimmed entries.
pub(super) const NEWEST: &str =
    "greatest(s.log_trimmed, (SELECT max(l.xid) FROM task_log l WHERE l.tenant_id = s.tenant_id))";

/// Selects the changes since a position: one row for each task, or one row without a task.
#[derive(Debug)]
pub(super) struct LogStatement<'a> {
    pub(super) tenant: &'a str,
    pub(super) from: &'a LogPosition,
    /// The maximum number of changes to read; one more shows that there are more.
    pub(super) most_changes: i64,
    /// The maximum number of tasks; one more shows that there are more.
    pub(super) most_tasks: usize,
    /// The customers for which the statement returns whether each task calls them.
    pub(super) customers: &'a [String],
}

/// The time of the snapshot, the highest trimmed transaction, the newest one, and the open ones.
type Head = (DateTime<Utc>, i64, i64, Vec<i64>);
type HeadSql = (Timestamptz, BigInt, BigInt, Array<BigInt>);
/// The total number of changes read, the task id, its last change, whether its targets changed, its previous values,
/// its case-folded name, and which of the customers it calls.
type Change = (
    i64,
    Option<String>,
    i64,
    bool,
    Option<WasRow>,
    Option<String>,
    Vec<String>,
);
type ChangeSql = (
    BigInt,
    Nullable<Text>,
    BigInt,
    Bool,
    Nullable<WasSql>,
    Nullable<Text>,
    Array<Text>,
);
/// A row of the result.
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
        let target = TargetOf {
            task_id: "c.task_id",
            tenant: self.tenant,
        };
        sql!(out, {target} ")")
    }

    /// All changes since the base of the position, and their number.
    fn push_base<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        // Two scans of the primary key (tenant_id, xid, log_id). With one OR condition PostgreSQL
        // would read the whole log of the tenant.
        let Snapshot { newest, open } = &self.from.base;
        out.push_sql("(SELECT l.*, count(*) OVER () AS seen FROM (SELECT * FROM task_log l WHERE l.tenant_id = ");
        self.push_tenant(out)?;
        out.push_sql(" AND l.xid > ");
        out.push_bind_param::<BigInt, _>(newest)?;
        out.push_sql(" UNION ALL SELECT * FROM task_log l WHERE l.tenant_id = ");
        self.push_tenant(out)?;
        out.push_sql(" AND l.xid = ANY (");
        out.push_bind_param::<Array<BigInt>, _>(open)?;
        out.push_sql(&format!(") LIMIT {}) l)", self.most_changes + 1));
        Ok(())
    }

    /// The changes since the position: those of the base, without those that the first `steps` steps have reported.
    fn push_log<'b>(&'b self, steps: &'b [Step], out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Some((Step { snapshot, log_id }, before)) = steps.split_last() else {
            return self.push_base(out);
        };
        // A step has reported a task if the task's last change visible in the step's snapshot has at most the log_id of
        // the step. Later changes of the task are not reported yet.
        out.push_sql("(SELECT * FROM (SELECT l.*, v.is_seen AS is_seen_");
        let number = before.len().to_string();
        out.push_sql(&number);
        out.push_sql(
            ", max(l.log_id) FILTER (WHERE v.is_seen) OVER (PARTITION BY l.task_id) AS reported_",
        );
        out.push_sql(&number);
        out.push_sql(" FROM ");
        self.push_log(before, out)?;
        out.push_sql(" l CROSS JOIN LATERAL (SELECT l.xid <= ");
        out.push_bind_param::<BigInt, _>(&snapshot.newest)?;
        out.push_sql(" AND l.xid <> ALL (");
        out.push_bind_param::<Array<BigInt>, _>(&snapshot.open)?;
        out.push_sql(&format!(
            ") AS is_seen) v) l WHERE NOT (l.is_seen_{number} AND l.reported_{number} <= "
        ));
        out.push_bind_param::<BigInt, _>(log_id)?;
        out.push_sql("))");
        Ok(())
    }

    /// The row of the changed task in a table that has at most one.
    fn push_lookup<'b>(
        &'b self,
        table: &'static str,
        name: &'static str,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        let row = RowOf {
            table,
            task_id: "c.task_id",
            tenant: self.tenant,
        };
        sql!(out, " LEFT JOIN LATERAL " {row} " " [name] " ON true")
    }
}

impl QueryFragment<Pg> for LogStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(&format!(
            "SELECT statement_timestamp(), s.log_trimmed, s.newest, {OPEN}, c.seen, c.task_id, c.last, c.any_targets, \
             {WAS_COLUMNS}, task_name_fold(t.name), "
        ));
        self.push_customers(&mut out)?;
        // The first change has the task's previous values, the last one its order. Bulk changes that are not logged
        // task by task have no task_id; they sort first, because they make all other rows unnecessary.
        out.push_sql(&format!(
            ", {COLUMNS}t.target FROM (SELECT s.log_trimmed, {NEWEST} AS newest FROM tenants s WHERE s.tenant_id = "
        ));
        self.push_tenant(&mut out)?;
        // OFFSET 0 keeps PostgreSQL from looking for the newest transaction again for each changed task.
        out.push_sql(
            " OFFSET 0) s LEFT JOIN LATERAL (SELECT * FROM (SELECT DISTINCT ON (l.task_id) l.*, \
             bool_or(l.targets_changed) OVER task AS any_targets, max(l.log_id) OVER task AS last FROM ",
        );
        self.push_log(&self.from.steps, &mut out)?;
        out.push_sql(&format!(
            " l WINDOW task AS (PARTITION BY l.task_id) ORDER BY l.task_id, l.log_id) c \
             ORDER BY c.task_id IS NOT NULL, c.last LIMIT {}) c ON true",
            self.most_tasks + 1
        ));
        self.push_lookup("tasks", "t", &mut out)?;
        out.push_sql(" ORDER BY c.task_id IS NOT NULL, c.last");
        Ok(())
    }
}

statement!(LogStatement<'_>: (HeadSql, Nullable<ChangeSql>, Nullable<TaskSql>));
