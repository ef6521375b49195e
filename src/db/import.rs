//! Loads many tasks at once, all or nothing.
//!
//! The transaction has its own connection. Nothing is visible before [`ImportTransaction::commit`], and an early end
//! for any reason (an error, a dropped future, a killed process) closes the connection, which rolls it back. Rows are
//! loaded by binary COPY. This file uses tokio-postgres directly, because diesel has no COPY.

use std::{collections::HashSet, pin::pin, sync::Arc, time::SystemTime};

use futures_util::future::try_join_all;
use tokio_postgres::{
    Client, Statement,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use super::{
    Db, TenantDb,
    changes::CHANNEL,
    connector::Session,
    error::{DbError, FirstError, Reports},
    import_failure::failed,
    row::{ALL_COLUMNS, COPIED_COLUMNS, FRESH_COLUMNS, copy_row},
    statements::{self, Server},
};
use crate::{
    domain::{target::TargetState, task::NewTask, tenant::TenantId},
    error::{Error, ErrorKind, Result},
    traces,
};

/// The session's settings. The input may pause without limit, so the time limits that protect a service's pool are off.
/// A larger GIN pending list batches the grams of names and saves a quarter of their time; the vacuum at the end
/// merges the rest. Plans are kept from batch to batch; see [`DISCARD_PLANS`].
const SETTINGS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; \
    SET gin_pending_list_limit = '32MB'; BEGIN";
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
/// Counts those of some customers who have a result.
pub(super) const RESULTS_OF: &str = "SELECT count(*) FROM unnest($2::text[], $3::text[]) AS asked (task_id, customer_id) \
    CROSS JOIN LATERAL (SELECT FROM task_targets g WHERE g.tenant_id = $1 AND g.customer_id = asked.customer_id \
    AND g.task_id = asked.task_id AND g.state <> 1 OFFSET 0) AS found";
const NOTIFY: &str = "SELECT pg_notify($1, $2)";
const CLOCK: &str = "SELECT statement_timestamp()";
const COPY_TARGETS: &str =
    "COPY task_targets (tenant_id, task_id, position, customer_id) FROM STDIN (FORMAT binary)";
/// For the targets of tasks that have results.
const COPY_CALLED: &str = "COPY task_targets (tenant_id, task_id, position, customer_id, state, attempt, result_at) \
    FROM STDIN (FORMAT binary)";
/// The column types of [`COPY_CALLED`]; [`COPY_TARGETS`] has the first [`UNCALLED_COLUMNS`] of them.
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

/// A transaction that loads tasks of one tenant. Dropping it rolls it back.
pub struct ImportTransaction {
    client: Client,
    server: Server,
    errors: FirstError,
    reports: Arc<Reports>,
    pub(super) db: Db,
    pub(super) tenant: TenantId,
    clock: Statement,
    taken: Statement,
    delete_task: Statement,
    copy_tasks: Statement,
    copy_lived: Statement,
    copy_targets: Statement,
    copy_called: Statement,
    /// The number of batches loaded so far.
    copies: u32,
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
        let Session {
            client,
            errors,
            is_restricted,
            server,
        } = self.db.connect_client().await?;
        if is_restricted {
            let why = "an import must connect as the role that owns the tables: row-level security allows others no COPY";
            return Err(Error::new(ErrorKind::FailedPrecondition, why));
        }
        let reports = Arc::clone(self.db.reports());
        let failed = |error| failed(&reports, &errors, error);
        client.batch_execute(SETTINGS).await.map_err(failed)?;
        let prepare = async |sql: &str| client.prepare(sql).await.map_err(failed);
        Ok(ImportTransaction {
            clock: prepare(CLOCK).await?,
            taken: prepare(TAKEN).await?,
            delete_task: prepare(DELETE_TASK).await?,
            copy_tasks: prepare(&copy_tasks(FRESH_COLUMNS)).await?,
            copy_lived: prepare(&copy_tasks(ALL_COLUMNS)).await?,
            copy_targets: prepare(COPY_TARGETS).await?,
            copy_called: prepare(COPY_CALLED).await?,
            db: self.db.clone(),
            tenant: self.tenant.clone(),
            client,
            server,
            errors: errors.clone(),
            reports: Arc::clone(&reports),
            copies: 0,
        })
    }
}

