//! The log of changes: where it is, whom a commit wakes, and how it is trimmed.
//!
//! See migration `task_log` for what a position in it is, and [`super::log_read`] for how it is read.
//!
//! Whoever commits wakes the reader: within the process by [`Changes`], in other services by NOTIFY, which the reader
//! itself sends. A trigger would make every writer wait for every other one's commit, since PostgreSQL takes one lock for
//! all that notify.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use chrono::TimeDelta;
use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, BigInt, Interval, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::sync::Notify;

use super::{
    TenantDb,
    clock::span,
    log_statement::{NEWEST, OPEN},
};
use crate::{
    domain::{tenant::TenantId, watch::LogPosition, watch_token::Snapshot},
    error::Result,
};

/// Where services tell each other whose tasks changed.
pub(super) const CHANNEL: &str = "outbound_tasks_changed";
/// Names the database that counts transactions: the cluster, and its timeline, another one after a replica took over. Where
/// it changes, numbers mean something else.
pub(super) const DATABASE: &str = "hashtextextended((SELECT system_identifier::text FROM pg_control_system()) || \
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), 0)";
/// Whose tasks this process changed, for its reader.
#[derive(Debug, Default)]
pub struct Changes {
    tenants: Mutex<HashSet<TenantId>>,
    wake: Notify,
}

impl Changes {
    /// Notes that a change was committed.
    pub(super) fn note(&self, tenant: &TenantId) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if !tenants.contains(tenant) {
            tenants.insert(tenant.clone());
        }
        drop(tenants);
        self.wake.notify_one();
    }

    /// Waits for a change.
    pub async fn noted(&self) {
        self.wake.notified().await;
    }

    /// Whose tasks changed since the last time.
    pub fn take(&self) -> HashSet<TenantId> {
        std::mem::take(&mut *self.tenants.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TenantDb<'_> {
    /// Where the log is now.
    pub async fn log_position(&self) -> Result<LogPosition> {
        self.db
            .run(async |connection| self.log_position_on(connection).await)
            .await
    }

    /// Where the log is in the snapshot of a transaction.
    pub(super) async fn log_position_on(
        &self,
        connection: &mut AsyncPgConnection,
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

    /// A text without its case, as names are searched.
    pub async fn name_fold(&self, text: &str) -> Result<String> {
        let fold = diesel::select(
            diesel::dsl::sql::<Text>("task_name_fold(")
                .bind::<Text, _>(text)
                .sql(")"),
        );
        self.db
            .run(async |connection| fold.get_result(connection).await)
            .await
    }

    /// Removes what was logged longer ago than `retention` from the beginning of the log, at most `most` changes; answers how
    /// many. What an open transaction could still add to stays.
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
        self.db
            .run(async |connection| trim.get_result::<Count>(connection).await)
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

/// A snapshot as a position holds it: of the open transactions those below the newest one.
pub(super) fn snapshot_of(newest: i64, mut open: Vec<i64>) -> Snapshot {
    open.retain(|xid| *xid < newest);
    Snapshot { newest, open }
}
