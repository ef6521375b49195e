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

/// Deletes the tenant's rows of labels that no task has. Both tables are read in one snapshot, and the triggers write them
/// together, so a row without its task is damage, whatever is written meanwhile.
const DELETE_STRAY_LABELS: &str = "DELETE FROM task_labels g WHERE g.tenant_id = $1 AND NOT EXISTS (
    SELECT FROM tasks t WHERE t.tenant_id = g.tenant_id AND t.task_id = g.task_id AND t.status = g.status
        AND t.start_time = g.start_time AND g.label = ANY (t.labels))";

/// Inserts the rows of labels that the tenant's tasks lack. The lock keeps those tasks as they are until the rows are
/// committed: a row of a status that a task has left would be damage again.
const INSERT_MISSING_LABELS: &str = "WITH lacking AS (
        SELECT t.tenant_id, t.labels, t.status, t.start_time, t.task_id FROM tasks t
        WHERE t.tenant_id = $1 AND t.labels IS NOT NULL AND EXISTS (
            SELECT FROM unnest(t.labels) AS l (label) WHERE NOT EXISTS (
                SELECT FROM task_labels g WHERE g.tenant_id = t.tenant_id AND g.label = l.label
                    AND g.status = t.status AND g.start_time = t.start_time AND g.task_id = t.task_id))
        ORDER BY t.task_id FOR SHARE
    )
    INSERT INTO task_labels (tenant_id, label, status, start_time, task_id)
    SELECT k.tenant_id, l.label, k.status, k.start_time, k.task_id
    FROM lacking k CROSS JOIN unnest(k.labels) AS l (label)
    ON CONFLICT DO NOTHING";

/// Marks the names that searches would miss or find wrongly as pending. Searches then read them from the tasks, and the next
/// compaction replaces the rows of `task_search`. A name that is marked without need costs time only.
const MARK_DAMAGED_NAMES: &str = "INSERT INTO task_changes
        (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending)
    SELECT $1, now(), now(), now(), d.task_id, 1, 1, true FROM task_names_damaged($1) AS d (task_id)";

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

    /// Makes the rows of labels and of names match the tasks of the tenant, and then recounts all of them.
    pub async fn rebuild(&mut self, tenant: &TenantId) -> Result<()> {
        for repair in [
            DELETE_STRAY_LABELS,
            INSERT_MISSING_LABELS,
            MARK_DAMAGED_NAMES,
        ] {
            let repair = sql_query(repair).bind::<Text, _>(tenant.as_str());
            self.0.enter(tenant);
            self.0
                .run(async |connection| repair.execute(connection).await)
                .await?;
        }
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
