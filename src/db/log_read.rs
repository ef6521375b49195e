//! Reads the change log from a position up to a snapshot, in steps with a limited number of tasks.
//!
//! The current state of a task comes from its row, in the snapshot in which the log is read. Its previous state comes
//! from its first change after the position. A read that leaves tasks out ends at a position that is not level (see
//! [`LogPosition`]); the next read continues from there.

use std::{collections::HashSet, fmt, ops::AsyncFnOnce, time::Duration};

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, sql_query,
    sql_types::{Array, BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::time::timeout;
use tokio_postgres::Notification;

use super::{
    Db,
    changes::CHANNEL,
    error::DbError,
    log::{DATABASE, snapshot_of},
    log_statement::{LogStatement, Row},
    row::{to_image, to_task},
    session::Connection,
};
use crate::{
    domain::{
        tenant::TenantId,
        watch::{LogPosition, LoggedNow, LoggedTask},
        watch_token::Snapshot,
    },
    error::{Error, Result},
};

/// The maximum number of changes after a position; a reader that is further behind must list its tasks again.
pub const MOST_CHANGES: i64 = 20_000;
/// A read that takes longer fails, and the reader opens another connection.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The possible numbers of tasks per read. The number is part of the statement's text, so there are only a few.
const STEPS: [usize; 4] = [64, 512, 2048, 8192];
/// The approximate maximum memory of the tasks of a read, in bytes.
const STEP_BYTES: usize = 8 * 1024 * 1024;

/// The number of tasks per read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StepSize(usize);

impl Default for StepSize {
    /// The size before any task was read: 512 tasks of maximum size take 26 MiB.
    fn default() -> Self {
        Self(STEPS[1])
    }
}

impl StepSize {
    /// The size for which tasks like these would take about 8 MiB; `self` if there are none.
    #[must_use]
    pub fn after(self, changes: &[LoggedTask]) -> Self {
        let memory: usize = changes.iter().map(LoggedTask::memory).sum();
        let Some(each) = memory.checked_div(changes.len()) else {
            return self;
        };
        let fits = |step: &&usize| **step * each <= STEP_BYTES;
        Self(STEPS.iter().rev().find(fits).copied().unwrap_or(STEPS[0]))
    }
}

/// The beginning and the limits of a read.
#[derive(Debug)]
pub struct LogFrom<'a> {
    /// The position to read from.
    pub position: &'a LogPosition,
    /// The maximum number of log entries after the position; with more, nothing is read.
    pub most_changes: i64,
    /// The maximum number of tasks.
    pub step: StepSize,
}

/// A connection that reads the change log.
pub struct LogReader {
    connection: Connection,
    process_id: i32,
    database: i64,
}

/// The result of a read.
#[derive(Debug)]
pub struct LogRead {
    /// The snapshot in which the log was read.
    pub snapshot: Snapshot,
    /// The position after all of `changes`; level if nothing was left out.
    pub position: LogPosition,
    /// The time of the snapshot.
    pub as_of: DateTime<Utc>,
    /// The changes.
    pub changes: LogChanges,
}

/// The changes that a read found.
#[derive(Debug)]
pub enum LogChanges {
    /// The changed tasks, each once, in the order of their last changes.
    Known(Vec<LoggedTask>),
    /// There are more changes than the limit.
    TooMany,
    /// The changes were trimmed, or were not logged task by task.
    Lost,
}

