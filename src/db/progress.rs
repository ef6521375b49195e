//! Stores and reads points of the progress of tasks.
//!
//! A point has the numbers of a running task at an instant. The key of the table has the minute, so however many services
//! take points, a task has at most one a minute. A service that stores the same points as another one waits until that one's
//! statement ends, and both insert in the order of ids, so that they cannot deadlock. Writers of results do nothing for it.
//!
//! A scan of the index `tasks_stalled` finds the running tasks of the last minutes: it has them in the order of what
//! happened to them last. A task of the scan gets a point if its numbers differ from those of its last point, or if it
//! began to run since.
//!
//! A task keeps [`MOST_POINTS`] points. Beyond them, those that are older than [`FRESH`] are thinned: a power of two of
//! minutes keeps its last point, and the power is the smallest that leaves about [`OLD_POINTS`]. So the points of a task
//! of any age are spread evenly over its life, and a thinning of some 60 points follows at most each hour. The last point
//! before a time without results stays, as it has the numbers of that time. The first point of a task stays too.
//!
//! A task may be deleted while a point of it is stored. So points have the generation of their task, and those of another
//! one are never read.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryResult, dsl,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment},
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer, Interval, Nullable, SmallInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    TenantDb,
    clock::span,
    row::to_status,
    schema::task_progress,
    sql::{Part, sql, statement},
};
use crate::{
    domain::{
        progress::{ProgressHistory, ProgressPoint},
        target::TargetCounts,
    },
    error::Result,
};

/// Most points of a task.
const MOST_POINTS: i64 = 240;
/// Points of the last minutes are not thinned.
const FRESH: i32 = 60;
/// About how many older points a thinning leaves.
const OLD_POINTS: i32 = 120;
/// A scan begins with tasks to which something happened in this time, in seconds. A task that had its last result while no
/// service ran gets its next point with its next result.
const RECENT: i64 = 300;

/// The time by which the index `tasks_stalled` orders running tasks.
const HAPPENED: &str = "greatest(t.last_result_at, t.status_changed_at, t.created_at)";
/// The minute of a point that is stored by the statement.
const MINUTE: &str = "floor(extract(epoch FROM statement_timestamp()) / 60)::integer";
/// The numbers of a point, as a task `t` has them.
const OF_TASK: &str = "t.calls, t.target_count, t.targets_answered, t.targets_no_answer, t.targets_busy, t.targets_failed, \
    t.targets_skipped, t.progress";
/// The same of a point `p`.
const OF_POINT: &str = "p.calls, p.target_count, p.targets_answered, p.targets_no_answer, p.targets_busy, p.targets_failed, \
    p.targets_skipped, p.progress";

/// The last task of a scan.
#[derive(Debug, Clone)]
pub struct ScannedTo {
    at: DateTime<Utc>,
    task_id: String,
}

/// What came of the scan of some tasks.
#[derive(Debug)]
pub struct Sampled {
    /// The tasks that got a point.
    pub task_ids: Vec<String>,
    /// Where the next scan begins; `None` if no task is left.
    pub next: Option<ScannedTo>,
}

/// Stores the points of at most `most` tasks. Returns the tasks that were scanned, and whether each got a point.
#[derive(Debug)]
struct SampleStatement<'a> {
    tenant: &'a str,
    after: Option<&'a ScannedTo>,
    most: i64,
}

/// The values behind which a scan begins.
#[derive(Debug, Clone, Copy)]
struct Behind<'b>(Option<&'b ScannedTo>);

impl<'b> Part<'b> for Behind<'b> {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self.0 {
            Some(ScannedTo { at, task_id }) => sql!(out, {at} ", " {task_id.as_str()}),
            None => sql!(out, "statement_timestamp() - " {&RECENT} " * interval '1 second', ''"),
        }
    }
}

