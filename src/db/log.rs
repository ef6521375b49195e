//! The log of changes, as a service reads it for all of its watches: on one connection, up to a snapshot.
//!
//! See migration `task_log` for what a place in it is. What a task is now comes from its own row, in the snapshot that the
//! log is read in; what it was comes from the first change since the earlier place.
//!
//! Whoever commits wakes the reader: within the process by [`Changes`], in other services by NOTIFY, which the reader
//! itself sends. A trigger would make every writer wait for every other one's commit, since PostgreSQL takes one lock for
//! all that notify.

use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, BigInt, Interval, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::{sync::Notify, time::timeout};

use super::{
    Db, TenantDb,
    clock::span,
    error::{Trouble, classified},
    log_statement::{LogStatement, MOST, NEWEST, OPEN, Row, WasRow},
    row::{to_status, to_task},
    session::Connection,
};
use crate::{
    domain::{
        task::Task,
        tenant::TenantId,
        watch::{LogPosition, LoggedTask, TaskImage},
    },
    error::{Error, Result},
};

/// Where services tell each other whose tasks changed.
pub(super) const CHANNEL: &str = "outbound_tasks_changed";
/// Names the database that counts transactions: the cluster, and its timeline, another one after a replica took over. Where
/// it changes, numbers mean something else.
const DATABASE: &str = "hashtextextended((SELECT system_identifier::text FROM pg_control_system()) || \
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), 0)";
/// A reader that waits longer tries another connection.
const TIMEOUT: Duration = Duration::from_secs(5);

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

/// A connection that reads the log.
pub struct LogReader {
    connection: Connection,
    process_id: i32,
    database: i64,
}

/// What changed since a place.
#[derive(Debug)]
pub struct LogRead {
    /// The place up to which it was read.
    pub position: LogPosition,
    /// The instant of the snapshot.
    pub as_of: DateTime<Utc>,
    /// Each task that changed, in the order of their last changes; `None` where it is not known any more which.
    pub changes: Option<Vec<LoggedTask>>,
}

impl Db {
    /// A reader on a connection of its own.
    pub async fn log_reader(&self) -> Result<LogReader> {
        let mut connection = self.connect_alone().await?;
        let own = sql_query(format!(
            "SELECT pg_backend_pid() AS process_id, {DATABASE} AS database"
        ));
        let listen = async {
            connection
                .batch_execute(&format!("LISTEN {CHANNEL}"))
                .await?;
            own.get_result::<Own>(&mut *connection).await
        };
        let own = listen.await;
        let Own {
            process_id,
            database,
        } = classified(&mut connection, own).await?;
        Ok(LogReader {
            connection,
            process_id,
            database,
        })
    }
}

#[derive(diesel::QueryableByName)]
struct Own {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    process_id: i32,
    #[diesel(sql_type = BigInt)]
    database: i64,
}

#[derive(diesel::QueryableByName)]
struct There {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    there: bool,
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader")
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}

impl LogReader {
    /// Removes from a tenant's log what came with a dump, out of a database that was further in its count: here it would
    /// pass for the future.
    pub async fn drop_foreign(&mut self, tenant: &TenantId) -> Result<()> {
        // Mostly there is none; a database that takes no writes is then read all the same.
        let any = sql_query(
            "WITH next AS (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid) \
             SELECT EXISTS (SELECT FROM task_log l, next n WHERE l.tenant_id = $1 AND l.xid >= n.xid) \
                OR EXISTS (SELECT FROM tenants t, next n WHERE t.tenant_id = $1 AND t.log_trimmed >= n.xid) AS there",
        )
        .bind::<Text, _>(tenant.as_str());
        let There { there } = self
            .within_time(async |connection| any.get_result(connection).await)
            .await?;
        if !there {
            return Ok(());
        }
        let drop = sql_query(
            "WITH next AS (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid), \
             gone AS (DELETE FROM task_log l USING next n WHERE l.tenant_id = $1 AND l.xid >= n.xid) \
             UPDATE tenants t SET log_trimmed = 0 FROM next n WHERE t.tenant_id = $1 AND t.log_trimmed >= n.xid",
        )
        .bind::<Text, _>(tenant.as_str());
        self.within_time(async |connection| drop.execute(connection).await)
            .await
            .map(|_| ())
    }

