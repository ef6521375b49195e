//! The names of an import, for searches.
//!
//! An import of many tasks writes their names in a second session, so that two processes of PostgreSQL share its work: the
//! names take as long as half of all else. They go in by [`ImportNames::add`], in batches that wait in a short queue, and
//! [`ImportNames::written`] returns when all are there. If the session cannot begin, the import goes on without it, and the
//! trigger on `tasks` writes the names.
//!
//! Two transactions cannot commit at once. The names are committed first, with a delta that names the transaction of the
//! tasks ([`WrittenNames::commit`]). That transaction then deletes the delta ([`Ahead::arrive`]) and commits. As long as the
//! delta is there, searches compare what they find with the tasks, and the compaction leaves the tenant's names alone. If
//! the tasks are never committed, the compaction sees that their transaction has ended, and removes their names. See
//! `task_names_follow`.

use std::sync::Arc;

use tokio::{sync::mpsc, task::JoinSet};
use tokio_postgres::{Statement, types::ToSql};

use super::{Db, import_session::ImportSession};
use crate::{
    domain::{task::NewTask, tenant::TenantId},
    error::{Error, Result},
    traces,
};

/// The session's settings, and the locks that its statements need. It must not wait for them: the transaction of the tasks,
/// which has the same ones, waits for this session, and PostgreSQL sees no deadlock between a session and a client.
const SETTINGS: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
    SET gin_pending_list_limit = '32MB'; BEGIN ISOLATION LEVEL READ COMMITTED; \
    LOCK TABLE task_changes, task_search IN ROW EXCLUSIVE MODE NOWAIT";
/// Keeps the trigger of the other transaction from writing the names too.
const APART: &str = "SET LOCAL outbound_tasks.names_apart = on";
const NUMBER: &str = "SELECT pg_current_xact_id()::text::bigint";
const INSERT: &str = "INSERT INTO task_search (tenant_id, task_id, name) \
    SELECT $1, n.task_id, task_name_fold(n.name) FROM unnest($2::text[], $3::text[]) AS n (task_id, name)";
const ANNOUNCE: &str = "INSERT INTO task_changes \
    (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending, names_ahead_of) \
    VALUES ($1, now(), now(), now(), '', 1, 1, true, $2) RETURNING change_id";
/// Compares the transaction too: after a failover this may be another server, with another delta of this number.
const ARRIVE: &str = "DELETE FROM task_changes WHERE tenant_id = $1 AND change_id = $2 \
    AND names_ahead_of = pg_current_xact_id()::text::bigint";
/// Batches in the queue: enough for the tasks to go on while grams are merged.
const QUEUE: usize = 4;

/// The ids of tasks and their names, in the same order.
type Names = (Vec<String>, Vec<String>);

/// The names of an import, which are being written. Dropping it rolls them back.
pub(super) struct ImportNames {
    names: mpsc::Sender<Names>,
    /// One task, which ends with this.
    writer: JoinSet<Result<ImportSession>>,
    tenant: TenantId,
    /// The number of the tasks' transaction.
    tasks: i64,
}

impl ImportNames {
    /// Begins to write names beside the transaction `tasks`, which has locked the tables. `None` if the session cannot begin:
    /// no connection is left, or another session waits for a lock on the tables.
    pub(super) async fn begin(
        db: &Db,
        tenant: &TenantId,
        tasks: &ImportSession,
    ) -> Result<Option<Self>> {
        let (session, insert) = match open(db).await {
            Ok(opened) => opened,
            Err(error) => {
                let cause = error.internal_cause();
                tracing::debug!(cause, "the names are written with the tasks: {error}");
                return Ok(None);
            }
        };
        let apart = tasks.client.batch_execute(APART).await;
        apart.map_err(|error| tasks.failed(error))?;
        let number = tasks.client.query_one(NUMBER, &[]).await;
        let number = number.and_then(|row| row.try_get(0));
        let number = number.map_err(|error| tasks.failed(error))?;
        let (names, queue) = mpsc::channel(QUEUE);
        let mut writer = JoinSet::new();
        let written = write(session, insert, tenant.clone(), queue);
        writer.spawn(traces::carried(written));
        Ok(Some(Self {
            names,
            writer,
            tenant: tenant.clone(),
            tasks: number,
        }))
    }

