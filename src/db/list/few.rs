//! The part of the list's statement that looks tasks up by what few of them have.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, Text},
};

use super::matching::RowFilter;
use crate::domain::filter::{OrderBy, TaskFilter};

/// The tasks of some ids, of a customer, with a text in their name; or of as many of these as the filter names.
///
/// The one that is likely to name the fewest is looked up, and the others are asked of each task that it gives: a name
/// is searched for only where it stands alone.
#[derive(Debug)]
pub(super) struct Few<'a> {
    task_ids: &'a Vec<String>,
    customer_id: Option<&'a str>,
    name: Option<&'a str>,
    rows: RowFilter,
}

impl<'a> Few<'a> {
    /// `None` where the filter names none of these. `each` leaves tasks of all statuses in, to be counted.
    pub(super) fn new(filter: &'a TaskFilter, each: bool) -> Option<Self> {
        let TaskFilter {
            statuses,
            date,
            customer_id,
            name,
            task_ids,
        } = filter;
        if task_ids.is_empty() && customer_id.is_none() && name.is_none() {
            return None;
        }
        let statuses = if each { Default::default() } else { *statuses };
        Some(Self {
            task_ids,
            customer_id: customer_id.as_deref(),
            name: name.as_deref(),
            rows: RowFilter::new(statuses, *date),
        })
    }

    /// All that match, once, for the total, the counts and the page: `WITH few AS …`, with what orders the list.
    ///
    /// ```sql
    /// SELECT t.task_id, t.status, t.start_time FROM unnest($) AS k (task_id)
    /// CROSS JOIN LATERAL (…the same task among the customer's…) g CROSS JOIN LATERAL (…its name…) n
    /// CROSS JOIN LATERAL (SELECT * FROM tasks t WHERE … OFFSET 0) t
    /// ```
    ///
    /// OFFSET 0 keeps the look-ups apart: PostgreSQL must not turn them into one scan of a table.
    pub(super) fn push<'b>(
        &'b self,
        tenant: &'b str,
        by: OrderBy,
        out: &mut AstPass<'_, 'b, Pg>,
    ) -> QueryResult<()> {
        let Self {
            task_ids,
            customer_id,
            name,
            rows,
        } = self;
        out.push_sql("WITH few AS MATERIALIZED (SELECT t.task_id, t.status");
        if by != OrderBy::TaskId {
            out.push_sql(", t.");
            out.push_sql(by.word());
        }
        out.push_sql(" FROM ");
        let (mut customer_id, mut name) = (customer_id.as_ref(), name.as_ref());
        if !task_ids.is_empty() {
            out.push_sql("unnest(");
            out.push_bind_param::<Array<Text>, _>(*task_ids)?;
            out.push_sql(") AS k (task_id)");
        } else if let Some(customer) = customer_id.take() {
            out.push_sql("(SELECT g.task_id FROM task_targets g WHERE g.tenant_id = ");
            out.push_bind_param::<Text, _>(tenant)?;
            out.push_sql(" AND g.customer_id = ");
            out.push_bind_param::<Text, _>(customer)?;
            out.push_sql(" OFFSET 0) k");
        } else if let Some(part) = name.take() {
            out.push_sql("task_names_find(");
            out.push_bind_param::<Text, _>(tenant)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(part)?;
            out.push_sql(") AS k (task_id)");
        }
        if let Some(customer) = customer_id {
            push_lookup("task_targets", tenant, out)?;
            out.push_sql(" AND t.customer_id = ");
            out.push_bind_param::<Text, _>(customer)?;
            out.push_sql(" OFFSET 0) g");
        }
        if let Some(part) = name {
            push_lookup("task_names", tenant, out)?;
            out.push_sql(" AND strpos(t.name, task_name_fold(");
            out.push_bind_param::<Text, _>(part)?;
            out.push_sql(")) > 0 OFFSET 0) n");
        }
        push_lookup("tasks", tenant, out)?;
        rows.push(out)?;
        out.push_sql(" OFFSET 0) t) ");
        Ok(())
    }
}

/// The row of `k.task_id` in a table that begins with the tenant and has at most one.
fn push_lookup<'b>(table: &str, tenant: &'b str, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(" CROSS JOIN LATERAL (SELECT * FROM ");
    out.push_sql(table);
    out.push_sql(" t WHERE t.tenant_id = ");
    out.push_bind_param::<Text, _>(tenant)?;
    out.push_sql(" AND t.task_id = k.task_id");
    Ok(())
}
