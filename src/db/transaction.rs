//! A write transaction of one tenant.
//!
//! A write costs two round trips to PostgreSQL besides the one that commits. `Transaction::open`
//! sends BEGIN, the claim of the idempotency key, the lock of the tasks and the other reads
//! together, without waiting for the answers in between (pipelining; PostgreSQL, "Pipeline Mode").
//! PostgreSQL still runs them one after the other, each in a snapshot of its own. The second round
//! trip changes the task and writes its event. The outcome is stored in the round trip of COMMIT. A
//! write without an outcome to store may send COMMIT together with the change
//! ([`Transaction::commit_with_change`]): if the change fails, PostgreSQL answers COMMIT with a
//! rollback.
//!
//! Nothing that changes data for good is sent together with BEGIN: if BEGIN failed alone, it would
//! be committed by itself.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    result::{DatabaseErrorKind, Error as DieselError},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::join;

use super::{
    Db, TenantDb,
    connection::Lease,
    error::{DbError, RETRY_AFTER},
    idempotency::KeepStatement,
    sql::statement,
    work::Work,
};
use crate::{
    domain::tenant::TenantId,
    error::{Error, Result},
};

/// For a transaction on its own connection: the client may pause for a minute between statements, and the transaction
/// waits for its turn behind others that last longer than a statement may. The deadline of its call ends it.
const PATIENT: &str = "SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = 0; SET statement_timeout = 0";

/// A READ COMMITTED transaction. Dropping it rolls it back.
/// Each of its statements sees what was committed before it, so a rule that is checked after the
/// lock sees the newest row. A stricter level would end writers that waited for a lock with a
/// serialization error.
pub struct Transaction<'a> {
    lease: Lease,
    db: &'a Db,
    pub(super) tenant: &'a TenantId,
    pub(super) is_begun: bool,
    /// Whether COMMIT goes with the next change of tasks.
    commits_with_change: bool,
    /// Whether COMMIT was answered.
    is_ended: bool,
    /// The outcome to be stored with the commit.
    outcome: Option<(i16, String)>,
    /// Where the row of the claimed key is, in PostgreSQL's notation.
    pub(super) claimed: Option<String>,
}

/// COMMIT as a prepared statement. Prepared statements are sent in the order in which they are
/// first polled, even if the ones before have to be prepared first. A simple query would overtake
/// them.
#[derive(Debug)]
struct CommitStatement;

impl QueryFragment<Pg> for CommitStatement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("COMMIT");
        Ok(())
    }
}

statement!(CommitStatement: ());

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl<'a> TenantDb<'a> {
    /// A transaction on a connection of the pool, which [`Transaction::open`] begins.
    pub async fn transaction(&self, work: Work<'_>) -> Result<Transaction<'a>> {
        Ok(self.transaction_on(self.db.lease(work).await?))
    }

    /// Begins a transaction of the service itself on a connection of the pool. It does not wait behind the tenant's
    /// calls.
    pub async fn begin(&self) -> Result<Transaction<'a>> {
        self.transaction(Work::service_for(self.tenant))
            .await?
            .begun()
            .await
    }

    /// Begins a transaction on its own connection, for a write that lasts as long as its client sends.
    pub async fn begin_alone(&self) -> Result<Transaction<'a>> {
        let mut lease = self.db.lease_alone(self.tenant).await?;
        lease
            .run(async |connection| connection.batch_execute(PATIENT).await)
            .await?;
        self.transaction_on(lease).begun().await
    }

    fn transaction_on(&self, lease: Lease) -> Transaction<'a> {
        Transaction {
            lease,
            db: self.db,
            tenant: self.tenant,
            is_begun: false,
            commits_with_change: false,
            is_ended: false,
            outcome: None,
            claimed: None,
        }
    }
}

impl<'a> Transaction<'a> {
    async fn begun(mut self) -> Result<Self> {
        self.control("BEGIN").await?;
        self.is_begun = true;
        Ok(self)
    }

    pub(super) async fn run<T>(
        &mut self,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        self.lease.run(query).await
    }