    /// Waits until another service tells of changes, and answers whose.
    pub async fn heard(&mut self) -> Result<TenantId> {
        let own = self.process_id;
        loop {
            let Some(heard) = self.connection.notification().await else {
                let reports = &self.connection.reports;
                return Err(reports.error(Trouble::Away, "the reader's connection was closed"));
            };
            match TenantId::parse(heard.payload()) {
                Ok(tenant) if heard.process_id() != own => return Ok(tenant),
                _ => {}
            }
        }
    }

    /// Tells other services whose tasks changed.
    pub async fn tell(&mut self, tenants: &HashSet<TenantId>) -> Result<()> {
        let tenants: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
        let tell = sql_query("SELECT pg_notify($1, tenant) FROM unnest($2) AS t (tenant)")
            .bind::<Text, _>(CHANNEL)
            .bind::<Array<Text>, _>(tenants);
        self.within_time(async |connection| tell.execute(connection).await)
            .await
            .map(drop)
    }

    /// What changed in a tenant's tasks since each of some places: all up to one snapshot. `customers` are those that
    /// watches ask for.
    pub async fn read(
        &mut self,
        tenant: &TenantId,
        places: &[&LogPosition],
        customers: &[String],
    ) -> Result<Vec<LogRead>> {
        let statements: Vec<_> = places
            .iter()
            .map(|from| LogStatement {
                tenant: tenant.as_str(),
                from,
                customers,
            })
            .collect();
        let rows = self.within_time(async |connection| {
            if let [only] = &statements[..] {
                return Ok(vec![only.load::<Row>(connection).await?]);
            }
            connection
                .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await?;
            let mut all = Vec::with_capacity(statements.len());
            for statement in &statements {
                all.push(statement.load::<Row>(connection).await?);
            }
            connection.batch_execute("COMMIT").await?;
            Ok(all)
        });
        let all = rows.await?.into_iter().zip(places);
        let database = self.database;
        all.map(|(rows, from)| to_read(rows, from, database))
            .collect()
    }

    async fn within_time<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        match timeout(TIMEOUT, work(&mut self.connection)).await {
            Ok(done) => classified(&mut self.connection, done).await,
            Err(elapsed) => Err(self.connection.reports.error(Trouble::Away, elapsed)),
        }
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
        Ok(position_of(database, newest, open))
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

fn position_of(database: i64, newest: i64, mut open: Vec<i64>) -> LogPosition {
    open.retain(|xid| *xid < newest);
    LogPosition {
        database,
        newest,
        open,
    }
}

fn to_read(rows: Vec<Row>, from: &LogPosition, database: i64) -> Result<LogRead> {
    let mut rows = rows.into_iter();
    let Some((head, first, task)) = rows.next() else {
        return Err(Error::internal("the log has no head"));
    };
    let (as_of, trimmed, newest, open) = head;
    let seen = first.as_ref().map_or(0, |change| change.0);
    let mut changes = Vec::new();
    // Another database counts other transactions; and of this one's, those may be missed that the log has no more.
    let is_whole = from.newest >= trimmed && from.open.iter().all(|xid| *xid > trimmed);
    let mut is_known = seen <= MOST && from.database == database && is_whole;
    for (change, task) in std::iter::once((first, task)).chain(rows.map(|r| (r.1, r.2))) {
        let Some((_, task_id, targets_changed, was, name, customers)) = change else {
            continue;
        };
        let Some(task_id) = task_id else {
            is_known = false;
            break;
        };
        let task = task.map(to_task).transpose()?;
        changes.push(LoggedTask {
            task_id,
            was: was.map(to_image).transpose()?,
            now: task.map(|task| (image_of(&task, name.unwrap_or_default()), task)),
            targets_changed,
            customers,
        });
    }
    Ok(LogRead {
        position: position_of(database, newest, open),
        as_of,
        changes: is_known.then_some(changes),
    })
}

fn to_image(was: WasRow) -> Result<TaskImage> {
    let (status, start_time, end_time, created_at, updated_at, folded_name) = was;
    Ok(TaskImage {
        status: to_status(status)?,
        start_time,
        end_time,
        created_at,
        updated_at,
        folded_name,
    })
}

fn image_of(task: &Task, folded_name: String) -> TaskImage {
    TaskImage {
        status: task.status,
        start_time: task.start_time,
        end_time: task.end_time,
        created_at: task.created_at,
        updated_at: task.updated_at,
        folded_name,
    }
}
