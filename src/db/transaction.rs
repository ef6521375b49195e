//! A write transaction of one tenant.

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::{Db, TenantDb, connection::Lease, error::RETRY_AFTER};
use crate::{
    domain::tenant::TenantId,
    error::{Error, Result},
};

/// For a transaction on its own connection: the client may pause for a minute between statements.
const PATIENT: &str = "SET idle_in_transaction_session_timeout = '60s'";

/// An open READ COMMITTED transaction. Dropping it rolls it back.
/// Each of its statements sees what was committed before it, so a rule that is checked after
/// `task_lock` sees the newest row. A stricter level would end writers that waited for a lock with
/// a serialization error.
pub struct Transaction<'a> {
    lease: Lease,
    db: &'a Db,
    pub(super) tenant: &'a TenantId,
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl<'a> TenantDb<'a> {
    /// Begins a transaction on a connection of the pool.
    pub async fn begin(&self) -> Result<Transaction<'a>> {
        self.begin_on(self.db.lease().await?).await
    }

    /// Begins a transaction on its own connection, for a write that lasts as long as its client sends.
    pub async fn begin_alone(&self) -> Result<Transaction<'a>> {
        let mut lease = self.db.lease_alone().await?;
        lease
            .run(async |connection| connection.batch_execute(PATIENT).await)
            .await?;
        self.begin_on(lease).await
    }

    async fn begin_on(&self, lease: Lease) -> Result<Transaction<'a>> {
        let mut transaction = Transaction {
            lease,
            db: self.db,
            tenant: self.tenant,
        };
        transaction.execute("BEGIN").await?;
        Ok(transaction)
    }
}

impl Transaction<'_> {
    pub(super) async fn run<T>(
        &mut self,
        query: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        self.lease.run(query).await
    }

    async fn execute(&mut self, sql: &'static str) -> Result<()> {
        self.run(async |connection| connection.batch_execute(sql).await)
            .await
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
        let commit =
            async |connection: &mut AsyncPgConnection| connection.batch_execute("COMMIT").await;
        match self.lease.try_run(commit).await {
            // The confirmation was lost; the commit may have succeeded.
            Err(error) if error.is_in_doubt() => {
                let what = "the commit was not confirmed; repeat the call with its idempotency_key to learn the outcome";
                let error = Error::unavailable(what, RETRY_AFTER).caused_by(Error::from(error));
                return Err(error);
            }
            // With any other error the server has rolled the transaction back.
            done => done?,
        }
        self.lease.give_back();
        // Wakes the feed, so that watches report the change before its next poll.
        self.db.changes().note(self.tenant);
        Ok(())
    }

    /// Rolls the transaction back.
    pub async fn rollback(mut self) {
        // If ROLLBACK fails, the connection is broken and PostgreSQL rolls back by itself.
        if self.execute("ROLLBACK").await.is_ok() {
            self.lease.give_back();
        }
    }
}
