//! Loads many tasks at once, all or nothing.
//!
//! The transaction has its own connection. Nothing is visible before [`ImportTransaction::commit`], and an early end
//! for any reason (an error, a dropped future, a killed process) closes the connection, which rolls it back. Rows are
//! loaded by COPY, see `import_copy`.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use tokio_postgres::{Statement, types::ToSql};

use super::{
    Db, TenantDb,
    changes::CHANNEL,
    import_copy::Copies,
    import_names::{ImportNames, WrittenNames},
    import_session::ImportSession,
};
use crate::{
    domain::{task::NewTask, tenant::TenantId},
    error::{Error, ErrorKind, Result},
};

/// The session's settings. The input may pause without limit, so the time limits that protect a service's pool are off.
/// A larger GIN pending list batches the grams of names and saves a quarter of their time; the vacuum at the end
/// merges the rest. Plans are kept from batch to batch; see [`DISCARD_PLANS`]. The locks are those that `import_names` needs
/// too, so that PostgreSQL sees whoever waits for either session as waiting for this one. They are in the order of TRUNCATE.
const SETTINGS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; \
    SET gin_pending_list_limit = '32MB'; BEGIN ISOLATION LEVEL READ COMMITTED; \
    LOCK TABLE tasks, task_changes, task_search IN ROW EXCLUSIVE MODE";
/// From this number of tasks in a batch on, a second session writes the names. Its beginning costs as much as those of some
/// hundred tasks.
const NAMES_APART_FROM: usize = 1_000;
/// Discards plans that were made while the table was empty, when all indexes look equally good. The rows of this
/// transaction are not in the statistics, but the planner sees that the files have grown.
const DISCARD_PLANS: &str = "DISCARD PLANS";
/// Probes the primary key once for each id. The plan of a join or of ANY depends on estimates of the tenant's size, and
/// may read all of its tasks for each batch. A range with an order is used instead of equality, because only the
/// primary key provides this order. If a vacuum ran while all rows belonged to this transaction, PostgreSQL considers
/// the table empty, and then all indexes look equally good.
pub(super) const TAKEN: &str = "SELECT asked.task_id FROM unnest($2::text[]) AS asked (task_id) CROSS JOIN LATERAL \
    (SELECT FROM tasks t WHERE t.tenant_id = $1 AND t.task_id >= asked.task_id AND t.task_id <= asked.task_id \
    ORDER BY t.task_id LIMIT 1) AS found";
/// Deletes one task at a time, for the same reason; DELETE has no LATERAL. A trigger deletes the targets. The result
/// distinguishes tasks loaded by this transaction, which a later record replaces, from tasks that existed before.
const DELETE_TASK: &str = "DELETE FROM tasks WHERE tenant_id = $1 AND task_id = $2 \
    RETURNING target_count, xmin = pg_current_xact_id()::xid, targets_answered::bigint + targets_no_answer \
    + targets_busy + targets_failed + targets_skipped";
/// Counts those of some customers who have a result that is not newer than the given one.
pub(super) const RESULTS_KEPT: &str = "SELECT count(*) \
    FROM unnest($2::text[], $3::text[], $4::integer[], $5::timestamptz[], $6::smallint[]) \
        AS new (task_id, customer_id, attempt, at, state) \
    CROSS JOIN LATERAL (SELECT FROM task_targets g WHERE g.tenant_id = $1 AND g.customer_id = new.customer_id \
    AND g.task_id = new.task_id AND g.state <> 1 \
    AND (g.attempt, g.result_at, g.state) <= (new.attempt, new.at, new.state) OFFSET 0) AS found";
const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// The results of records that replace tasks, each with its task and customer.
#[derive(Debug, Default)]
pub struct NewResults<'a> {
    pub(super) task_ids: Vec<&'a str>,
    pub(super) customer_ids: Vec<&'a str>,
    pub(super) attempts: Vec<i32>,
    pub(super) times: Vec<DateTime<Utc>>,
    pub(super) states: Vec<i16>,
}

impl<'a> NewResults<'a> {
    /// The results of these records.
    pub fn of(tasks: impl Iterator<Item = &'a NewTask>) -> Self {
        let mut new = Self::default();
        for task in tasks {
            for result in &task.results {
                let (attempt, time, state) = result.rank();
                new.task_ids.push(&task.task_id);
                new.customer_ids.push(&task.targets[result.ordinal]);
                new.attempts.push(attempt);
                new.times.push(time);
                new.states.push(state as i16);
            }
        }
        new
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.task_ids.is_empty()
    }
}

