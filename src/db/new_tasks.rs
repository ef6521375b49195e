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
    task_columns::{NAMES, TaskColumns, VALUES, count, in_order},
};
use crate::{
    domain::task::{NewTask, Stamp},
    error::Result,
};

/// Inserts tasks in the order of their ids, so that two writers of the same tasks cannot deadlock,
/// with their targets and events. Returns id, revision and times of each; a task whose id is taken
/// is left out.
#[derive(Debug)]
struct InsertStatement<'a> {
    tenant: &'a str,
    count: i64,
    columns: TaskColumns<'a>,
    targets: NewTargets<'a>,
    noted: Noted<'a>,
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
        let (mut columns, mut targets) = (TaskColumns::default(), NewTargets::default());
        for task in in_order(new) {
            columns.add(task)?;
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
        let out = &mut out;
        sql!(out,
            "WITH changed AS (\
                INSERT INTO tasks (tenant_id, " [NAMES] ") SELECT " {*tenant} ", " [VALUES]
                " FROM unnest(" {columns} ") WITH ORDINALITY AS n (" [NAMES] ", ordinal) \
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
