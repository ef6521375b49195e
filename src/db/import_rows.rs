//! Loads the tasks of an import by INSERT, in a write transaction of a tenant.
//!
//! COPY is faster, but PostgreSQL has none into tables with row-level security for a role that it restricts. Each statement
//! takes the rows of a batch as arrays, one for each column.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_query,
    sql_types::{Array, BigInt, Bool, Integer, SmallInt, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    NewEvents, Transaction,
    events::Noted,
    import::{NewResults, RESULTS_KEPT, TAKEN},
    row::to_status,
    sql::{sql, statement},
    task_columns::{NAMES, TaskColumns, VALUES, count, in_order},
};
use crate::{
    domain::{status::TaskStatus, target::TargetState, task::NewTask},
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// How many targets one statement inserts at most, which bounds its memory.
const TARGETS_AT_A_TIME: usize = 50_000;

/// Finds and locks tasks that are replaced, each by one scan of the primary key, in the order of their ids. The statement
/// that deletes them names their rows: it would not see rows that another transaction moved after its start.
const LOCK: &str = "SELECT t.* FROM unnest($2) AS a (task_id) \
    CROSS JOIN LATERAL (SELECT t.task_id, t.name, t.status, t.target_count, t.ctid::text AS row_id, \
    t.xmin = pg_current_xact_id()::xid AS is_own, targets_answered::bigint + targets_no_answer + targets_busy \
    + targets_failed + targets_skipped AS results FROM tasks t WHERE t.tenant_id = $1 AND t.task_id >= a.task_id \
    AND t.task_id <= a.task_id ORDER BY t.task_id LIMIT 1 FOR UPDATE) t";

/// A task that is about to be replaced, locked.
#[derive(Debug, QueryableByName)]
pub struct Replaced {
    /// The id.
    #[diesel(sql_type = Text)]
    pub task_id: String,
    /// The name.
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = SmallInt)]
    status: i16,
    /// The number of targets.
    #[diesel(sql_type = Integer)]
    pub target_count: i32,
    /// Whether this transaction itself loaded it.
    #[diesel(sql_type = Bool)]
    pub is_own: bool,
    /// The number of results.
    #[diesel(sql_type = BigInt)]
    pub results: i64,
    /// Where its row is, in PostgreSQL's notation.
    #[diesel(sql_type = Text)]
    row_id: String,
}

impl Replaced {
    /// The status; INTERNAL if the database contains an unknown one.
    pub fn status(&self) -> Result<TaskStatus> {
        to_status(self.status)
    }
}

#[derive(Debug, QueryableByName)]
struct TakenId {
    #[diesel(sql_type = Text)]
    task_id: String,
}

#[derive(Debug, QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Deletes locked tasks, and stores the events; a trigger deletes their targets.
#[derive(Debug)]
struct DeleteStatement<'a> {
    row_ids: Vec<&'a str>,
    noted: Noted<'a>,
}

impl QueryFragment<Pg> for DeleteStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { row_ids, noted } = self;
        let out = &mut out;
        sql!(out,
            "WITH changed AS (DELETE FROM tasks t USING unnest(" {&row_ids[..]} "::tid[]) AS r (row_id) \
                WHERE t.ctid = r.row_id RETURNING t.task_id, statement_timestamp() AS updated_at)"
            {noted} " SELECT count(*) FROM changed"
        )
    }
}

statement!(DeleteStatement<'_>: BigInt);

/// Inserts tasks in the order of their ids, so that two writers of the same tasks do not wait for each other, and the
/// events. Leaves a task out whose id is taken.
#[derive(Debug)]
struct InsertStatement<'a> {
    tenant: &'a str,
    columns: Columns<'a>,
    noted: Noted<'a>,
}

/// The columns of tasks, each as an array.
#[derive(Debug, Default)]
struct Columns<'a> {
    of_new: TaskColumns<'a>,
    reasons: Vec<&'a str>,
    changed_at: Vec<Option<DateTime<Utc>>>,
    /// The number of targets with each result: answered, no answer, busy, failed, skipped.
    results: [Vec<i32>; 5],
    sources: Vec<&'a str>,
    last_results: Vec<Option<DateTime<Utc>>>,
}