/// A transaction that loads tasks of one tenant. Dropping it rolls it back.
pub struct ImportTransaction {
    session: ImportSession,
    pub(super) db: Db,
    pub(super) tenant: TenantId,
    taken: Statement,
    delete_task: Statement,
    copies: Copies,
    /// The number of batches loaded so far.
    batches: u32,
    /// The tasks that were deleted for the next batch.
    replaced: HashSet<String>,
    names: Names,
}

/// Who writes the names.
enum Names {
    /// The trigger, as long as batches are small.
    Small,
    /// The trigger, since there is no second session.
    Together,
    Apart(ImportNames),
    /// All are written.
    Written(Box<WrittenNames>),
}

impl std::fmt::Debug for ImportTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportTransaction")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// What a deletion of tasks has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deleted {
    /// The part that this transaction itself had loaded.
    pub own: Loaded,
    /// The results of calls.
    pub results: u64,
}

/// Numbers of tasks and of their targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The number of tasks.
    pub tasks: u64,
    /// The number of targets of these tasks.
    pub targets: u64,
}

impl TenantDb<'_> {
    /// Begins the transaction. FAILED_PRECONDITION if row-level security restricts the role, because PostgreSQL then has no
    /// COPY into the tables.
    pub async fn import_begin(&self) -> Result<ImportTransaction> {
        let session = self.db.connect_client().await?;
        if session.is_restricted {
            let why = "an import must connect as the role that owns the tables: row-level security allows others no COPY";
            return Err(Error::new(ErrorKind::FailedPrecondition, why));
        }
        let session = ImportSession::new(session, Arc::clone(self.db.reports()));
        let begun = session.client.batch_execute(SETTINGS).await;
        begun.map_err(|error| session.failed(error))?;
        Ok(ImportTransaction {
            taken: session.prepare(TAKEN).await?,
            delete_task: session.prepare(DELETE_TASK).await?,
            copies: Copies::prepare(&session).await?,
            db: self.db.clone(),
            tenant: self.tenant.clone(),
            session,
            batches: 0,
            replaced: HashSet::new(),
            names: Names::Small,
        })
    }
}