    /// Adds the names of tasks that did not exist before.
    pub(super) async fn add<'t>(&mut self, tasks: impl Iterator<Item = &'t NewTask>) -> Result<()> {
        let names = tasks.map(|task| (task.task_id.clone(), task.name.clone()));
        if self.names.send(names.unzip()).await.is_ok() {
            return Ok(());
        }
        match ended(&mut self.writer).await {
            Ok(_) => Err(Error::internal("the names of an import ended early")),
            Err(error) => Err(error),
        }
    }

    /// Waits until all names are written.
    pub(super) async fn written(self) -> Result<WrittenNames> {
        let Self {
            names,
            mut writer,
            tenant,
            tasks,
        } = self;
        drop(names);
        Ok(WrittenNames {
            session: ended(&mut writer).await?,
            tenant,
            tasks,
        })
    }
}

/// The names of an import, not committed yet.
pub(super) struct WrittenNames {
    session: ImportSession,
    tenant: TenantId,
    tasks: i64,
}

impl WrittenNames {
    /// Commits the names, before their tasks.
    pub(super) async fn commit(self) -> Result<Ahead> {
        let Self {
            session,
            tenant,
            tasks,
        } = self;
        let parameters: [&(dyn ToSql + Sync); 2] = [&tenant.as_str(), &tasks];
        let announced = session.client.query_one(ANNOUNCE, &parameters);
        let announced = session.run(ANNOUNCE, announced).await;
        let change_id = announced
            .and_then(|row| row.try_get(0))
            .map_err(|error| session.failed(error))?;
        let committed = session.client.batch_execute("COMMIT");
        let committed = session.run("COMMIT", committed).await;
        committed.map_err(|error| session.failed(error))?;
        Ok(Ahead { tenant, change_id })
    }
}

/// Names that are committed, and their tasks are not.
pub(super) struct Ahead {
    tenant: TenantId,
    change_id: i64,
}

impl Ahead {
    /// Ends that state with the commit of `tasks`, the transaction of the tasks.
    pub(super) async fn arrive(self, tasks: &ImportSession) -> Result<()> {
        let parameters: [&(dyn ToSql + Sync); 2] = [&self.tenant.as_str(), &self.change_id];
        let arrived = tasks.client.execute(ARRIVE, &parameters);
        let arrived = tasks.run(ARRIVE, arrived).await;
        match arrived.map_err(|error| tasks.failed(error))? {
            1 => Ok(()),
            _ => Err(Error::internal(
                "the names of an import are on another server than its tasks",
            )),
        }
    }
}

/// A session that writes names.
async fn open(db: &Db) -> Result<(ImportSession, Statement)> {
    let session = db.connect_client().await?;
    let session = ImportSession::new(session, Arc::clone(db.reports()));
    let begun = session.client.batch_execute(SETTINGS).await;
    begun.map_err(|error| session.failed(error))?;
    let insert = session.prepare(INSERT).await?;
    Ok((session, insert))
}

/// The end of the writer.
async fn ended(writer: &mut JoinSet<Result<ImportSession>>) -> Result<ImportSession> {
    let ended = writer.join_next().await;
    let ended = ended.ok_or_else(|| Error::internal("the names of an import ended twice"))?;
    ended.map_err(Error::internal)?
}

/// Writes names until there are no more.
async fn write(
    session: ImportSession,
    insert: Statement,
    tenant: TenantId,
    mut queue: mpsc::Receiver<Names>,
) -> Result<ImportSession> {
    while let Some((ids, names)) = queue.recv().await {
        let parameters: [&(dyn ToSql + Sync); 3] = [&tenant.as_str(), &ids, &names];
        let inserted = session.client.execute(&insert, &parameters);
        let inserted = session.run(INSERT, inserted).await;
        inserted.map_err(|error| session.failed(error))?;
    }
    Ok(session)
}