impl QueryFragment<Pg> for SampleStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            after,
            most,
        } = self;
        let out = &mut out;
        // A task that was imported as running gets no point before something happens to it.
        sql!(out,
            "WITH scanned AS MATERIALIZED (\
                SELECT t.task_id, " [HAPPENED] " AS happened, t.last_result_at, t.status_changed_at, t.generation, " [OF_TASK]
                " FROM tasks t WHERE t.tenant_id = " {*tenant} " AND t.status = 2 AND (" [HAPPENED] ", t.task_id) > ("
                {Behind(*after)} ") ORDER BY " [HAPPENED] ", t.task_id LIMIT " {most} "), \
             stored AS (INSERT INTO task_progress AS p (tenant_id, task_id, minute, at, generation, calls, target_count, \
                    targets_answered, targets_no_answer, targets_busy, targets_failed, targets_skipped, progress) \
                SELECT " {*tenant} ", t.task_id, " [MINUTE] ", statement_timestamp(), t.generation, " [OF_TASK]
                " FROM scanned t LEFT JOIN LATERAL (SELECT p.minute, p.at, p.generation, " [OF_POINT]
                    " FROM task_progress p WHERE p.tenant_id = " {*tenant}
                    " AND p.task_id >= t.task_id AND p.task_id <= t.task_id ORDER BY p.task_id DESC, p.minute DESC LIMIT 1) p ON true \
                WHERE greatest(t.last_result_at, t.status_changed_at) > statement_timestamp() - " {&RECENT} " * interval '1 second' \
                    AND (p.minute IS NULL OR p.generation <> t.generation OR p.minute < " [MINUTE]
                    " AND (p.at < t.status_changed_at OR (" [OF_POINT] ") IS DISTINCT FROM (" [OF_TASK] "))) \
                ORDER BY t.task_id ON CONFLICT DO NOTHING RETURNING p.task_id) \
             SELECT t.happened, t.task_id, s.task_id IS NOT NULL FROM scanned t LEFT JOIN stored s ON s.task_id = t.task_id \
             ORDER BY t.happened, t.task_id"
        )
    }
}

statement!(SampleStatement<'_>: (Timestamptz, Text, Bool));

/// Thins the points of those tasks that have too many.
#[derive(Debug)]
struct ThinStatement<'a> {
    tenant: &'a str,
    task_ids: &'a [String],
}

impl QueryFragment<Pg> for ThinStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, task_ids } = self;
        let out = &mut out;
        sql!(out,
            "DELETE FROM task_progress p USING unnest(" {*task_ids} ") AS a (task_id) CROSS JOIN LATERAL (\
                SELECT o.row_id, o.minute > o.first AND row_number() OVER (PARTITION BY o.minute / o.width ORDER BY o.minute DESC) > 1 \
                    AS is_spare \
                FROM (SELECT o.row_id, o.minute, o.points, o.first, o.last, \
                        (2 ^ ceil(log(2, greatest((o.last - o.first)::numeric / " {&OLD_POINTS} ", 1))))::integer AS width \
                    FROM (SELECT o.row_id, o.minute, count(*) OVER () AS points, min(o.minute) OVER () AS first, \
                            max(o.minute) OVER () AS last \
                        FROM (SELECT p.ctid AS row_id, p.minute FROM task_progress p WHERE p.tenant_id = " {*tenant}
                            " AND p.task_id >= a.task_id AND p.task_id <= a.task_id ORDER BY p.task_id, p.minute OFFSET 0) o) o) o \
                WHERE o.points > " {&MOST_POINTS} " AND o.minute < o.last - " {&FRESH} ") o \
             WHERE o.is_spare AND p.ctid = o.row_id"
        )
    }
}

statement!(ThinStatement<'_>: ());

/// Reads a task, and its points.
#[derive(Debug)]
struct ProgressStatement<'a> {
    tenant: &'a str,
    task_id: &'a str,
}

/// As [`OF_TASK`] has them.
type Numbers = (i64, i32, i32, i32, i32, i32, i32, i16);
type NumbersSql = (
    BigInt,
    Integer,
    Integer,
    Integer,
    Integer,
    Integer,
    Integer,
    SmallInt,
);
/// The time of the statement, the status of the task, since when it has it, and when its last result was stored; the numbers
/// of the task; a point.
type Row = (
    (DateTime<Utc>, i16, DateTime<Utc>, Option<DateTime<Utc>>),
    Numbers,
    Option<(DateTime<Utc>, Numbers)>,
);

impl QueryFragment<Pg> for ProgressStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, task_id } = self;
        let out = &mut out;
        sql!(out,
            "SELECT statement_timestamp(), t.status, coalesce(t.status_changed_at, t.created_at), t.last_result_at, " [OF_TASK]
                ", p.at, " [OF_POINT]
            " FROM (SELECT * FROM tasks t WHERE t.tenant_id = " {*tenant} " AND t.task_id >= " {*task_id}
                " AND t.task_id <= " {*task_id} " ORDER BY t.task_id LIMIT 1) t \
             LEFT JOIN (SELECT * FROM task_progress p WHERE p.tenant_id = " {*tenant} " AND p.task_id >= " {*task_id}
                " AND p.task_id <= " {*task_id} " ORDER BY p.task_id, p.minute OFFSET 0) p ON p.generation = t.generation \
             ORDER BY p.minute"
        )
    }
}