impl ImportTransaction {
    /// Waits until no other import that replaces tasks of this tenant is in progress. Two of them could otherwise lock
    /// the same tasks in different orders and deadlock.
    pub async fn wait_for_turn(&self) -> Result<()> {
        const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || $1::text, 7265830216))";
        let tenant = self.tenant.as_str();
        let parameters: [&(dyn ToSql + Sync); 1] = [&tenant];
        let turn = self
            .session
            .run(TURN, self.session.client.query(TURN, &parameters))
            .await;
        turn.map(drop).map_err(|error| self.session.failed(error))
    }

    /// The ids among `ids` that exist already, in the table or in this transaction.
    pub async fn tasks_taken(&self, ids: &[&str]) -> Result<HashSet<String>> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&self.tenant.as_str(), &ids];
        let rows = self.session.client.query(&self.taken, &parameters);
        let rows = self.session.run(TAKEN, rows).await;
        let rows = rows.map_err(|error| self.session.failed(error))?;
        rows.iter()
            .map(|r| r.try_get(0).map_err(|error| self.session.failed(error)))
            .collect()
    }

    /// How many of these customers have a result that is not newer than the given one.
    pub async fn results_kept(&self, new: &NewResults<'_>) -> Result<u64> {
        let NewResults {
            task_ids,
            customer_ids,
            attempts,
            times,
            states,
        } = new;
        let tenant = self.tenant.as_str();
        let parameters: [&(dyn ToSql + Sync); 6] =
            [&tenant, task_ids, customer_ids, attempts, times, states];
        let counted = self.session.client.query_one(RESULTS_KEPT, &parameters);
        let counted = self.session.run(RESULTS_KEPT, counted).await;
        let count = counted.and_then(|row| row.try_get::<_, i64>(0));
        let count = count.map_err(|error| self.session.failed(error))?;
        Ok(count.unsigned_abs())
    }

    /// Deletes the tasks with these ids and their targets. The next batch replaces them.
    pub async fn tasks_delete(&mut self, ids: &[&str]) -> Result<Deleted> {
        let tenant = self.tenant.as_str();
        // Pipelined: all statements are sent before the first result arrives.
        let deleted = ids.iter().map(async |id| {
            let parameters: [&(dyn ToSql + Sync); 2] = [&tenant, id];
            let task = self
                .session
                .client
                .query_opt(&self.delete_task, &parameters);
            let Some(task) = self.session.run(DELETE_TASK, task).await? else {
                return Ok(None);
            };
            let found: (i32, bool, i64) = (task.try_get(0)?, task.try_get(1)?, task.try_get(2)?);
            Ok(Some(found))
        });
        let deleted = try_join_all(deleted)
            .await
            .map_err(|error| self.session.failed(error))?;
        let mut all = Deleted::default();
        for (id, deleted) in ids.iter().zip(deleted) {
            // Another writer may have deleted it first.
            let Some((count, is_own, results)) = deleted else {
                continue;
            };
            self.replaced.insert((*id).to_owned());
            all.results += results.unsigned_abs();
            if is_own {
                all.own.tasks += 1;
                all.own.targets += u64::from(count.unsigned_abs());
            }
        }
        Ok(all)
    }

    /// Loads `tasks`, whose ids must not exist yet. ALREADY_EXISTS if another writer creates tasks with them meanwhile.
    pub async fn tasks_copy(&mut self, tasks: &[&NewTask]) -> Result<()> {
        let copied = self.copy(tasks).await;
        if copied.is_err() {
            // Ends the second session: its locks must not outlive those of the failed transaction.
            self.names = Names::Together;
        }
        copied
    }

    async fn copy(&mut self, tasks: &[&NewTask]) -> Result<()> {
        let replaced = std::mem::take(&mut self.replaced);
        if matches!(self.names, Names::Small) && tasks.len() >= NAMES_APART_FROM {
            let names = ImportNames::begin(&self.db, &self.tenant, &self.session).await?;
            self.names = names.map_or(Names::Together, Names::Apart);
        }
        if let Names::Apart(names) = &mut self.names {
            // The deletion of a task that is replaced has left a delta, by which the compaction writes its name.
            let new = tasks.iter().copied();
            let new = new.filter(|task| !replaced.contains(&task.task_id));
            names.add(new).await?;
        }
        self.copies.load(&self.session, &self.tenant, tasks).await?;
        self.batches += 1;
        // Whenever the number of batches has doubled.
        if self.batches.is_power_of_two() {
            let discarded = self.session.client.batch_execute(DISCARD_PLANS);
            let discarded = self.session.run(DISCARD_PLANS, discarded).await;
            discarded.map_err(|error| self.session.failed(error))?;
        }
        Ok(())
    }

    /// Waits until everything is written. Until then the import can be stopped.
    pub async fn complete(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.names, Names::Together) {
            Names::Apart(names) => {
                self.names = Names::Written(Box::new(names.written().await?));
            }
            other => self.names = other,
        }
        Ok(())
    }

    /// Commits the import, which makes all of it visible at once.
    pub async fn commit(mut self) -> Result<()> {
        self.complete().await?;
        if let Names::Written(names) = self.names {
            names.commit().await?.arrive(&self.session).await?;
        }
        let committed = self
            .session
            .run("COMMIT", self.session.client.batch_execute("COMMIT"))
            .await;
        committed.map_err(|error| {
            let is_answered = error.code().is_some();
            let error = self.session.db_error(error);
            if is_answered && !error.is_in_doubt() {
                return Error::from(error); // the server has rolled the transaction back
            }
            // The confirmation was lost; the commit may have succeeded.
            Error::new(
                ErrorKind::Unavailable,
                "the commit was not confirmed; check whether the tasks exist before you try again",
            )
            .caused_by(error.into_cause())
        })?;
        // Wakes watches at once; they would notice the import within a second by themselves.
        let parameters: [&(dyn ToSql + Sync); 2] = [&CHANNEL, &self.tenant.as_str()];
        let notified = self.session.client.query(NOTIFY, &parameters);
        let notified = self.session.run(NOTIFY, notified).await;
        if let Err(error) = notified {
            tracing::debug!(%error, "watches were not notified of the import");
        }
        Ok(())
    }
}
