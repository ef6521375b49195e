//! Loading many tasks at once, all or nothing.
//!
//! One transaction on a connection of its own: nothing of it is visible before [`ImportTransaction::commit`], and
//! whatever ends it earlier (an error, a dropped future, a killed process) closes the connection, which undoes it.
//! Rows go in by binary COPY, straight into the tables. This file speaks tokio-postgres, since diesel has no COPY.

use std::{collections::HashSet, pin::pin, sync::Arc, time::SystemTime};

use futures_util::future::try_join_all;
use tokio_postgres::{
    Client, Statement,
    binary_copy::BinaryCopyInWriter,
    error::SqlState,
    types::{ToSql, Type},
};

use super::{Db, TenantDb, changes::CHANNEL, error::Reports};
use crate::{
    domain::{limits::INLINE_TARGETS, target::TargetState, task::NewTask, tenant::TenantId},
    error::{Error, ErrorKind, Result},
};

/// The session's settings. The input may pause for as long as it likes, so the time limits that protect a server's
/// pool must not apply. Grams of names wait for more of their kind before they are sorted into their index, which takes
/// a quarter off that; what is left at the end the vacuum sorts in. Plans are kept from batch to batch; see [`DISCARD_PLANS`].
const SETTINGS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; \
    SET gin_pending_list_limit = '32MB'; BEGIN";
/// To a planner that sees an empty table every index is as good as the next. This transaction's own rows are in no
/// statistics, but the files have grown, and that it sees.
const DISCARD_PLANS: &str = "DISCARD PLANS";
/// One look-up in the primary key for each id. A plain join, or ANY, is planned by guesses about the tenant's size and
/// may read all of its tasks for every batch. A range in order instead of an equation, because only the primary key
/// offers that: where a vacuum met the table while all its rows were this transaction's, PostgreSQL takes it for empty,
/// and every index for as good as the next.
const TAKEN: &str = "SELECT asked.task_id FROM unnest($2::text[]) AS asked (task_id) CROSS JOIN LATERAL \
    (SELECT FROM tasks t WHERE t.tenant_id = $1 AND t.task_id >= asked.task_id AND t.task_id <= asked.task_id \
    ORDER BY t.task_id LIMIT 1) AS found";
/// One task at a time, for the same reason; there is no DELETE with LATERAL. Its targets go with it, by a trigger. Tells
/// tasks that this transaction itself loaded, which the file then replaced, from those that were there before.
const DELETE_TASK: &str = "DELETE FROM tasks WHERE tenant_id = $1 AND task_id = $2 \
    RETURNING target_count, xmin = pg_current_xact_id()::xid";
const COPY_TASKS: &str = "COPY tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, \
    updated_at, target_count, target) FROM STDIN (FORMAT binary)";
/// The same for tasks that have been through something. Most have not, and shorter rows are loaded faster.
const COPY_LIVED: &str = "COPY tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, \
    updated_at, target_count, target, status_reason, status_changed_at, targets_answered, targets_no_answer, \
    targets_busy, targets_failed, targets_skipped) FROM STDIN (FORMAT binary)";
/// Of [`COPY_LIVED`]; the first are those of [`COPY_TASKS`].
const TASK_TYPES: [Type; 18] = [
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::INT2,
    Type::INT2,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::INT4,
    Type::TEXT_ARRAY,
    Type::TEXT,
    Type::TIMESTAMPTZ,
    Type::INT4,
    Type::INT4,
    Type::INT4,
    Type::INT4,
    Type::INT4,
];
const FRESH_COLUMNS: usize = 11;
const COPY_TARGETS: &str =
    "COPY task_targets (tenant_id, task_id, position, customer_id) FROM STDIN (FORMAT binary)";
/// The same for targets of tasks of which some have a result.
const COPY_CALLED: &str = "COPY task_targets (tenant_id, task_id, position, customer_id, state, attempt, result_at) \
    FROM STDIN (FORMAT binary)";
/// Of [`COPY_CALLED`]; the first are those of [`COPY_TARGETS`].
const TARGET_TYPES: [Type; 7] = [
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::TEXT,
    Type::INT2,
    Type::INT4,
    Type::TIMESTAMPTZ,
];
const UNCALLED_COLUMNS: usize = 4;

/// A transaction that loads tasks of one tenant.
pub struct ImportTransaction {
    client: Client,
    reports: Arc<Reports>,
    tenant: TenantId,
    clock: Statement,
    taken: Statement,
    delete_task: Statement,
    copy_tasks: Statement,
    copy_lived: Statement,
    copy_targets: Statement,
    copy_called: Statement,
    copies: u32,
}

