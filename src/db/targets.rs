//! The targets of a task. Whoever changes them holds the task's row, so that its counts always fit; only those that are
//! being added come in beside it, and are counted when all are there.

use chrono::{DateTime, Utc};
use diesel::{
    dsl::{max, sql},
    prelude::*,
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    TenantDb, Transaction,
    lookup::target_from,
    row::{COLUMNS, TaskRow, TaskSql, to_task},
    schema::task_targets,
};
use crate::{
    domain::{
        limits::INLINE_TARGETS,
        target::{Target, TargetCounts, TargetResult, TargetState},
        task::Task,
    },
    error::{Error, Result},
};

/// State by state and in order, as one index has them, then merged. A comparison of rows and an order
/// by both, which that index alone offers: while there are no statistics, the next one is as good to the planner.
const LIST: &str = "
    SELECT statement_timestamp() AS as_of, t.target_count, t.targets_answered, t.targets_no_answer, t.targets_busy,
        t.targets_failed, t.targets_skipped, p.*
    FROM tasks t LEFT JOIN LATERAL (
        SELECT g.* FROM unnest($3) AS s (of_state) CROSS JOIN LATERAL (
            SELECT g.position, g.customer_id, g.state, g.attempt, g.result_at FROM task_targets g
            WHERE g.tenant_id = $1 AND g.task_id = $2 AND (g.state, g.position) > (s.of_state, $4)
                AND g.state <= s.of_state
            ORDER BY g.state, g.position LIMIT $5) g
        ORDER BY g.position LIMIT $5) p ON true
    WHERE t.tenant_id = $1 AND t.task_id = $2 ORDER BY p.position";
/// Only one adds to a task at a time, so that no two take the same place in its order.
const TURN: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(
    hashtextextended(current_schema() || '/' || $1 || '/' || $2, 7265830217))) AS turn";
const ADD: &str = "
    INSERT INTO task_targets (tenant_id, task_id, position, customer_id)
    SELECT $1, $2, $3 + a.place::integer, a.customer_id FROM unnest($4) WITH ORDINALITY AS a (customer_id, place)
    ON CONFLICT (tenant_id, customer_id, task_id) DO NOTHING";
/// What the database answers to a list of targets.
#[derive(Debug)]
pub struct TargetList {
    /// The task's counts in the same snapshot.
    pub counts: TargetCounts,
    /// The targets, with their places in the task's order.
    pub targets: Vec<(i32, Target)>,
    /// The instant of the snapshot.
    pub as_of: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct ListRow {
    #[diesel(sql_type = Timestamptz)]
    as_of: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    target_count: i32,
    #[diesel(sql_type = Integer)]
    targets_answered: i32,
    #[diesel(sql_type = Integer)]
    targets_no_answer: i32,
    #[diesel(sql_type = Integer)]
    targets_busy: i32,
    #[diesel(sql_type = Integer)]
    targets_failed: i32,
    #[diesel(sql_type = Integer)]
    targets_skipped: i32,
    #[diesel(sql_type = Nullable<Integer>)]
    position: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    customer_id: Option<String>,
    #[diesel(sql_type = Nullable<SmallInt>)]
    state: Option<i16>,
    #[diesel(sql_type = Nullable<Integer>)]
    attempt: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    result_at: Option<DateTime<Utc>>,
}

/// What a result met.
#[derive(Debug)]
pub struct Met {
    /// The customer.
    pub customer_id: String,
    /// The state before.
    pub was: TargetState,
    /// The result's state.
    pub state: TargetState,
    /// Whether the result counts.
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

/// Joins to some customers `r` what they are among the targets of a task. What follows changes the rows by their places,
/// since a join by keys may read all of the task's targets; whoever changes targets holds the task, so each row still
/// is in its place.
fn find() -> String {
    format!(
        "JOIN LATERAL (
            SELECT g.task_id, g.ctid AS place, g.state, g.attempt, g.result_at FROM task_targets g
            WHERE g.tenant_id = $1 {}) g ON g.task_id = $2",
        target_from("r.customer_id", "$2")
    )
}

impl TenantDb<'_> {
    /// Targets of a task in some states, from after a place on; `None` without the task.
    pub async fn target_list(
        &self,
        task_id: &str,
        states: &[TargetState],
        after: i32,
        most: i64,
    ) -> Result<Option<TargetList>> {
        let states: Vec<i16> = states.iter().map(|s| *s as i16).collect();
        let list = sql_query(LIST)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Text, _>(task_id)
            .bind::<Array<SmallInt>, _>(states)
            .bind::<Integer, _>(after)
            .bind::<BigInt, _>(most);
        let rows: Vec<ListRow> = self
            .db
            .run(async |connection| list.load(connection).await)
            .await?;
        let [first, ..] = rows.as_slice() else {
            return Ok(None);
        };
        let mut counts = TargetCounts {
            pending: 0,
            answered: first.targets_answered,
            no_answer: first.targets_no_answer,
            busy: first.targets_busy,
            failed: first.targets_failed,
            skipped: first.targets_skipped,
        };
        counts.pending = first.target_count - counts.total();
        let as_of = first.as_of;
        let targets: Result<Option<_>> = rows.into_iter().map(to_target).collect();
        Ok(Some(TargetList {
            counts,
            // Without a target there is one row, for the task alone.
            targets: targets?.unwrap_or_default(),
            as_of,
        }))
    }
}

