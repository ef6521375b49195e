//! The part of a statement that looks up tasks by a value that a small number of tasks have, or by labels.

use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use super::{
    kinds::Kinds,
    labelled::{Label, Source},
    matching::Matching,
    wanted::{Lookup, Reads, RowFilter, Statuses, Wanted},
};
use crate::{
    db::{
        lookup::{RowOf, TargetOf},
        row::TARGET_COLUMNS,
        sql::{Part, sql},
    },
    domain::{fields::OrderBy, words::Word},
};

/// The tasks with some ids, with a customer, in need of attention, with a text in their name, with labels, or with several
/// of these, as the filter asks.
///
/// The statement looks up by the condition that is likely to match the fewest tasks, and checks the other conditions on
/// each of these tasks. It searches by name or labels only if the filter has none of the others; and by the name only if
/// no label has at most 10,000 tasks.
#[derive(Debug)]
pub(super) struct Selective<'a> {
    tenant: &'a str,
    lookup: Lookup<'a>,
    /// The one of the labels that is looked up, and its tasks; boxed, because few lists have it.
    label: Option<Box<(Label<'a>, Matching<'a>)>>,
    /// The wanted statuses.
    pub(super) statuses: Statuses,
    /// The rows to read: those of all statuses if the tasks of each status are counted.
    read: RowFilter,
    /// Whether to read the numbers of targets of each task.
    reads_targets: bool,
    by: OrderBy,
}

impl<'a> Selective<'a> {
    pub(super) fn new(wanted: &Wanted<'a>, by: OrderBy, reads: Reads) -> Self {
        let Wanted {
            tenant,
            rows,
            lookup,
        } = *wanted;
        let read = match reads.all_statuses {
            true => rows.with_statuses(Statuses::all()),
            false => rows,
        };
        let label = lookup.labels.map(|labels| Label::rarest(tenant, labels));
        Self {
            tenant,
            lookup,
            label: label.map(|label| Box::new((label, Matching::labelled(tenant, read, label)))),
            statuses: rows.statuses,
            read,
            reads_targets: reads.targets,
            by,
        }
    }
}

/// All matching tasks, found once for the total, the counts and the page: `WITH found AS …`, with the column of the
/// order.
///
/// ```sql
/// SELECT t.task_id, t.status, t.start_time FROM unnest($) AS k (task_id)
/// JOIN LATERAL (…the same task among the customer's…) g CROSS JOIN LATERAL (…its row…) t WHERE …
/// ```
///
/// The lookup returns keys. An index for the filter's other conditions is never faster.
impl<'b> Part<'b> for &'b Selective<'_> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Selective {
            tenant,
            lookup,
            label,
            statuses: _,
            read,
            reads_targets,
            by,
        } = self;
        let (mut left, mut found) = (*lookup, Found::Ids);
        sql!(
            out,
            // MATERIALIZED, because total, counts and page read it, and it must be computed once
            // for all of them.
            "WITH found AS MATERIALIZED (SELECT t.task_id, t.status"
        )?;
        if *by != OrderBy::TaskId {
            sql!(out, ", t."[by.word()])?;
        }
        if *reads_targets {
            for column in TARGET_COLUMNS {
                sql!(out, ", t."[column])?;
            }
        }
        sql!(out, " FROM ")?;
        // In this order: at most 1,000 ids, then the tasks of one customer, then those that need attention, then those with a
        // rare label, then every task whose name contains a text.
        if let Some(task_ids) = left.task_ids.take() {
            sql!(out, "unnest(" {task_ids} ") AS k (task_id)")?;
        } else if let Some(customer) = left.customer_id.take() {
            // In the order of the one index that begins with customers; see `db/lookup.rs`.
            sql!(out,
                "(SELECT g.task_id FROM task_targets g WHERE g.tenant_id = " {*tenant}
                " AND g.customer_id >= " {customer} " AND g.customer_id <= " {customer}
                " ORDER BY g.customer_id, g.task_id OFFSET 0) k"
            )?;
        } else if left.attention.take().is_some() {
            let kinds = lookup.attention.as_ref();
            found = Found::Rows;
            sql!(out, {kinds.map(|kinds| kinds.scan(tenant))} " t")?;
        } else if let Some((label, with_label)) = label.as_deref() {
            match left.name {
                None => sql!(out, "(SELECT t.task_id FROM " {with_label} ") k")?,
                // One of the two parts has a false condition, and PostgreSQL does not run it.
                Some(part) => sql!(out,
                    "(SELECT t.task_id FROM " {with_label} " AND " {IsRare { tenant, label }}
                    " UNION ALL SELECT f.task_id FROM task_names_find(" {*tenant} ", " {part}
                    ") AS f (task_id) WHERE NOT " {IsRare { tenant, label }} ") k"
                )?,
            }
        } else if let Some(part) = left.name.take() {
            sql!(out, "task_names_find(" {*tenant} ", " {part} ") AS k (task_id)")?;
        }
        // The conditions that were not used for the lookup are checked.
        let attention = left.attention.and(lookup.attention.as_ref());
        sql!(out, {Checked { tenant, found, left, attention, rows: read }} ") ")
    }
}

/// What a lookup returns.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    /// The ids of tasks, as `k`. The row of each is read by its id.
    Ids,
    /// The rows of tasks, as `t`.
    Rows,
}

/// The rows `t` of the found tasks, if the conditions hold: the text behind `k` or `t`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked<'b> {
    pub(super) tenant: &'b str,
    pub(super) found: Found,
    /// The conditions that were not used to find the tasks, except that on attention.
    pub(super) left: Lookup<'b>,
    pub(super) attention: Option<&'b Kinds>,
    pub(super) rows: &'b RowFilter,
}

impl<'b> Part<'b> for Checked<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            found,
            left,
            attention,
            rows,
        } = self;
        let Lookup {
            task_ids,
            customer_id,
            name,
            labels,
            attention: _,
        } = left;
        let task_id = match found {
            Found::Ids => "k.task_id",
            Found::Rows => "t.task_id",
        };
        if let Some(customer) = customer_id {
            let target = TargetOf { task_id, tenant };
            sql!(out, " CROSS JOIN (VALUES (" {customer} ")) AS w (customer_id)" {target})?;
        }
        if let Found::Ids = found {
            let row = RowOf {
                table: "tasks",
                task_id,
                tenant,
            };
            sql!(out, " CROSS JOIN LATERAL " {row} " t")?;
        }
        sql!(out, " WHERE true")?;
        if let Some(task_ids) = task_ids {
            sql!(out, " AND t.task_id = ANY (" {task_ids} ")")?;
        }
        if let Some(part) = name {
            sql!(out, " AND strpos(task_name_fold(t.name), task_name_fold(" {part} ")) > 0")?;
        }
        if let Some(labels) = labels {
            sql!(out, " AND t.labels @> " {labels})?;
        }
        if let Some(kinds) = attention {
            sql!(out, " AND " { kinds.any() })?;
        }
        sql!(out, { rows })
    }
}

/// Whether a label has so few tasks that a list reads them rather than those whose name holds a text.
#[derive(Debug, Clone, Copy)]
struct IsRare<'b> {
    tenant: &'b str,
    label: &'b Label<'b>,
}

impl<'b> Part<'b> for IsRare<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, label } = self;
        let source = Source {
            tenant,
            label: Some(label),
        };
        sql!(out, "(SELECT count(*) <= 10000 FROM (SELECT FROM " {source} " LIMIT 10001) few)")
    }
}
