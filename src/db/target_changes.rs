//! The targets of a task: changing them.
//!
//! A transaction that changes targets holds the row lock of their task, so that the task's counts always match. Only
//! adding does not: new targets are inserted beside other changes, and counted once all of them are there.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::max,
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer, SmallInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    Transaction,
    clock::statement_timestamp,
    lookup::target_from,
    row::{TaskRow, to_task},
    schema::{task_targets, tasks},
    targets::to_state,
};
use crate::{
    domain::{
        limits::INLINE_TARGETS,
        target::{TargetCounts, TargetResult, TargetState},
        task::Task,
    },
    error::Result,
};

/// Only one transaction adds targets to a task at a time, so that no two targets get the same position.
const TURN: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(
    hashtextextended(current_schema() || '/' || $1 || '/' || $2, 7265830217))) AS turn";
const ADD: &str = "
    INSERT INTO task_targets (tenant_id, task_id, position, customer_id)
    SELECT $1, $2, $3 + a.ordinal::integer, a.customer_id FROM unnest($4) WITH ORDINALITY AS a (customer_id, ordinal)
    ON CONFLICT (tenant_id, customer_id, task_id) DO NOTHING";
/// What a result replaces.
#[derive(Debug)]
pub struct Met {
    /// The customer.
    pub customer_id: String,
    /// The state before the result.
    pub was: TargetState,
    /// The state of the result.
    pub state: TargetState,
    /// Whether the result was stored: it is newer than what was known.
    pub is_newer: bool,
}

#[derive(QueryableByName)]
struct GoneRow {
    #[diesel(sql_type = Text)]
    customer_id: String,
    #[diesel(sql_type = SmallInt)]
    state: i16,
}

#[derive(QueryableByName)]
struct MetRow {
    #[diesel(sql_type = Text)]
    customer_id: String,
    #[diesel(sql_type = SmallInt)]
    was: i16,
    #[diesel(sql_type = SmallInt)]
    state: i16,
    #[diesel(sql_type = Bool)]
    is_newer: bool,
}

/// SQL that joins the customers `r` to their rows among the targets of a task. The statements then change these rows by
/// ctid, since a join by key may read all targets of the task. The transaction holds the task's row lock, so no row
/// moves meanwhile.
fn find() -> String {
    format!(
        "JOIN LATERAL (
            SELECT g.task_id, g.ctid AS row_id, g.state, g.attempt, g.result_at FROM task_targets g
            WHERE g.tenant_id = $1 {}) g ON g.task_id = $2",
        target_from("r.customer_id", "$2")
    )
}

