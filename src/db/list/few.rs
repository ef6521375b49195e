//! The part of the list's statement that looks tasks up by what few of them have.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::AstPass,
    sql_types::{Array, Text},
};

use super::matching::RowFilter;
use crate::{
    db::lookup::{push_row, push_target},
    domain::filter::{OrderBy, TaskFilter},
};

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
    /// JOIN LATERAL (…the same task among the customer's…) g CROSS JOIN LATERAL (…its name…) n
    /// CROSS JOIN LATERAL (…its row…) t WHERE …
    /// ```
    ///
    /// The look-ups are told the keys alone: an index of what else the filter asks is never the better way.
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
            // In the order of the one index that begins with customers; see the module of look-ups.
            out.push_sql("(SELECT g.task_id FROM task_targets g WHERE g.tenant_id = ");
            out.push_bind_param::<Text, _>(tenant)?;
            out.push_sql(" AND g.customer_id >= ");
            out.push_bind_param::<Text, _>(customer)?;
            out.push_sql(" AND g.customer_id <= ");
            out.push_bind_param::<Text, _>(customer)?;
            out.push_sql(" ORDER BY g.customer_id, g.task_id OFFSET 0) k");
        } else if let Some(part) = name.take() {
            out.push_sql("task_names_find(");
            out.push_bind_param::<Text, _>(tenant)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(part)?;
            out.push_sql(") AS k (task_id)");
        }
        if let Some(customer) = customer_id {
            out.push_sql(" CROSS JOIN (VALUES (");
            out.push_bind_param::<Text, _>(customer)?;
            out.push_sql(")) AS w (customer_id)");
            push_target("k.task_id", tenant, out)?;
        }
        if name.is_some() {
            out.push_sql(" CROSS JOIN LATERAL ");
            push_row("task_names", "k.task_id", tenant, out)?;
            out.push_sql(" n");
        }
        out.push_sql(" CROSS JOIN LATERAL ");
        push_row("tasks", "k.task_id", tenant, out)?;
        out.push_sql(" t WHERE true");
        if let Some(part) = name {
            out.push_sql(" AND strpos(n.name, task_name_fold(");
            out.push_bind_param::<Text, _>(part)?;
            out.push_sql(")) > 0");
        }
        rows.push(out)?;
        out.push_sql(") ");
        Ok(())
    }
}