impl std::fmt::Debug for ImportTransaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImportTransaction")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// Tasks and their targets, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    /// How many tasks.
    pub tasks: u64,
    /// How many targets they have.
    pub targets: u64,
}

impl TenantDb<'_> {
    /// Begins to load tasks.
    pub async fn import_begin(&self) -> Result<ImportTransaction> {
        let client = self.db.connect_client().await?;
        let reports = Arc::clone(self.db.reports());
        let failed = |error| failed(&reports, error);
        client.batch_execute(SETTINGS).await.map_err(failed)?;
        let prepare = async |sql| client.prepare(sql).await.map_err(failed);
        Ok(ImportTransaction {
            clock: prepare("SELECT statement_timestamp()").await?,
            taken: prepare(TAKEN).await?,
            delete_task: prepare(DELETE_TASK).await?,
            copy_tasks: prepare(COPY_TASKS).await?,
            copy_lived: prepare(COPY_LIVED).await?,
            copy_targets: prepare(COPY_TARGETS).await?,
            copy_called: prepare(COPY_CALLED).await?,
            tenant: self.tenant.clone(),
            client,
            reports: Arc::clone(&reports),
            copies: 0,
        })
    }
}

impl ImportTransaction {
    fn failed(&self, error: tokio_postgres::Error) -> Error {
        failed(&self.reports, error)
    }

