//! The targets of a task: changing them.
//!
//! A transaction that changes targets holds the row lock of their task, so that the task's counts always match. Only
//! adding does not: new targets are inserted beside other changes, and counted once all of them are there.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    dsl::max,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment},
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer, SmallInt, Text},
};
use diesel_async::RunQueryDsl;
use futures_util::future::join;

use super::{
    NewEvents, Transaction,
    events::Noted,
    lookup::target_from,
    row::{TaskRow, to_task},
    schema::task_targets,
    sql::{sql, statement},
    targets::to_state,
    writes::{ChangeStatement, Counts, Set, one},
};
use crate::{
    domain::{
        target::{TargetCounts, TargetResult, TargetState},
        task::Task,
    },
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// Only one transaction adds targets to a task at a time, so that no two targets get the same position.
const TURN: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(
    hashtextextended(current_schema() || '/' || $1 || '/' || $2, 7265830217))) AS turn";
/// The same lock as that of [`ImportTransaction::wait_for_turn`](super::ImportTransaction::wait_for_turn).
const IMPORT_TURN: &str = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(
    hashtextextended(current_schema() || '/' || $1, 7265830216))) AS turn";
const ADD: &str = "
    INSERT INTO task_targets (tenant_id, task_id, position, customer_id)
    SELECT $1, $2, $3 + a.ordinal::integer, a.customer_id FROM unnest($4) WITH ORDINALITY AS a (customer_id, ordinal)
    ON CONFLICT (tenant_id, customer_id, task_id) DO NOTHING";

/// Which targets of a task a write finds before it decides.
#[derive(Debug, Clone, Copy, Default)]
pub enum Find<'a> {
    /// None.
    #[default]
    None,
    /// Those of these customers.
    Customers(&'a [String]),
    /// Those of these results, at most one for each customer.
    Results(&'a [TargetResult]),
}

/// A target that was found.
#[derive(Debug)]
pub struct Met {
    /// The customer.
    pub customer_id: String,
    /// The state.
    pub was: TargetState,
    /// The index of the result among those that were looked for.
    pub index: usize,
    /// Whether the result is newer than what is known.
    pub is_newer: bool,
    /// The number of the last call that is known; 0 if none.
    pub attempt: i32,
    /// Where its row is, in PostgreSQL's notation.
    row_id: String,
}

/// Ordinal, customer, row, state, attempt, and whether the result is newer.
pub(super) type FoundRow = (i64, String, String, i16, i32, bool);

impl Met {
    pub(super) fn of_row(row: FoundRow) -> Result<Self> {
        let (ordinal, customer_id, row_id, was, attempt, is_newer) = row;
        Ok(Self {
            customer_id,
            was: to_state(was)?,
            index: usize::try_from(ordinal - 1).map_err(Error::internal)?,
            is_newer,
            attempt,
            row_id,
        })
    }
}

/// Finds the rows of customers among the targets of a task. The statement that changes these rows
/// afterwards names them by ctid, since a join by key may read all targets of the task. The
/// transaction holds the task's row lock, so the service moves no row meanwhile.
#[derive(Debug)]
pub(super) struct FindStatement<'a> {
    tenant: &'a str,
    task_id: &'a str,
    customers: Vec<&'a str>,
    /// Empty if there are customers without results.
    states: Vec<i16>,
    attempts: Vec<i32>,
    times: Vec<DateTime<Utc>>,
}