impl Db {
    /// Opens a reader on its own connection.
    pub async fn log_reader(&self) -> Result<LogReader> {
        let mut connection = self.connect_alone().await?;
        let own = sql_query(format!(
            "SELECT pg_backend_pid() AS process_id, {DATABASE} AS database"
        ));
        let Own {
            process_id,
            database,
        } = connection
            .run(async |connection| own.get_result(connection).await)
            .await?;
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
struct ForeignLog {
    #[diesel(sql_type = Text)]
    tenant_id: String,
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader")
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}

impl LogReader {
    /// Subscribes to the notifications of other services, for [`LogReader::heard`].
    pub async fn listen(&mut self) -> Result<()> {
        self.within_time(async |connection| {
            connection.batch_execute(&format!("LISTEN {CHANNEL}")).await
        })
        .await
    }

    /// Deletes log entries that a dump brought from a database with higher transaction ids. Here they would appear to be in
    /// the future.
    pub async fn drop_foreign(&mut self) -> Result<()> {
        // Usually there are none, and then a read-only database can be read too.
        let foreign = sql_query("SELECT f AS tenant_id FROM tenants_with_foreign_log() AS f");
        let foreign: Vec<ForeignLog> = self
            .within_time(async |connection| foreign.load(connection).await)
            .await?;
        for ForeignLog { tenant_id } in &foreign {
            let Ok(tenant) = TenantId::parse(tenant_id) else {
                continue;
            };
            self.connection.enter(&tenant);
            let drop = sql_query(
                "WITH next AS (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xid), \
                 gone AS (DELETE FROM task_log l USING next n WHERE l.tenant_id = $1 AND l.xid >= n.xid) \
                 UPDATE tenants t SET log_trimmed = 0 FROM next n WHERE t.tenant_id = $1 AND t.log_trimmed >= n.xid",
            )
            .bind::<Text, _>(tenant.as_str());
            self.within_time(async |connection| drop.execute(connection).await)
                .await?;
        }
        Ok(())
    }

    /// Waits for notifications of other services; returns the tenants with changes. All notifications that have arrived are
    /// taken at once, since they are not bounded in number.
    pub async fn heard(&mut self) -> Result<HashSet<TenantId>> {
        let mut tenants = HashSet::new();
        while tenants.is_empty() {
            let Some(first) = self.connection.notification().await else {
                let cause = "the reader's connection was closed";
                return Err(DbError::away(cause, &self.connection.reports).into());
            };
            let mut heard = Some(first);
            while let Some(notification) = heard {
                tenants.extend(self.changed(&notification));
                heard = self.connection.waiting_notification();
            }
        }
        Ok(tenants)
    }

    /// The tenant that another service has changed.
    fn changed(&self, notification: &Notification) -> Option<TenantId> {
        // PostgreSQL also delivers the session's own notifications; this process knows of those changes. Any role may
        // NOTIFY, so a payload that names no tenant is ignored.
        let is_own = notification.process_id() == self.process_id;
        let tenant = TenantId::parse(notification.payload()).ok();
        tenant.filter(|_| !is_own)
    }

    /// Notifies other services of tenants with changes.
    pub async fn notify(&mut self, tenants: &HashSet<TenantId>) -> Result<()> {
        let tenants: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
        let notify = sql_query("SELECT pg_notify($1, tenant) FROM unnest($2) AS t (tenant)")
            .bind::<Text, _>(CHANNEL)
            .bind::<Array<Text>, _>(tenants);
        self.within_time(async |connection| notify.execute(connection).await)
            .await
            .map(drop)
    }

    /// Reads the changes of a tenant's tasks since each of some positions, all in one snapshot. `customers` are the
    /// ones that watches filter by.
    pub async fn read(
        &mut self,
        tenant: &TenantId,
        from: &[LogFrom<'_>],
        customers: &[String],
    ) -> Result<Vec<LogRead>> {
        self.connection.enter(tenant);
        let statements: Vec<_> = from
            .iter()
            .map(|from| LogStatement {
                tenant: tenant.as_str(),
                from: from.position,
                most_changes: from.most_changes,
                most_tasks: from.step.0,
                customers,
            })
            .collect();
        let rows = self.within_time(async |connection| {
            // A single statement is a snapshot by itself, and saves two round trips.
            if let [only] = &statements[..] {
                return Ok(vec![only.load::<Row>(connection).await?]);
            }
            connection
                // Several statements see the same snapshot only in a REPEATABLE READ transaction.
                .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .await?;
            let mut all = Vec::with_capacity(statements.len());
            for statement in &statements {
                all.push(statement.load::<Row>(connection).await?);
            }
            connection.batch_execute("COMMIT").await?;
            Ok(all)
        });
        let all = rows.await?.into_iter().zip(from);
        let database = self.database;
        all.map(|(rows, from)| to_read(rows, from, database))
            .collect()
    }

    /// Reads the changes since one position.
    pub async fn read_one(
        &mut self,
        tenant: &TenantId,
        from: LogFrom<'_>,
        customers: &[String],
    ) -> Result<LogRead> {
        let mut reads = self.read(tenant, &[from], customers).await?;
        reads
            .pop()
            .ok_or_else(|| Error::internal("the log was not read"))
    }

    /// Runs `work` with [`TIMEOUT`].
    async fn within_time<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        match timeout(TIMEOUT, self.connection.run(work)).await {
            Ok(done) => Ok(done?),
            Err(elapsed) => Err(DbError::away(elapsed, &self.connection.reports).into()),
        }
    }
}

/// Builds the result of one statement from its rows.
fn to_read(rows: Vec<Row>, from: &LogFrom<'_>, database: i64) -> Result<LogRead> {
    let mut rows = rows.into_iter();
    let Some((head, first, task)) = rows.next() else {
        return Err(Error::internal("the log has no head"));
    };
    let (as_of, trimmed, newest, open) = head;
    let snapshot = snapshot_of(newest, open);
    let mut read = LogRead {
        position: LogPosition::level(database, snapshot.clone()),
        snapshot,
        as_of,
        changes: LogChanges::Lost,
    };
    let LogPosition {
        database: counted_by,
        base,
        steps,
    } = from.position;
    // Another database has other transaction ids. In this one, entries up to `trimmed` are gone and may be missing. A position
    // behind the newest entry is of changes that an older copy of the database's files does not have.
    let is_whole = base.newest >= trimmed && base.open.iter().all(|xid| *xid > trimmed);
    let mut seen = steps.iter().map(|step| &step.snapshot).chain([base]);
    let is_past = seen.all(|snapshot| snapshot.newest <= newest);
    if *counted_by != database || !is_whole || !is_past {
        return Ok(read);
    }
    let mut changes = Vec::new();
    for (change, task) in std::iter::once((first, task)).chain(rows.map(|r| (r.1, r.2))) {
        let Some((seen, task_id, log_id, targets_changed, was, name, customers)) = change else {
            continue;
        };
        if seen > from.most_changes {
            read.changes = LogChanges::TooMany;
            return Ok(read);
        }
        // A change without a task's id: a bulk change that was not logged task by task. The read
        // stays `Lost`.
        let Some(task_id) = task_id else {
            return Ok(read);
        };
        if changes.len() == from.step.0 {
            // The row beyond the limit only shows that there are more tasks.
            let last = changes
                .last()
                .map_or(0, |change: &LoggedTask| change.log_id);
            read.position = from.position.sent_to(&read.snapshot, last);
            break;
        }
        let now = task.map(to_task).transpose()?;
        changes.push(LoggedTask {
            task_id,
            log_id,
            was: was.map(to_image).transpose()?,
            now: now.map(|task| LoggedNow::new(task, name.unwrap_or_default())),
            targets_changed,
            customers,
        });
    }
    // A token holds a limited number of steps. A reader that needs more must list its tasks again.
    if read.position.is_level() || from.position.can_be_continued() {
        read.changes = LogChanges::Known(changes);
    }
    Ok(read)
}
