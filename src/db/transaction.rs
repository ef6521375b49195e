//! The life of one write: a transaction of one tenant.

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::{Db, TenantDb, connection::Lease, error::RETRY_AFTER};
use crate::{
    domain::tenant::TenantId,
    error::{Error, Result},
};

/// What a transaction on a connection of its own may do: wait for its client between statements, for a minute.
const PATIENT: &str = "SET idle_in_transaction_session_timeout = '60s'";

/// An open transaction, READ COMMITTED. Dropped, it is undone.
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

    /// The same on a connection of its own, for a write that goes on as long as its client sends.
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

    /// Ends it with what came of the work in it: for good, or undone where that failed.
    pub async fn end<T>(self, done: Result<T>) -> Result<T> {
        match done {
            Ok(value) => self.commit().await.map(|()| value),
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// Makes all of it visible, at once and for good.
    async fn commit(mut self) -> Result<()> {
        if let Err(error) = self.execute("COMMIT").await {
            if !self.lease.is_in_doubt() {
                return Err(error); // the server says that it undid all
            }
            // The answer got lost, perhaps not the deed.
            let what =
                "the commit was not confirmed; the same call with its idempotency_key finds out";
            return Err(Error::unavailable(what, RETRY_AFTER).caused_by(error));
        }
        self.lease.give_back();
        self.db.changes().note(self.tenant);
        Ok(())
    }

    /// Undoes all of it.
    pub async fn rollback(mut self) {
        // Where that fails the connection is gone, and the transaction with it.
        if self.execute("ROLLBACK").await.is_ok() {
            self.lease.give_back();
        }
    }
}
