//! The count index behind totals and deep pages. Migration `task_counts` explains it.

use std::time::Duration;

use diesel::{
    sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::{Db, TenantDb, Work, session::Connection};
use crate::{domain::tenant::TenantId, error::Result};

/// A separate connection for work on the counts, which may take longer than a call.
pub struct CountsConnection(Connection);

impl std::fmt::Debug for CountsConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CountsConnection")
    }
}

#[derive(diesel::QueryableByName)]
struct Answer {
    #[diesel(sql_type = BigInt)]
    answer: i64,
}

impl Db {
    /// Opens the connection. `most` is PostgreSQL's time limit for a statement; `None` means no limit.
    pub async fn counts_connection(&self, most: Option<Duration>) -> Result<CountsConnection> {
        let mut counts = CountsConnection(self.connect_alone().await?);
        let most = most.unwrap_or_default().as_millis();
        let set = format!("SET statement_timeout = {most}");
        counts
            .0
            .run(async |connection| connection.batch_execute(&set).await)
            .await?;
        Ok(counts)
    }
}

impl TenantDb<'_> {
    /// Compacts the tenant's deltas into its buckets, unless another process is doing so.
    pub async fn counts_compact(&self) -> Result<i64> {
        self.db
            .counts_connection(None)
            .await?
            .compact(self.tenant)
            .await
    }

    /// The same on a connection of the pool, without a time limit. If the future is dropped, the work is rolled back.
    pub async fn counts_compact_pooled(&self) -> Result<i64> {
        let mut lease = self.db.lease(Work::service_for(self.tenant)).await?;
        let compact = sql_query("SELECT task_counts_fold($1) AS answer")
            .bind::<Text, _>(self.tenant.as_str());
        let Answer { answer } = lease
            .run(async |connection| {
                // SET LOCAL ends with the transaction, so the next user of the connection has its
                // time limit again.
                let begin = "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
                connection.batch_execute(begin).await?;
                let answer = compact.get_result(connection).await?;
                connection.batch_execute("COMMIT").await?;
                Ok(answer)
            })
            .await?;
        lease.give_back();
        Ok(answer)
    }
}

impl CountsConnection {
    /// Compacts the tenant's deltas into its buckets; returns the number of deltas.
    pub async fn compact(&mut self, tenant: &TenantId) -> Result<i64> {
        self.ask("SELECT task_counts_fold($1) AS answer", tenant)
            .await
    }

    /// Compares the tenant's counts with its tasks; returns how many differ.
    pub async fn verify(&mut self, tenant: &TenantId) -> Result<i64> {
        self.ask("SELECT task_counts_verify($1) AS answer", tenant)
            .await
    }

    /// Recounts all tasks of the tenant.
    pub async fn rebuild(&mut self, tenant: &TenantId) -> Result<()> {
        let rebuild = "SELECT 0::bigint AS answer FROM task_counts_rebuild($1)";
        self.ask(rebuild, tenant).await.map(drop)
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.0
    }

    async fn ask(&mut self, question: &str, tenant: &TenantId) -> Result<i64> {
        let query = sql_query(question).bind::<Text, _>(tenant.as_str());
        self.0.enter(tenant);
        let Answer { answer } = self
            .0
            .run(async |connection| query.get_result(connection).await)
            .await?;
        Ok(answer)
    }
}
