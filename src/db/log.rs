//! The log of changes: its newest position, and how it is trimmed.
//!
//! Migration `task_log` describes what a position in it is, [`super::log_read`] how it is read, and
//! [`super::changes`] how its reader learns that there is something to read.

use chrono::TimeDelta;
use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, BigInt, Interval, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    TenantDb,
    clock::span,
    log_statement::{NEWEST, OPEN},
};
use crate::{
    domain::{watch::LogPosition, watch_token::Snapshot},
    error::Result,
};

/// Identifies the counter of transaction ids: the cluster and its timeline, which changes when a replica is promoted.
/// With another counter, positions have another meaning.
pub(super) const DATABASE: &str = "hashtextextended((SELECT system_identifier::text FROM pg_control_system()) || \
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), 0)";

impl TenantDb<'_> {
    /// The current position of the log.
    pub async fn log_position(&self) -> Result<LogPosition> {
        self.run("log position", async |connection| {
            self.log_position_on(connection).await
        })
        .await
    }

    /// The position of the log in the snapshot of a transaction.
    pub(super) async fn log_position_on(
        &self,
        connection: &mut &AsyncPgConnection,
    ) -> QueryResult<LogPosition> {
        let position = sql_query(format!(
            "SELECT {DATABASE} AS database, {OPEN} AS open, {NEWEST} AS newest FROM tenants s WHERE s.tenant_id = $1"
        ))
        .bind::<Text, _>(self.tenant.as_str());
        let Position {
            database,
            newest,
            open,
        } = position.get_result(connection).await?;
        Ok(LogPosition::level(database, snapshot_of(newest, open)))
    }

    /// Deletes log entries older than `retention` from the beginning of the log, at most `most`; returns how many.
    /// Entries that an open transaction may still precede are kept.
    pub async fn log_trim(&self, retention: TimeDelta, most: i64) -> Result<i64> {
        let trim = sql_query(
            "WITH first AS MATERIALIZED (SELECT xid, log_id FROM task_log WHERE tenant_id = $1 ORDER BY xid, log_id LIMIT $2), \
             gone AS (DELETE FROM task_log l USING first f WHERE l.tenant_id = $1 AND l.xid = f.xid AND l.log_id = f.log_id \
                AND l.at < now() - $3 AND l.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint RETURNING l.xid), \
             noted AS (UPDATE tenants SET log_trimmed = g.newest FROM (SELECT max(xid) AS newest FROM gone) g \
                WHERE tenant_id = $1 AND g.newest > log_trimmed) \
             SELECT count(*) FROM gone",
        )
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<BigInt, _>(most)
        .bind::<Interval, _>(span(retention));
        self.run_own(async |connection| trim.get_result::<Count>(connection).await)
            .await
            .map(|Count { count }| count)
    }
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(diesel::QueryableByName)]
struct Position {
    #[diesel(sql_type = BigInt)]
    database: i64,
    #[diesel(sql_type = BigInt)]
    newest: i64,
    #[diesel(sql_type = Array<BigInt>)]
    open: Vec<i64>,
}

/// The snapshot of a position: the newest transaction, and the open ones below it.
pub(super) fn snapshot_of(newest: i64, mut open: Vec<i64>) -> Snapshot {
    open.retain(|xid| *xid < newest);
    Snapshot { newest, open }
}
