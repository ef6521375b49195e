//! Lookups of one row, written so that only one index provides the requested order.
//!
//! Equality with the key would suffice once PostgreSQL has statistics. Without them (a new table, or one that was
//! vacuumed while its first rows were written), it considers an index with the key after other columns equally good,
//! and reads all entries of the tenant for each row. A plan that needs a sort costs more under any statistics.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::sql::{Part, sql};

/// A subselect for the row of one task in a table that has at most one.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowOf<'b> {
    /// The table.
    pub(super) table: &'static str,
    /// The task's id, as an SQL expression.
    pub(super) task_id: &'static str,
    /// The tenant.
    pub(super) tenant: &'b str,
}

impl<'b> Part<'b> for RowOf<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            table,
            task_id,
            tenant,
        } = self;
        sql!(out,
            "(SELECT * FROM " [table] " t WHERE t.tenant_id = " {tenant}
            " AND t.task_id >= " [task_id] " AND t.task_id <= " [task_id]
            " ORDER BY t.task_id LIMIT 1)"
        )
    }
}

/// The end of a subselect from the targets `g` of a tenant. It returns the first target of the customer in this task or
/// a later one, so the outer query must check the task. An upper bound as a row comparison would not stop the scan:
/// PostgreSQL would read on to the customer's last task if this one is missing.
pub(super) fn target_from(customer_id: &str, task_id: &str) -> String {
    format!(
        " AND (g.customer_id, g.task_id) >= ({customer_id}, {task_id}) AND g.customer_id <= {customer_id} \
         ORDER BY g.customer_id, g.task_id LIMIT 1"
    )
}

/// Joins the target `g` of customer `w.customer_id` in a task, if it exists.
#[derive(Debug, Clone, Copy)]
pub(super) struct TargetOf<'b> {
    /// The task's id, as an SQL expression.
    pub(super) task_id: &'static str,
    /// The tenant.
    pub(super) tenant: &'b str,
}

impl<'b> Part<'b> for TargetOf<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { task_id, tenant } = self;
        sql!(out,
            " JOIN LATERAL (SELECT g.task_id FROM task_targets g WHERE g.tenant_id = " {tenant}
        )?;
        out.push_sql(&target_from("w.customer_id", task_id));
        sql!(out, ") g ON g.task_id = "[task_id])
    }
}