impl<'a> FindStatement<'a> {
    /// `None` if there is nothing to find.
    pub(super) fn new(tenant: &'a str, task_id: &'a str, find: Find<'a>) -> Option<Self> {
        let mut statement = Self {
            tenant,
            task_id,
            customers: Vec::new(),
            states: Vec::new(),
            attempts: Vec::new(),
            times: Vec::new(),
        };
        match find {
            Find::None => {}
            Find::Customers(ids) => {
                statement.customers.extend(ids.iter().map(String::as_str));
                // Each once, so that each target is found once.
                statement.customers.sort_unstable();
                statement.customers.dedup();
            }
            Find::Results(results) => {
                let customers = results.iter().map(|r| r.customer_id.as_str());
                statement.customers.extend(customers);
                statement
                    .states
                    .extend(results.iter().map(|r| r.state as i16));
                statement.attempts.extend(results.iter().map(|r| r.attempt));
                statement.times.extend(results.iter().map(|r| r.time));
            }
        }
        (!statement.customers.is_empty()).then_some(statement)
    }
}

impl QueryFragment<Pg> for FindStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            task_id,
            customers,
            states,
            attempts,
            times,
        } = self;
        let out = &mut out;
        sql!(
            out,
            "SELECT r.ordinal, r.customer_id, g.row_id, g.state, g.attempt, "
        )?;
        match states.is_empty() {
            true => sql!(out,
                "false FROM unnest(" {&customers[..]} ") WITH ORDINALITY AS r (customer_id, ordinal)"
            )?,
            false => sql!(out,
                "(r.attempt, r.at, r.state) > (g.attempt, coalesce(g.result_at, '-infinity'), g.state) FROM unnest("
                {&customers[..]} ", " {&states[..]} ", " {&attempts[..]} ", " {&times[..]}
                ") WITH ORDINALITY AS r (customer_id, state, attempt, at, ordinal)"
            )?,
        }
        sql!(out,
            " CROSS JOIN (SELECT " {*task_id} "::text) AS t (task_id) JOIN LATERAL (\
                SELECT g.task_id, g.ctid::text AS row_id, g.state, g.attempt, g.result_at FROM task_targets g \
                WHERE g.tenant_id = " {*tenant}
        )?;
        out.push_sql(&target_from("r.customer_id", "t.task_id"));
        sql!(out, ") g ON g.task_id = t.task_id")
    }
}

statement!(FindStatement<'_>: (BigInt, Text, Text, SmallInt, Integer, Bool));

/// Stores results in the rows of targets.
#[derive(Debug)]
struct ReportStatement<'a> {
    row_ids: Vec<&'a str>,
    states: Vec<i16>,
    attempts: Vec<i32>,
    times: Vec<DateTime<Utc>>,
}

impl QueryFragment<Pg> for ReportStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            row_ids,
            states,
            attempts,
            times,
        } = self;
        let out = &mut out;
        sql!(out,
            "UPDATE task_targets g SET state = r.state, attempt = r.attempt, result_at = r.at \
             FROM unnest(" {&row_ids[..]} "::tid[], " {&states[..]} ", " {&attempts[..]} ", " {&times[..]}
                ") AS r (row_id, state, attempt, at) WHERE g.ctid = r.row_id"
        )
    }
}

statement!(ReportStatement<'_>: ());

/// Deletes rows of targets.
#[derive(Debug)]
struct RemoveStatement<'a> {
    row_ids: Vec<&'a str>,
}

impl QueryFragment<Pg> for RemoveStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { row_ids } = self;
        let out = &mut out;
        sql!(out,
            "DELETE FROM task_targets g USING unnest(" {&row_ids[..]} "::tid[]) AS r (row_id) WHERE g.ctid = r.row_id"
        )
    }
}