statement!(ProgressStatement<'_>: (
    (Timestamptz, SmallInt, Timestamptz, Nullable<Timestamptz>),
    NumbersSql,
    Nullable<(Timestamptz, NumbersSql)>,
));

impl TenantDb<'_> {
    /// Stores points of at most `most` running tasks, of those that follow `after`.
    pub async fn progress_sample(&self, after: Option<&ScannedTo>, most: i64) -> Result<Sampled> {
        let sample = SampleStatement {
            tenant: self.tenant.as_str(),
            after,
            most,
        };
        let scanned: Vec<(DateTime<Utc>, String, bool)> = self
            .run_own(async |connection| sample.load(connection).await)
            .await?;
        let is_full = scanned.len() as i64 == most;
        let next = scanned.last().filter(|_| is_full);
        let next = next.map(|(at, task_id, _)| ScannedTo {
            at: *at,
            task_id: task_id.clone(),
        });
        let stored = scanned.into_iter().filter(|(_, _, is_stored)| *is_stored);
        Ok(Sampled {
            task_ids: stored.map(|(_, task_id, _)| task_id).collect(),
            next,
        })
    }

    /// Thins the points of those of the tasks that have too many; returns how many points were deleted.
    pub async fn progress_thin(&self, task_ids: &[String]) -> Result<usize> {
        let thin = ThinStatement {
            tenant: self.tenant.as_str(),
            task_ids,
        };
        self.run_own(async |connection| thin.execute(connection).await)
            .await
    }

    /// The task and its points; `None` if there is no such task.
    pub async fn progress_get(&self, task_id: &str) -> Result<Option<ProgressHistory>> {
        let read = ProgressStatement {
            tenant: self.tenant.as_str(),
            task_id,
        };
        let rows: Vec<Row> = self
            .run("progress", async |connection| read.load(connection).await)
            .await?;
        let [
            ((now, status, status_since, last_result_at), numbers, _),
            ..,
        ] = rows.as_slice()
        else {
            return Ok(None);
        };
        // A task without points has one row, without a point.
        let points = rows.iter().filter_map(|(_, _, point)| *point);
        Ok(Some(ProgressHistory {
            points: points.map(|(at, numbers)| to_point(at, numbers)).collect(),
            now: to_point(*now, *numbers),
            status: to_status(*status)?,
            status_since: *status_since,
            last_result_at: *last_result_at,
        }))
    }

    /// Deletes points older than `age`, at most `most`; returns how many.
    pub async fn progress_clean(&self, age: TimeDelta, most: i64) -> Result<usize> {
        let before = dsl::sql::<Timestamptz>("now() - ").bind::<Interval, _>(span(age));
        let old = task_progress::table
            .filter(task_progress::tenant_id.eq(self.tenant.as_str()))
            .filter(task_progress::at.lt(before))
            .order(task_progress::at)
            .limit(most)
            .select((task_progress::task_id, task_progress::minute));
        let old: Vec<(String, i32)> = self
            .run_own(async |connection| old.load(connection).await)
            .await?;
        if old.is_empty() {
            return Ok(0);
        }
        let (task_ids, minutes): (Vec<_>, Vec<_>) = old.into_iter().unzip();
        // As for events: the index by time found them, and the primary key deletes them.
        let clean = sql_query(
            "DELETE FROM task_progress p USING unnest($2, $3) AS old (task_id, minute)
             WHERE p.tenant_id = $1 AND p.task_id = old.task_id AND p.minute = old.minute",
        )
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Array<Text>, _>(task_ids)
        .bind::<Array<Integer>, _>(minutes);
        self.run_own(async |connection| clean.execute(connection).await)
            .await
    }
}

fn to_point(at: DateTime<Utc>, numbers: Numbers) -> ProgressPoint {
    let (calls, target_count, answered, no_answer, busy, failed, skipped, progress) = numbers;
    ProgressPoint {
        at,
        progress,
        counts: TargetCounts::of_results(
            target_count,
            [answered, no_answer, busy, failed, skipped],
        ),
        calls,
    }
}