    /// Waits until no other import that replaces tasks of the tenant is under way: two that replace the same ones in
    /// different orders would wait for each other.
    pub async fn wait_for_turn(&self) -> Result<()> {
        const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || $1::text, 7265830216))";
        let turn = self.client.query(TURN, &[&self.tenant.as_str()]).await;
        turn.map(drop).map_err(|error| self.failed(error))
    }

    /// Those of `ids` that a task has already, be it from before or from this transaction.
    pub async fn tasks_taken(&self, ids: &[&str]) -> Result<HashSet<String>> {
        let rows = self
            .client
            .query(&self.taken, &[&self.tenant.as_str(), &ids])
            .await
            .map_err(|error| self.failed(error))?;
        rows.iter()
            .map(|r| r.try_get(0).map_err(|error| self.failed(error)))
            .collect()
    }

    /// Deletes the tasks of `ids`, their targets too. Answers what of it this very transaction had loaded.
    pub async fn tasks_delete(&self, ids: &[&str]) -> Result<Loaded> {
        let tenant = self.tenant.as_str();
        // Sent all at once, not each after the answer to the one before.
        let deleted = ids.iter().map(async |id| {
            let parameters: [&(dyn ToSql + Sync); 2] = [&tenant, id];
            let task = self
                .client
                .query_opt(&self.delete_task, &parameters)
                .await?;
            let Some(task) = task else { return Ok(None) };
            let (count, own): (i32, bool) = (task.try_get(0)?, task.try_get(1)?);
            Ok(own.then_some(count))
        });
        let deleted = try_join_all(deleted)
            .await
            .map_err(|error| self.failed(error))?;
        let mut own = Loaded::default();
        for count in deleted.into_iter().flatten() {
            own.tasks += 1;
            own.targets += u64::from(count.unsigned_abs());
        }
        Ok(own)
    }

    /// Adds `tasks`, none of whose ids may be taken.
    pub async fn tasks_copy(&mut self, tasks: &[&NewTask]) -> Result<()> {
        self.copy(tasks).await?;
        self.copies += 1;
        // Each time that there is twice as much.
        if self.copies.is_power_of_two() {
            let discarded = self.client.batch_execute(DISCARD_PLANS).await;
            discarded.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    async fn copy(&self, tasks: &[&NewTask]) -> Result<()> {
        let has_lived = |t: &&&NewTask| {
            !t.status_reason.is_empty() || t.status_changed_at.is_some() || !t.results.is_empty()
        };
        let (lived, fresh): (Vec<&NewTask>, Vec<&NewTask>) = tasks.iter().partition(has_lived);
        self.copy_rows(&fresh, &self.copy_tasks, FRESH_COLUMNS)
            .await?;
        self.copy_rows(&lived, &self.copy_lived, TASK_TYPES.len())
            .await?;
        let with_targets = tasks.iter().filter(|t| !t.targets.is_empty());
        let (called, uncalled): (Vec<&NewTask>, Vec<&NewTask>) =
            with_targets.partition(|t| !t.results.is_empty());
        self.copy_their_targets(&uncalled, &self.copy_targets, UNCALLED_COLUMNS)
            .await?;
        self.copy_their_targets(&called, &self.copy_called, TARGET_TYPES.len())
            .await
    }

    async fn copy_rows(&self, tasks: &[&NewTask], copy: &Statement, columns: usize) -> Result<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let tenant = self.tenant.as_str();
        // After the tasks that these replace were locked and deleted, so later than any change of them.
        let now = self.client.query_one(&self.clock, &[]).await;
        let now: SystemTime = now
            .and_then(|row| row.try_get(0))
            .map_err(|error| self.failed(error))?;
        let sink = self
            .client
            .copy_in(copy)
            .await
            .map_err(|error| self.failed(error))?;
        let mut rows = pin!(BinaryCopyInWriter::new(sink, &TASK_TYPES[..columns]));
        for task in tasks {
            let inline = &task.targets[..task.targets.len().min(INLINE_TARGETS)];
            let with = |state| {
                let of_state = task.results.iter().filter(|r| r.state == state);
                of_state.count() as i32 // at most target_count, which is one
            };
            let values: [&(dyn ToSql + Sync); 18] = [
                &tenant,
                &task.task_id,
                &task.name,
                &SystemTime::from(task.start_time),
                &SystemTime::from(task.end_time),
                &(task.status as i16),
                &task.progress,
                &task.created_at.map_or(now, SystemTime::from),
                &task.updated_at.map_or(now, SystemTime::from),
                &count(task.targets.len())?,
                &inline,
                &task.status_reason,
                &task.status_changed_at.map(SystemTime::from),
                &with(TargetState::Answered),
                &with(TargetState::NoAnswer),
                &with(TargetState::Busy),
                &with(TargetState::Failed),
                &with(TargetState::Skipped),
            ];
            rows.as_mut()
                .write(&values[..columns])
                .await
                .map_err(|error| self.failed(error))?;
        }
        rows.finish().await.map_err(|error| self.failed(error))?;
        Ok(())
    }

    async fn copy_their_targets(
        &self,
        tasks: &[&NewTask],
        copy: &Statement,
        columns: usize,
    ) -> Result<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        let tenant = self.tenant.as_str();
        let sink = self
            .client
            .copy_in(copy)
            .await
            .map_err(|error| self.failed(error))?;
        let mut rows = pin!(BinaryCopyInWriter::new(sink, &TARGET_TYPES[..columns]));
        for task in tasks {
            let mut results = task.results.iter().peekable();
            for (place, customer) in task.targets.iter().enumerate() {
                let result = results.next_if(|r| r.place == place);
                let (state, attempt, time) = match result {
                    Some(r) => (r.state, r.attempt, Some(SystemTime::from(r.time))),
                    None => (TargetState::Pending, 0, None),
                };
                let values: [&(dyn ToSql + Sync); 7] = [
                    &tenant,
                    &task.task_id,
                    &count(place)?,
                    customer,
                    &(state as i16),
                    &attempt,
                    &time,
                ];
                rows.as_mut()
                    .write(&values[..columns])
                    .await
                    .map_err(|error| self.failed(error))?;
            }
        }
        rows.finish().await.map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Makes all of it visible, at once and for good.
    pub async fn commit(self) -> Result<()> {
        self.client.batch_execute("COMMIT").await.map_err(|error| {
            if error.code().is_some_and(|code| !code.code().starts_with("57")) {
                return self.failed(error); // the server says that it undid all
            }
            // The answer got lost, perhaps not the deed.
            Error::new(
                ErrorKind::Unavailable,
                "the commit was not confirmed; look whether the tasks are there before trying again",
            )
            .caused_by(error)
        })?;
        // Watches would hear of it a second later by themselves.
        let parameters: [&(dyn ToSql + Sync); 2] = [&CHANNEL, &self.tenant.as_str()];
        let told = self
            .client
            .query("SELECT pg_notify($1, $2)", &parameters)
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "watches were not told of the import");
        }
        Ok(())
    }
}

impl Db {
    /// Vacuums and analyzes the tables of tasks.
    pub async fn tasks_vacuum(&self) -> Result<()> {
        let client = self.connect_client().await?;
        let work = "SET statement_timeout = 0";
        let failed = |error| failed(self.reports(), error);
        client.batch_execute(work).await.map_err(failed)?;
        // On its own: VACUUM takes no part in a transaction, not even in that of a list of statements.
        let work = "VACUUM (ANALYZE) tasks, task_names, task_targets, task_changes, task_segments";
        client.batch_execute(work).await.map_err(failed)
    }
}

fn count(of: usize) -> Result<i32> {
    i32::try_from(of).map_err(Error::internal)
}

/// What a failed statement of an import means.
fn failed(reports: &Reports, error: tokio_postgres::Error) -> Error {
    // Ids that are taken were sorted out beforehand, so only a writer at the same time can bring this.
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        return Error::new(
            ErrorKind::AlreadyExists,
            "another writer took one of the task ids at the same time",
        )
        .caused_by(error);
    }
    reports.driver_error(error)
}
