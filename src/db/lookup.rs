//! Look-ups of one row, written so that one index alone has it in order.
//!
//! Equality with a key would do once PostgreSQL has statistics. Until then (a new table; one that was vacuumed while its
//! first rows were being written) it takes an index that holds the key behind other columns for as good, and
//! reads all that the tenant has in it, for each row. To sort costs more by any statistics.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass, sql_types::Text};

/// The row of one task in a table that has at most one, as a sub-select; `task_id` is SQL.
pub(super) fn push_row<'b>(
    table: &str,
    task_id: &str,
    tenant: &'b str,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql(&format!("(SELECT * FROM {table} t WHERE t.tenant_id = "));
    out.push_bind_param::<Text, _>(tenant)?;
    out.push_sql(&format!(
        " AND t.task_id >= {task_id} AND t.task_id <= {task_id} ORDER BY t.task_id LIMIT 1)"
    ));
    Ok(())
}

/// The end of a sub-select from the targets `g` of a tenant: the first one of a customer in the task or behind it, so
/// that what is around it must look whether it is of the task. A comparison of rows as the upper end too would end no
/// scan: PostgreSQL reads on to the customer's last task where this one is not found.
pub(super) fn target_from(customer_id: &str, task_id: &str) -> String {
    format!(
        " AND (g.customer_id, g.task_id) >= ({customer_id}, {task_id}) AND g.customer_id <= {customer_id} \
         ORDER BY g.customer_id, g.task_id LIMIT 1"
    )
}

/// Joins the target `g` that the customer `w.customer_id` is of a task, where it is one; `task_id` is SQL.
pub(super) fn push_target<'b>(
    task_id: &str,
    tenant: &'b str,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql(" JOIN LATERAL (SELECT g.task_id FROM task_targets g WHERE g.tenant_id = ");
    out.push_bind_param::<Text, _>(tenant)?;
    out.push_sql(&target_from("w.customer_id", task_id));
    out.push_sql(&format!(") g ON g.task_id = {task_id}"));
    Ok(())
}