/// The states that [`Columns::results`] counts.
const RESULTS: [TargetState; 5] = [
    TargetState::Answered,
    TargetState::NoAnswer,
    TargetState::Busy,
    TargetState::Failed,
    TargetState::Skipped,
];

impl<'a> Columns<'a> {
    fn new(tasks: &[&'a NewTask]) -> Result<Self> {
        let mut columns = Self::default();
        for task in in_order(tasks.iter().copied()) {
            columns.of_new.add(task)?;
            columns.reasons.push(&task.status_reason);
            columns.changed_at.push(task.status_changed_at);
            columns.sources.push(&task.copied_from);
            columns.last_results.push(task.last_result_time());
            for (counts, state) in columns.results.iter_mut().zip(RESULTS) {
                let of_state = task.results.iter().filter(|r| r.state == state);
                counts.push(count(of_state.count())?);
            }
        }
        Ok(columns)
    }
}

impl QueryFragment<Pg> for InsertStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            columns,
            noted,
        } = self;
        let Columns {
            of_new,
            reasons,
            changed_at,
            results: [answered, no_answer, busy, failed, skipped],
            sources,
            last_results,
        } = columns;
        let out = &mut out;
        sql!(out,
            "WITH changed AS (\
                INSERT INTO tasks (tenant_id, " [NAMES] ", status_reason, status_changed_at, targets_answered, \
                    targets_no_answer, targets_busy, targets_failed, targets_skipped, copied_from, last_result_at) \
                SELECT " {*tenant} ", " [VALUES] ", n.status_reason, n.status_changed_at, n.answered, n.no_answer, n.busy, \
                    n.failed, n.skipped, n.copied_from, \
                    CASE WHEN n.last_result_at IS NOT NULL THEN least(n.last_result_at, statement_timestamp()) END \
                FROM unnest(" {of_new} ", " {&reasons[..]} ", " {&changed_at[..]} ", " {&answered[..]} ", "
                    {&no_answer[..]} ", " {&busy[..]} ", " {&failed[..]} ", " {&skipped[..]} ", " {&sources[..]} ", "
                    {&last_results[..]}
                    ") WITH ORDINALITY AS n (" [NAMES] ", status_reason, status_changed_at, answered, no_answer, busy, \
                        failed, skipped, copied_from, last_result_at, ordinal) \
                ORDER BY n.ordinal ON CONFLICT DO NOTHING RETURNING task_id, statement_timestamp() AS updated_at)"
            {noted} " SELECT count(*) FROM changed"
        )
    }
}

statement!(InsertStatement<'_>: BigInt);

/// Inserts targets.
#[derive(Debug)]
struct TargetStatement<'a> {
    tenant: &'a str,
    task_ids: Vec<&'a str>,
    positions: Vec<i32>,
    customers: Vec<&'a str>,
    states: Vec<i16>,
    attempts: Vec<i32>,
    times: Vec<Option<DateTime<Utc>>>,
}

impl<'a> TargetStatement<'a> {
    fn new(tenant: &'a str) -> Self {
        Self {
            tenant,
            task_ids: Vec::new(),
            positions: Vec::new(),
            customers: Vec::new(),
            states: Vec::new(),
            attempts: Vec::new(),
            times: Vec::new(),
        }
    }
}

impl QueryFragment<Pg> for TargetStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            task_ids,
            positions,
            customers,
            states,
            attempts,
            times,
        } = self;
        let out = &mut out;
        sql!(out,
            "INSERT INTO task_targets (tenant_id, task_id, position, customer_id, state, attempt, result_at) \
             SELECT " {*tenant} ", g.* FROM unnest(" {&task_ids[..]} ", " {&positions[..]} ", " {&customers[..]} ", "
                {&states[..]} ", " {&attempts[..]} ", " {&times[..]} ") AS g"
        )
    }
}