    async fn control(&mut self, sql: &'static str) -> Result<()> {
        self.run(async |connection| connection.batch_execute(sql).await)
            .await
    }

    /// Lets the next change or deletion of tasks commit, in the same round trip. For a write that
    /// does nothing after it and has no idempotency key: an outcome is stored after the change.
    pub fn commit_with_change(&mut self) {
        self.commits_with_change = true;
    }

    /// Whether the transaction was committed with a change.
    pub fn is_committed(&self) -> bool {
        self.is_ended
    }

    /// Runs the statement of a change, and commits with it if that was asked for.
    pub(super) async fn run_change<T>(
        &mut self,
        change: impl AsyncFnOnce(&AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        if !std::mem::take(&mut self.commits_with_change) {
            return self.run(async |connection| change(connection).await).await;
        }
        let mut is_refused = false;
        let both = async |connection: &mut &AsyncPgConnection| {
            let shared = *connection;
            let end = async { CommitStatement.execute(&mut &*shared).await };
            let (changed, committed) = join(change(shared), end).await;
            is_refused = changed.as_ref().is_err_and(is_of_server);
            let changed = changed?;
            committed.map(|_| changed)
        };
        let done = self.lease.try_run(both).await;
        let is_lost = done.as_ref().is_err_and(DbError::is_in_doubt);
        self.is_ended = !is_lost;
        match done {
            Err(error) if is_lost && !is_refused => Err(not_confirmed(error)),
            done => Ok(done?),
        }
    }

    /// Stores the outcome of a claimed write when the transaction is committed.
    pub fn idempotency_keep(&mut self, version: i16, outcome: String) {
        self.outcome = Some((version, outcome));
    }

    /// Commits if `done` is a success, else rolls back.
    pub async fn end<T>(self, done: Result<T>) -> Result<T> {
        match done {
            Ok(value) => self.commit().await.map(|()| value),
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// Commits. UNAVAILABLE if the server's confirmation was lost, because the transaction may have been committed.
    async fn commit(mut self) -> Result<()> {
        if !self.is_ended {
            self.send_commit().await?;
        }
        self.lease.give_back();
        // Wakes the feed, so that watches report the change before its next poll.
        self.db.changes().note(self.tenant);
        Ok(())
    }

    async fn send_commit(&mut self) -> Result<()> {
        let keep = self.claimed.take().zip(self.outcome.take());
        let keep = keep.map(|(row_id, (version, outcome))| KeepStatement {
            row_id,
            version,
            outcome,
        });
        let commit = async |connection: &mut &AsyncPgConnection| {
            let shared = *connection;
            let Some(keep) = keep else {
                return (&mut &*shared).batch_execute("COMMIT").await;
            };
            let keep = async { keep.execute(&mut &*shared).await };
            let end = async { CommitStatement.execute(&mut &*shared).await };
            // In one round trip. If the outcome cannot be stored, PostgreSQL answers COMMIT with a
            // rollback.
            let (kept, committed) = join(keep, end).await;
            kept.and(committed).map(drop)
        };
        match self.lease.try_run(commit).await {
            Err(error) if error.is_in_doubt() => Err(not_confirmed(error)),
            // With any other error the server has rolled the transaction back.
            done => Ok(done?),
        }
    }

    /// Rolls the transaction back.
    pub async fn rollback(mut self) {
        // If ROLLBACK fails, the connection is broken and PostgreSQL rolls back by itself.
        if self.is_ended || self.control("ROLLBACK").await.is_ok() {
            self.lease.give_back();
        }
    }
}

/// Whether the server answered the statement with an error, so that COMMIT after it is a rollback.
fn is_of_server(error: &DieselError) -> bool {
    use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    match error {
        DieselError::DatabaseError(kind, _) => {
            !matches!(kind, ClosedConnection | UnableToSendCommand)
        }
        _ => false,
    }
}

/// The confirmation of a commit was lost; the commit may have succeeded.
fn not_confirmed(error: DbError) -> Error {
    let what = "the commit was not confirmed; repeat the call with its idempotency_key to learn the outcome";
    Error::unavailable(what, RETRY_AFTER).caused_by(Error::from(error))
}