statement!(RemoveStatement<'_>: ());

impl Transaction<'_> {
    /// Waits until no other import that must run alone in this tenant is in progress.
    pub async fn import_turn(&mut self) -> Result<()> {
        let turn = sql_query(IMPORT_TURN).bind::<Text, _>(self.tenant.as_str());
        self.run(async |connection| turn.execute(connection).await)
            .await?;
        Ok(())
    }

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

    /// Stores the newer ones among `results`, which were found as `met`, and the new counts of
    /// their task.
    pub async fn target_report(
        &mut self,
        task_id: &str,
        results: &[TargetResult],
        met: &[Met],
        counted: Counted<'_>,
    ) -> Result<Task> {
        let newer: Vec<&Met> = met.iter().filter(|met| met.is_newer).collect();
        let of_met = newer.iter().map(|met| results.get(met.index));
        let found: Option<Vec<&TargetResult>> = of_met.collect();
        let found =
            found.ok_or_else(|| Error::internal("a result was found that was not asked for"))?;
        let report = ReportStatement {
            row_ids: newer.iter().map(|met| met.row_id.as_str()).collect(),
            states: found.iter().map(|r| r.state as i16).collect(),
            attempts: found.iter().map(|r| r.attempt).collect(),
            times: found.iter().map(|r| r.time).collect(),
        };
        self.change_targets(report, newer.len(), task_id, counted)
            .await
    }

    /// Removes the targets that were found as `met`, and stores the new counts of their task.
    pub async fn target_remove(
        &mut self,
        task_id: &str,
        met: &[Met],
        counted: Counted<'_>,
    ) -> Result<Task> {
        let remove = RemoveStatement {
            row_ids: met.iter().map(|met| met.row_id.as_str()).collect(),
        };
        self.change_targets(remove, met.len(), task_id, counted)
            .await
    }

    /// Changes rows of targets and then their task, in one round trip. Two statements: the second
    /// one sees what the first has changed.
    async fn change_targets<S>(
        &mut self,
        change: S,
        rows: usize,
        task_id: &str,
        counted: Counted<'_>,
    ) -> Result<Task>
    where
        S: QueryFragment<Pg> + diesel::query_builder::QueryId + Send,
    {
        let task_ids = [task_id];
        let count = counted.statement(self.tenant.as_str(), &task_ids)?;
        let (changed, task): (usize, Vec<TaskRow>) = self
            .run(async |connection| {
                let shared = *connection;
                let change = async { change.execute(&mut &*shared).await };
                let count = async { count.load(&mut &*shared).await };
                let (changed, task) = join(change, count).await;
                Ok((changed?, task?))
            })
            .await?;
        // A writer that does not lock the task, such as plain SQL, may have moved a row since it
        // was found.
        if changed != rows {
            let what = "another change came between; nothing was changed, try again";
            return Err(Error::new(ErrorKind::Aborted, what).because(ErrorReason::DatabaseConflict));
        }
        one(task.into_iter().map(to_task).collect::<Result<_>>()?)
    }

    /// Sets the counts of a locked task to those of its targets.
    pub async fn task_set_counts(&mut self, task_id: &str, counted: Counted<'_>) -> Result<Task> {
        let (set, events) = counted.into_set();
        one(self.task_set(&[task_id], set, events).await?)
    }
}

/// The counts of a task after its targets changed, and its event.
#[derive(Debug)]
pub struct Counted<'a> {
    /// The number of targets in each state.
    pub counts: TargetCounts,
    /// The progress of the task.
    pub progress: i16,
    /// Whether targets were added or removed.
    pub has_other_targets: bool,
    /// How many calls the stored results are of; `None` if no results were stored.
    pub calls: Option<i64>,
    /// The event.
    pub events: NewEvents<'a>,
}

impl<'a> Counted<'a> {
    fn into_set(self) -> (Set<'a>, NewEvents<'a>) {
        let Self {
            counts,
            progress,
            has_other_targets,
            calls,
            events,
        } = self;
        let set = Set::Counts(Counts {
            target_count: counts.total(),
            progress,
            states: [
                counts.answered,
                counts.no_answer,
                counts.busy,
                counts.failed,
                counts.skipped,
            ],
            has_other_targets,
            calls,
        });
        (set, events)
    }

    fn statement(self, tenant: &'a str, task_ids: &'a [&'a str]) -> Result<ChangeStatement<'a>> {
        let (set, events) = self.into_set();
        Ok(ChangeStatement {
            tenant,
            task_ids,
            set,
            noted: Noted::new(tenant, events)?,
        })
    }
}