statement!(TargetStatement<'_>: ());

impl Transaction<'_> {
    /// The ids among `ids` that exist already, in the table or in this transaction.
    pub async fn tasks_taken(&mut self, ids: &[&str]) -> Result<HashSet<String>> {
        let taken = sql_query(TAKEN)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Array<Text>, _>(ids);
        let taken: Vec<TakenId> = self
            .run(async |connection| taken.load(connection).await)
            .await?;
        Ok(taken.into_iter().map(|taken| taken.task_id).collect())
    }

    /// How many of these customers have a result that is not newer than the given one.
    pub async fn results_kept(&mut self, new: &NewResults<'_>) -> Result<u64> {
        let counted = sql_query(RESULTS_KEPT)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Array<Text>, _>(&new.task_ids)
            .bind::<Array<Text>, _>(&new.customer_ids)
            .bind::<Array<Integer>, _>(&new.attempts)
            .bind::<Array<Timestamptz>, _>(&new.times)
            .bind::<Array<SmallInt>, _>(&new.states);
        let counted: Count = self
            .run(async |connection| counted.get_result(connection).await)
            .await?;
        Ok(counted.count.unsigned_abs())
    }

    /// Locks the tasks with these ids.
    pub async fn tasks_lock(&mut self, ids: &[&str]) -> Result<Vec<Replaced>> {
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        let lock = sql_query(LOCK)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Array<Text>, _>(&sorted);
        self.run(async |connection| lock.load(connection).await)
            .await
    }

    /// Deletes locked tasks with their targets.
    pub async fn tasks_delete(&mut self, locked: &[Replaced], events: NewEvents<'_>) -> Result<()> {
        let delete = DeleteStatement {
            row_ids: locked.iter().map(|task| task.row_id.as_str()).collect(),
            noted: Noted::new(self.tenant.as_str(), events)?,
        };
        let deleted: i64 = self
            .run(async |connection| delete.get_result(connection).await)
            .await?;
        match usize::try_from(deleted) == Ok(locked.len()) {
            true => Ok(()),
            // A writer that does not lock the task, such as plain SQL, may have moved a row since it was found.
            false => Err(conflict()),
        }
    }

    /// ALREADY_EXISTS with the ids of those `tasks` that are not this transaction's. Existing ids were sorted out before, so
    /// another writer has created them since.
    async fn taken(&mut self, tasks: &[&NewTask]) -> Result<Error> {
        let ids: Vec<&str> = tasks.iter().map(|task| &*task.task_id).collect();
        let found = self.tasks_lock(&ids).await?;
        let own = found.iter().filter(|task| task.is_own);
        let own: HashSet<&str> = own.map(|task| &*task.task_id).collect();
        let taken: Vec<&str> = ids.into_iter().filter(|id| !own.contains(id)).collect();
        Ok(Error::task_ids_taken_meanwhile(&taken))
    }

    /// Inserts `tasks`, whose ids must not exist yet, with their targets and events. ALREADY_EXISTS if another transaction
    /// has created one of the ids meanwhile.
    pub async fn tasks_load(&mut self, tasks: &[&NewTask], events: NewEvents<'_>) -> Result<()> {
        let tenant = self.tenant.as_str();
        let insert = InsertStatement {
            tenant,
            columns: Columns::new(tasks)?,
            noted: Noted::new(tenant, events)?,
        };
        let inserted: i64 = self
            .run(async |connection| insert.get_result(connection).await)
            .await?;
        if usize::try_from(inserted) != Ok(tasks.len()) {
            return Err(self.taken(tasks).await?);
        }
        let mut statement = TargetStatement::new(tenant);
        for task in tasks {
            let mut results = task.results.iter().peekable();
            for (ordinal, customer) in task.targets.iter().enumerate() {
                let result = results.next_if(|r| r.ordinal == ordinal);
                let (state, attempt, time) = match result {
                    Some(r) => (r.state, r.attempt, Some(r.time)),
                    None => (TargetState::Pending, 0, None),
                };
                statement.task_ids.push(&task.task_id);
                statement.positions.push(count(ordinal)?);
                statement.customers.push(customer);
                statement.states.push(state as i16);
                statement.attempts.push(attempt);
                statement.times.push(time);
                if statement.customers.len() >= TARGETS_AT_A_TIME {
                    let full = std::mem::replace(&mut statement, TargetStatement::new(tenant));
                    self.run(async |connection| full.execute(connection).await)
                        .await?;
                }
            }
        }
        if !statement.customers.is_empty() {
            self.run(async |connection| statement.execute(connection).await)
                .await?;
        }
        Ok(())
    }
}

/// A row was moved between two statements.
fn conflict() -> Error {
    let what = "another change came between; nothing was changed, try again";
    Error::new(ErrorKind::Aborted, what).because(ErrorReason::DatabaseConflict)
}