impl ImportTransaction {
    fn failed(&self, error: tokio_postgres::Error) -> Error {
        failed(&self.reports, &self.errors, error)
    }

    /// Runs a statement with this text, which has a span if the call is recorded.
    async fn run<T>(
        &self,
        text: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let span = traces::current().map(|call| self.server.span(&call, text));
        let done = work.await;
        if let (Some(mut span), Err(error)) = (span, &done) {
            statements::fail(&mut span, error.code());
        }
        done
    }

    /// Runs COPY with this text, as [`Self::run`] does.
    async fn run_copy(&self, text: &str, work: impl Future<Output = Result<()>>) -> Result<()> {
        let span = traces::current().map(|call| self.server.span(&call, text));
        let done = work.await;
        if let (Some(mut span), Err(error)) = (span, &done) {
            span.fail(error.kind().name());
        }
        done
    }

    /// Waits until no other import that replaces tasks of this tenant is in progress. Two of them could otherwise lock
    /// the same tasks in different orders and deadlock.
    pub async fn wait_for_turn(&self) -> Result<()> {
        const TURN: &str = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/' || $1::text, 7265830216))";
        let tenant = self.tenant.as_str();
        let parameters: [&(dyn ToSql + Sync); 1] = [&tenant];
        let turn = self.run(TURN, self.client.query(TURN, &parameters)).await;
        turn.map(drop).map_err(|error| self.failed(error))
    }