impl Transaction<'_> {
    /// Waits until no other transaction adds targets to the task, and returns the first free position in its order.
    pub async fn target_turn(&mut self, task_id: &str) -> Result<i32> {
        let tenant = self.tenant.as_str();
        let turn = sql_query(TURN)
            .bind::<Text, _>(tenant)
            .bind::<Text, _>(task_id);
        self.run(async |connection| turn.execute(connection).await)
            .await?;
        let last = task_targets::table
            .filter(task_targets::tenant_id.eq(tenant))
            .filter(task_targets::task_id.eq(task_id))
            .select(max(task_targets::position));
        let last: Option<i32> = self
            .run(async |connection| last.get_result(connection).await)
            .await?;
        Ok(last.map_or(0, |last| last + 1))
    }

    /// Adds customers at the positions from `first` on; returns how many of them the task did not have.
    pub async fn target_add(
        &mut self,
        task_id: &str,
        first: i32,
        customer_ids: &[String],
    ) -> Result<usize> {
        let add = sql_query(ADD)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Text, _>(task_id)
            // Ordinality begins at 1.
            .bind::<Integer, _>(first - 1)
            .bind::<Array<Text>, _>(customer_ids);
        self.run(async |connection| add.execute(connection).await)
            .await
    }

    /// Removes customers; returns those that the task had, each with its state.
    pub async fn target_remove(
        &mut self,
        task_id: &str,
        customer_ids: &[String],
    ) -> Result<Vec<(String, TargetState)>> {
        let remove = format!(
            "WITH found AS MATERIALIZED (SELECT g.row_id FROM unnest($3) AS r (customer_id) {})
            DELETE FROM task_targets d USING found f WHERE d.ctid = f.row_id RETURNING d.customer_id, d.state",
            find()
        );
        let remove = sql_query(remove)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Text, _>(task_id)
            .bind::<Array<Text>, _>(customer_ids);
        let gone: Vec<GoneRow> = self
            .run(async |connection| remove.load(connection).await)
            .await?;
        let gone = gone.into_iter();
        gone.map(|row| Ok((row.customer_id, to_state(row.state)?)))
            .collect()
    }

    /// Stores results, at most one for each customer. Returns what each replaces, except for customers that the task
    /// does not have.
    pub async fn target_report(
        &mut self,
        task_id: &str,
        results: &[TargetResult],
    ) -> Result<Vec<Met>> {
        let customers: Vec<&str> = results.iter().map(|r| r.customer_id.as_str()).collect();
        let states: Vec<i16> = results.iter().map(|r| r.state as i16).collect();
        let attempts: Vec<i32> = results.iter().map(|r| r.attempt).collect();
        let times: Vec<DateTime<Utc>> = results.iter().map(|r| r.time).collect();
        // Finds every customer before it changes any, since the counts need the state before.
        let report = format!(
            "WITH met AS MATERIALIZED (
                SELECT r.*, g.row_id, g.state AS was,
                    (r.attempt, r.at, r.state) > (g.attempt, coalesce(g.result_at, '-infinity'), g.state) AS is_newer
                FROM unnest($3, $4, $5, $6) AS r (customer_id, state, attempt, at) {}),
            changed AS (
                UPDATE task_targets g SET state = m.state, attempt = m.attempt, result_at = m.at FROM met m
                WHERE g.ctid = m.row_id AND m.is_newer)
            SELECT customer_id, was, state, is_newer FROM met",
            find()
        );
        let report = sql_query(report)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Text, _>(task_id)
            .bind::<Array<Text>, _>(customers)
            .bind::<Array<SmallInt>, _>(states)
            .bind::<Array<Integer>, _>(attempts)
            .bind::<Array<Timestamptz>, _>(times);
        let met: Vec<MetRow> = self
            .run(async |connection| report.load(connection).await)
            .await?;
        let to_met = |row: MetRow| {
            Ok(Met {
                customer_id: row.customer_id,
                was: to_state(row.was)?,
                state: to_state(row.state)?,
                is_newer: row.is_newer,
            })
        };
        met.into_iter().map(to_met).collect()
    }

    /// Sets the counts of a locked task to those of its targets, and the progress that follows from them.
    pub async fn task_set_counts(
        &mut self,
        task_id: &str,
        counts: &TargetCounts,
        progress: i16,
    ) -> Result<Task> {
        let set = diesel::update(tasks::table.find((self.tenant.as_str(), task_id)))
            .set((
                tasks::target_count.eq(counts.total()),
                tasks::progress.eq(progress),
                tasks::targets_answered.eq(counts.answered),
                tasks::targets_no_answer.eq(counts.no_answer),
                tasks::targets_busy.eq(counts.busy),
                tasks::targets_failed.eq(counts.failed),
                tasks::targets_skipped.eq(counts.skipped),
                tasks::updated_at.eq(statement_timestamp()),
            ))
            .returning(TaskRow::as_returning());
        let row: TaskRow = self
            .run(async |connection| set.get_result(connection).await)
            .await?;
        to_task(row)
    }

    /// Copies the first customers into the row of a locked task, after some were added or removed.
    pub async fn task_set_inline(&mut self, task_id: &str) -> Result<()> {
        let set = sql_query(
            "UPDATE tasks t SET target = ARRAY(SELECT g.customer_id FROM task_targets g
                WHERE g.tenant_id = $1 AND g.task_id = $2 ORDER BY g.position LIMIT $3)
             WHERE t.tenant_id = $1 AND t.task_id = $2",
        )
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Text, _>(task_id)
        .bind::<BigInt, _>(INLINE_TARGETS as i64);
        self.run(async |connection| set.execute(connection).await)
            .await
            .map(drop)
    }
}
