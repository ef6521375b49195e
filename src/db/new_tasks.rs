//! Inserts tasks.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{BigInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    NewEvents, Transaction,
    events::Noted,
    sql::{sql, statement},
};
use crate::{
    domain::{
        labels::Labels,
        limits::INLINE_TARGETS,
        task::{NewTask, Stamp},
    },
    error::{Error, Result},
};

/// Inserts tasks in the order of their ids, so that two writers of the same tasks cannot deadlock,
/// with their targets and events. Returns id, revision and times of each; a task whose id is taken
/// is left out.
#[derive(Debug)]
struct InsertStatement<'a> {
    tenant: &'a str,
    count: i64,
    columns: NewColumns<'a>,
    targets: NewTargets<'a>,
    noted: Noted<'a>,
}

/// The columns of new tasks, each as an array.
#[derive(Debug, Default)]
struct NewColumns<'a> {
    task_ids: Vec<&'a str>,
    names: Vec<&'a str>,
    start_times: Vec<DateTime<Utc>>,
    end_times: Vec<DateTime<Utc>>,
    statuses: Vec<i16>,
    progress: Vec<i16>,
    created_at: Vec<Option<DateTime<Utc>>>,
    updated_at: Vec<Option<DateTime<Utc>>>,
    target_counts: Vec<i32>,
    /// The first targets of each, as the text of an array: PostgreSQL has no arrays of arrays of
    /// different lengths.
    targets: Vec<String>,
    /// The terms of the labels of each, as the text of an array; `None` if it has none.
    labels: Vec<Option<String>>,
}

/// The targets of all new tasks.
#[derive(Debug, Default)]
struct NewTargets<'a> {
    task_ids: Vec<&'a str>,
    positions: Vec<i32>,
    customers: Vec<&'a str>,
}

impl<'a> InsertStatement<'a> {
    fn new(tenant: &'a str, new: &'a [NewTask], noted: Noted<'a>) -> Result<Self> {
        let (mut columns, mut targets) = (NewColumns::default(), NewTargets::default());
        let mut sorted: Vec<&NewTask> = new.iter().collect();
        sorted.sort_by(|a, b| a.task_id.cmp(&b.task_id));
        for task in sorted {
            let inline = &task.targets[..task.targets.len().min(INLINE_TARGETS)];
            columns.task_ids.push(&task.task_id);
            columns.names.push(&task.name);
            columns.start_times.push(task.start_time);
            columns.end_times.push(task.end_time);
            columns.statuses.push(task.status as i16);
            columns.progress.push(task.progress);
            columns.created_at.push(task.created_at);
            columns.updated_at.push(task.updated_at);
            columns.target_counts.push(count(task.targets.len())?);
            columns.targets.push(array_text(inline));
            columns.labels.push(labels_text(&task.labels));
            for (position, customer) in task.targets.iter().enumerate() {
                targets.task_ids.push(&task.task_id);
                targets.positions.push(count(position)?);
                targets.customers.push(customer);
            }
        }
        Ok(Self {
            tenant,
            count: new.len() as i64, // a message has far fewer
            columns,
            targets,
            noted,
        })
    }
}

impl QueryFragment<Pg> for InsertStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            count,
            columns,
            targets,
            noted,
        } = self;
        let NewColumns {
            task_ids,
            names,
            start_times,
            end_times,
            statuses,
            progress,
            created_at,
            updated_at,
            target_counts,
            targets: inline,
            labels,
        } = columns;
        let out = &mut out;
        sql!(out,
            "WITH changed AS (\
                INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
                    target_count, target, labels) \
                SELECT " {*tenant} ", n.task_id, n.name, n.start_time, n.end_time, n.status, n.progress, \
                    coalesce(n.created_at, statement_timestamp()), coalesce(n.updated_at, statement_timestamp()), \
                    n.target_count, n.target::text[], n.labels::text[] \
                FROM unnest(" {&task_ids[..]} ", " {&names[..]} ", " {&start_times[..]} ", " {&end_times[..]} ", "
                    {&statuses[..]} ", " {&progress[..]} ", " {&created_at[..]} ", " {&updated_at[..]} ", "
                    {&target_counts[..]} ", " {&inline[..]} ", " {&labels[..]} ") WITH ORDINALITY \
                    AS n (task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count, target, \
                        labels, ordinal) \
                ORDER BY n.ordinal ON CONFLICT DO NOTHING RETURNING task_id, revision, created_at, updated_at)"
        )?;
        if !targets.customers.is_empty() {
            let NewTargets {
                task_ids,
                positions,
                customers,
            } = targets;
            // Not if an id is taken, since the other task may have targets. The transaction is then
            // rolled back.
            sql!(out,
                ", targets AS (INSERT INTO task_targets (tenant_id, task_id, position, customer_id) \
                    SELECT " {*tenant} ", g.* FROM unnest(" {&task_ids[..]} ", " {&positions[..]} ", " {&customers[..]}
                        ") AS g (task_id, position, customer_id) WHERE (SELECT count(*) FROM changed) = " {count} ")"
            )?;
        }
        sql!(out, {noted} " SELECT task_id, revision, created_at, updated_at FROM changed")
    }
}

statement!(InsertStatement<'_>: (Text, BigInt, Timestamptz, Timestamptz));

impl Transaction<'_> {
    /// Inserts tasks with their targets and events. Returns the revision and times of each. Tasks
    /// with an existing id are left out; then the transaction must be rolled back.
    pub async fn task_insert(
        &mut self,
        new: &[NewTask],
        events: NewEvents<'_>,
    ) -> Result<HashMap<String, Stamp>> {
        let tenant = self.tenant.as_str();
        let insert = InsertStatement::new(tenant, new, Noted::new(tenant, events)?)?;
        type Inserted = (String, i64, DateTime<Utc>, DateTime<Utc>);
        let inserted: Vec<Inserted> = self
            .run(async |connection| insert.load(connection).await)
            .await?;
        let stamp = |(task_id, revision, created_at, updated_at): Inserted| {
            let stamp = Stamp {
                revision,
                created_at,
                updated_at,
            };
            (task_id, stamp)
        };
        Ok(inserted.into_iter().map(stamp).collect())
    }
}

/// An array as PostgreSQL reads it from a text: each element in quotes, with a backslash before
/// quotes and backslashes.
pub(super) fn array_text(elements: &[String]) -> String {
    let mut text = String::from("{");
    for (index, element) in elements.iter().enumerate() {
        text.push_str(if index == 0 { "\"" } else { ",\"" });
        for c in element.chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
    text.push('}');
    text
}

/// The labels as the text of an array; `None` if there are none.
pub(super) fn labels_text(labels: &Labels) -> Option<String> {
    labels.terms().map(|terms| array_text(&terms))
}

pub(super) fn count(of: usize) -> Result<i32> {
    i32::try_from(of).map_err(Error::internal)
}