    /// The ids among `ids` that exist already, in the table or in this transaction.
    pub async fn tasks_taken(&self, ids: &[&str]) -> Result<HashSet<String>> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&self.tenant.as_str(), &ids];
        let rows = self.client.query(&self.taken, &parameters);
        let rows = self.run(TAKEN, rows).await;
        let rows = rows.map_err(|error| self.failed(error))?;
        rows.iter()
            .map(|r| r.try_get(0).map_err(|error| self.failed(error)))
            .collect()
    }

    /// How many of these customers have a result. Each is named by its task's id and its own.
    pub async fn results_of(&self, task_ids: &[&str], customer_ids: &[&str]) -> Result<u64> {
        let parameters: [&(dyn ToSql + Sync); 3] =
            [&self.tenant.as_str(), &task_ids, &customer_ids];
        let counted = self.client.query_one(RESULTS_OF, &parameters);
        let counted = self.run(RESULTS_OF, counted).await;
        let count = counted.and_then(|row| row.try_get::<_, i64>(0));
        let count = count.map_err(|error| self.failed(error))?;
        Ok(count.unsigned_abs())
    }

    /// Deletes the tasks with these ids and their targets.
    pub async fn tasks_delete(&self, ids: &[&str]) -> Result<Deleted> {
        let tenant = self.tenant.as_str();
        // Pipelined: all statements are sent before the first result arrives.
        let deleted = ids.iter().map(async |id| {
            let parameters: [&(dyn ToSql + Sync); 2] = [&tenant, id];
            let task = self.client.query_opt(&self.delete_task, &parameters);
            let Some(task) = self.run(DELETE_TASK, task).await? else {
                return Ok(None);
            };
            let found: (i32, bool, i64) = (task.try_get(0)?, task.try_get(1)?, task.try_get(2)?);
            Ok(Some(found))
        });
        let deleted = try_join_all(deleted)
            .await
            .map_err(|error| self.failed(error))?;
        let mut all = Deleted::default();
        for (count, is_own, results) in deleted.into_iter().flatten() {
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
        self.copy(tasks).await?;
        self.copies += 1;
        // Whenever the number of batches has doubled.
        if self.copies.is_power_of_two() {
            let discarded = self.client.batch_execute(DISCARD_PLANS);
            let discarded = self.run(DISCARD_PLANS, discarded).await;
            discarded.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// Loads tasks and targets, grouped by the columns that they need.
    async fn copy(&self, tasks: &[&NewTask]) -> Result<()> {
        let has_lived = |t: &&NewTask| {
            let texts = [&t.status_reason, &t.copied_from];
            texts.into_iter().any(|text| !text.is_empty())
                || t.status_changed_at.is_some()
                || !t.results.is_empty()
                || !t.labels.is_empty()
        };
        // Most indexes of tasks begin with the status. In its order a row mostly goes to the page of the row before.
        // A plain \copy of 200,000 tasks took an eighth less time so. Targets stay in the order of the input, since in
        // most files that is the order of the ids.
        let mut by_status = tasks.to_vec();
        by_status.sort_by_key(|task| task.status as i16);
        let (lived, fresh): (Vec<&NewTask>, Vec<&NewTask>) =
            by_status.into_iter().partition(has_lived);
        self.copy_rows(&fresh, &self.copy_tasks, FRESH_COLUMNS)
            .await?;
        self.copy_rows(&lived, &self.copy_lived, ALL_COLUMNS)
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
        // Read after the replaced tasks were locked and deleted, so it is later than any change of them.
        let now = self.client.query_one(&self.clock, &[]);
        let now = self.run(CLOCK, now).await;
        let now: SystemTime = now
            .and_then(|row| row.try_get(0))
            .map_err(|error| self.failed(error))?;
        let types = COPIED_COLUMNS[..columns].iter().map(|(_, of)| of.clone());
        let types: Vec<Type> = types.collect();
        let copied = async {
            let sink = self.client.copy_in(copy).await;
            let sink = sink.map_err(|error| self.failed(error))?;
            let mut rows = pin!(BinaryCopyInWriter::new(sink, &types));
            for task in tasks {
                let target_count = count(task.targets.len())?;
                copy_row(rows.as_mut(), columns, tenant, task, target_count, now)
                    .await
                    .map_err(|error| self.failed(error))?;
            }
            rows.finish().await.map_err(|error| self.failed(error))?;
            Ok(())
        };
        self.run_copy(&copy_tasks(columns), copied).await
    }

    /// Loads the targets of `tasks`.
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
        let text = match columns {
            UNCALLED_COLUMNS => COPY_TARGETS,
            _ => COPY_CALLED,
        };
        let copied = async {
            let sink = self.client.copy_in(copy).await;
            let sink = sink.map_err(|error| self.failed(error))?;
            let mut rows = pin!(BinaryCopyInWriter::new(sink, &TARGET_TYPES[..columns]));
            for task in tasks {
                let mut results = task.results.iter().peekable();
                for (ordinal, customer) in task.targets.iter().enumerate() {
                    let result = results.next_if(|r| r.ordinal == ordinal);
                    let (state, attempt, time) = match result {
                        Some(r) => (r.state, r.attempt, Some(SystemTime::from(r.time))),
                        None => (TargetState::Pending, 0, None),
                    };
                    let values: [&(dyn ToSql + Sync); 7] = [
                        &tenant,
                        &task.task_id,
                        &count(ordinal)?,
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
        };
        self.run_copy(text, copied).await
    }

    /// Commits the import, which makes all of it visible at once.
    pub async fn commit(self) -> Result<()> {
        let committed = self
            .run("COMMIT", self.client.batch_execute("COMMIT"))
            .await;
        committed.map_err(|error| {
            let is_answered = error.code().is_some();
            let error = DbError::of_driver(error, self.errors.take(), &self.reports);
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
        let notified = self.client.query(NOTIFY, &parameters);
        let notified = self.run(NOTIFY, notified).await;
        if let Err(error) = notified {
            tracing::debug!(%error, "watches were not notified of the import");
        }
        Ok(())
    }
}

/// The statement that copies tasks into the first `columns` of [`COPIED_COLUMNS`].
fn copy_tasks(columns: usize) -> String {
    let names = COPIED_COLUMNS[..columns].iter().map(|(name, _)| *name);
    let names: Vec<&str> = names.collect();
    format!(
        "COPY tasks ({}) FROM STDIN (FORMAT binary)",
        names.join(", ")
    )
}

fn count(of: usize) -> Result<i32> {
    i32::try_from(of).map_err(Error::internal)
}