fn to_target(row: ListRow) -> Result<Option<(i32, Target)>> {
    let ListRow {
        position: Some(position),
        customer_id: Some(customer_id),
        state: Some(state),
        attempt: Some(attempt),
        result_at,
        ..
    } = row
    else {
        return Ok(None);
    };
    let target = Target {
        customer_id,
        state: to_state(state)?,
        attempt,
        time: result_at,
    };
    Ok(Some((position, target)))
}

fn to_state(number: i16) -> Result<TargetState> {
    TargetState::from_number(number.into())
        .ok_or_else(|| Error::internal(format!("the database holds a target in state {number}")))
}

impl Transaction<'_> {
    /// Waits until nobody else adds to the task, and answers the first free place in its order.
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

    /// Adds customers at places from `first` on; answers how many the task did not have.
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

    /// Removes customers; answers those that were there, and in which state.
    pub async fn target_remove(
        &mut self,
        task_id: &str,
        customer_ids: &[String],
    ) -> Result<Vec<(String, TargetState)>> {
        let remove = format!(
            "WITH found AS MATERIALIZED (SELECT g.place FROM unnest($3) AS r (customer_id) {})
            DELETE FROM task_targets d USING found f WHERE d.ctid = f.place RETURNING d.customer_id, d.state",
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

    /// Takes in results, one a customer; answers what each met, but for customers that the task does not have.
    pub async fn target_report(
        &mut self,
        task_id: &str,
        results: &[TargetResult],
    ) -> Result<Vec<Met>> {
        let customers: Vec<&str> = results.iter().map(|r| r.customer_id.as_str()).collect();
        let states: Vec<i16> = results.iter().map(|r| r.state as i16).collect();
        let attempts: Vec<i32> = results.iter().map(|r| r.attempt).collect();
        let times: Vec<DateTime<Utc>> = results.iter().map(|r| r.time).collect();
        // Looks every customer up before it changes any: the state before is what the counts need.
        let report = format!(
            "WITH met AS MATERIALIZED (
                SELECT r.*, g.place, g.state AS was,
                    (r.attempt, r.at, r.state) > (g.attempt, coalesce(g.result_at, '-infinity'), g.state) AS is_newer
                FROM unnest($3, $4, $5, $6) AS r (customer_id, state, attempt, at) {}),
            changed AS (
                UPDATE task_targets g SET state = m.state, attempt = m.attempt, result_at = m.at FROM met m
                WHERE g.ctid = m.place AND m.is_newer)
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

    /// Gives a locked task the counts that its targets have by now, and the progress that follows.
    pub async fn task_set_counts(
        &mut self,
        task_id: &str,
        counts: &TargetCounts,
        progress: i16,
    ) -> Result<Task> {
        let tenant = self.tenant.as_str();
        let set = sql::<TaskSql>("UPDATE tasks t SET target_count = ")
            .bind::<Integer, _>(counts.total())
            .sql(", progress = ")
            .bind::<SmallInt, _>(progress)
            .sql(", targets_answered = ")
            .bind::<Integer, _>(counts.answered)
            .sql(", targets_no_answer = ")
            .bind::<Integer, _>(counts.no_answer)
            .sql(", targets_busy = ")
            .bind::<Integer, _>(counts.busy)
            .sql(", targets_failed = ")
            .bind::<Integer, _>(counts.failed)
            .sql(", targets_skipped = ")
            .bind::<Integer, _>(counts.skipped)
            .sql(", updated_at = statement_timestamp() WHERE t.tenant_id = ")
            .bind::<Text, _>(tenant)
            .sql(" AND t.task_id = ")
            .bind::<Text, _>(task_id)
            .sql(" RETURNING ")
            .sql(COLUMNS)
            .sql(", t.target");
        let row: TaskRow = self
            .run(async |connection| set.get_result(connection).await)
            .await?;
        to_task(row)
    }

    /// Keeps the first customers with the locked task itself, after some were added or removed.
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
