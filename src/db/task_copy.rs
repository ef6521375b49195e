//! Copies a task: its customers in some states, and then the new task.
//!
//! One statement copies the customers, millions too, so all of them come from one snapshot. It holds no lock on the source,
//! which can be changed and reported on meanwhile. The new task is inserted last, because its row has the number of its
//! customers and the first of them.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Nullable, Text},
};
use diesel_async::RunQueryDsl;

use super::{
    NewEvents, Transaction,
    events::Noted,
    keyset::Keyset,
    row::{COLUMNS, TaskRow, TaskSql, to_labels, to_task},
    sql::{Constant, sql, statement},
};
use crate::{
    domain::{
        labels::Labels,
        limits::INLINE_TARGETS,
        order::Direction,
        status::TaskStatus,
        target::TargetState,
        task::{NewTask, Task},
    },
    error::{Error, Result},
};

/// The status of a copy.
const PENDING: i16 = TaskStatus::Pending as i16;
/// A position before all others.
const BEFORE_ALL: i32 = -1;

/// Copies the targets of a task that are in some states to another task, which must not exist yet. Returns their number and
/// the labels of the source; no row if there is no source.
///
/// Each state is read in the order of positions, as one index has it, so the statement reads what it copies. It copies
/// nothing if the new id is taken, and leaves out what a task with this id has: then the task cannot be inserted either.
#[derive(Debug)]
struct CopyTargets<'a> {
    tenant: &'a str,
    source: &'a str,
    task_id: &'a str,
    states: Vec<i16>,
}

impl QueryFragment<Pg> for CopyTargets<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            source,
            task_id,
            states,
        } = self;
        let out = &mut out;
        let of_state = Keyset {
            column: Some("state"),
            unique: "position",
            direction: Direction::Ascending,
        };
        sql!(out,
            "WITH source AS MATERIALIZED (SELECT t.labels FROM tasks t WHERE t.tenant_id = " {*tenant}
                " AND t.task_id >= " {*source} " AND t.task_id <= " {*source} " ORDER BY t.task_id LIMIT 1), \
             copied AS (INSERT INTO task_targets (tenant_id, task_id, position, customer_id) \
                SELECT " {*tenant} ", " {*task_id} ", (row_number() OVER (ORDER BY g.position) - 1)::integer, g.customer_id \
                FROM unnest(" {&states[..]} ") AS s (of_state) CROSS JOIN LATERAL (\
                    SELECT g.position, g.customer_id FROM task_targets g \
                    WHERE g.tenant_id = " {*tenant} " AND g.task_id = " {*source}
                    {of_state.after("g", Constant("s.of_state"), &BEFORE_ALL)} " AND g.state <= s.of_state"
                    {of_state.order("g")} " OFFSET 0) g \
                WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.tenant_id = " {*tenant}
                    " AND t.task_id >= " {*task_id} " AND t.task_id <= " {*task_id} ") \
                ON CONFLICT DO NOTHING RETURNING 1) \
             SELECT (SELECT count(*) FROM copied), labels FROM source"
        )
    }
}

statement!(CopyTargets<'_>: (BigInt, Nullable<Array<Text>>));

/// Inserts a pending task whose targets are there already, and its event. Returns the task; no row if its id is taken.
#[derive(Debug)]
struct InsertCopy<'a> {
    tenant: &'a str,
    task: &'a NewTask,
    target_count: i32,
    labels: Option<Vec<String>>,
    noted: Noted<'a>,
}

/// Most customers in the row of a task.
const INLINE: i64 = INLINE_TARGETS as i64;

impl QueryFragment<Pg> for InsertCopy<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            task,
            target_count,
            labels,
            noted,
        } = self;
        let out = &mut out;
        let (task_id, name) = (task.task_id.as_str(), task.name.as_str());
        let (start_time, end_time): (&DateTime<Utc>, &DateTime<Utc>) =
            (&task.start_time, &task.end_time);
        let source = task.copied_from.as_str();
        sql!(out,
            "WITH changed AS (\
                INSERT INTO tasks AS t (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, \
                    updated_at, target_count, target, labels, copied_from) \
                SELECT " {*tenant} ", " {task_id} ", " {name} ", " {start_time} ", " {end_time} ", " {&PENDING}
                    ", 0, statement_timestamp(), statement_timestamp(), " {target_count} ", \
                    ARRAY(SELECT g.customer_id FROM task_targets g WHERE g.tenant_id = " {*tenant} " AND g.task_id = " {task_id}
                        " ORDER BY g.position LIMIT " {&INLINE} "), " {labels} ", " {source}
                " ON CONFLICT DO NOTHING RETURNING " [COLUMNS] "t.target)"
            {noted} " SELECT " [COLUMNS] "t.target FROM changed t"
        )
    }
}

statement!(InsertCopy<'_>: TaskSql);

impl Transaction<'_> {
    /// Copies the targets of the task `source` that are in one of `states` to the task `task_id`, all of them pending.
    /// Returns their number and the labels of the source; `None` if there is no source.
    pub async fn targets_copy(
        &mut self,
        source: &str,
        task_id: &str,
        states: &[TargetState],
    ) -> Result<Option<(i32, Labels)>> {
        let copy = CopyTargets {
            tenant: self.tenant.as_str(),
            source,
            task_id,
            states: states.iter().map(|state| *state as i16).collect(),
        };
        let copied: Option<(i64, Option<Vec<String>>)> = self
            .run(async |connection| copy.get_result(connection).await.optional())
            .await?;
        let Some((count, labels)) = copied else {
            return Ok(None);
        };
        let count = i32::try_from(count).map_err(Error::internal)?;
        Ok(Some((count, to_labels(labels))))
    }

    /// Inserts `task`, which has the `target_count` targets that were copied to it, and its event. Returns the task; `None`
    /// if its id is taken, and then the transaction must be rolled back.
    pub async fn task_insert_copy(
        &mut self,
        task: &NewTask,
        target_count: i32,
        events: NewEvents<'_>,
    ) -> Result<Option<Task>> {
        let tenant = self.tenant.as_str();
        let insert = InsertCopy {
            tenant,
            task,
            target_count,
            labels: task.labels.terms(),
            noted: Noted::new(tenant, events)?,
        };
        let row: Option<TaskRow> = self
            .run(async |connection| insert.get_result(connection).await.optional())
            .await?;
        row.map(to_task).transpose()
    }
}
