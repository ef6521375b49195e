//! The database handle, and the lifecycle of a query.
//!
//! A read is a single statement without a transaction. If its caller disconnects or its deadline passes, its future is
//! dropped in the middle: the statement would continue, and the next user of the connection would wait for it.
//! [`Lease`] therefore removes such a connection from the pool and cancels its statement. Cancelling alone is not
//! enough, because the request could arrive late and hit the next caller's statement. If the cancel request is lost,
//! `client_connection_check_interval` and `statement_timeout` end the statement. A transaction that is dropped in the
//! middle ends in the same way and is rolled back.

use std::{fmt, ops::AsyncFnOnce, sync::Arc, time::Duration};

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::{
    changes::Changes,
    connector::Connector,
    error::{DbError, Kind, Outage, Reports},
    password::Password,
    pool::{Pool, Pooled},
    session::Connection,
    url::{self, DatabaseUrl},
    work::Work,
};
use crate::{
    domain::tenant::TenantId, error::Result, histogram::HistogramValues, permits::FairPermits,
};

/// The connections of a service outside of the pool: one each for health checks, the watch feed and the counts.
pub const OWN_CONNECTIONS: usize = 3;
/// The maximum number of concurrent exports that begin a watch, each on its own connection; further ones wait.
/// They have permits of their own, so that a new watch does not wait for exports that last minutes.
pub const LOGGED_EXPORTS: usize = 4;
/// A connection that refused a write is replaced if it is older than this. Only a new session adopts a changed
/// default_transaction_read_only, or follows the URL to another host.
const READ_ONLY_AGE: Duration = Duration::from_secs(2);

/// How long a statement of a service waits for a lock, such as that of a row which another transaction has changed. The
/// caller gets an error while its deadline leaves time to try again, and a lock that lasts, such as that of a migration,
/// does not hold all connections of the pool.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// The settings of every session, as `name=value`.
pub const SESSION_SETTINGS: [&str; 17] = [
    // Defaults of PostgreSQL on which answers depend. A role, a database or a server may have others, for other programs: with a
    // gin_fuzzy_search_limit, for one, searches for names would leave tasks out without an error.
    "array_nulls=on",
    "DateStyle=ISO",
    "default_transaction_isolation=read committed",
    "enable_indexscan=on",
    "gin_fuzzy_search_limit=0",
    "IntervalStyle=postgres",
    "row_security=on",
    "standard_conforming_strings=on",
    "TimeZone=UTC",
    "transform_null_equals=off",
    // Statements are planned once per connection instead of at every execution, which doubles the throughput.
    "plan_cache_mode=force_generic_plan",
    // A generic plan may have been made while the table was small. Every statement here has an index for an index scan
    // or an index-only scan, and a plan that is kept must not contain a scan over the tasks of all tenants.
    "enable_seqscan=off",
    "enable_bitmapscan=off",
    // Many small statements share the machine, so none of them runs in parallel.
    "max_parallel_workers_per_gather=0",
    "jit=off",
    // Ends a statement soon after its caller disconnected, even without a cancel request.
    "client_connection_check_interval=1s",
    // Ends a transaction that its service has left open, so that its row locks do not block others.
    "idle_in_transaction_session_timeout=10s",
];

/// The connection options.
#[derive(Clone)]
pub struct DbOptions {
    /// A PostgreSQL URL or `key=value` string.
    pub url: String,
    /// The password of a URL that has none.
    pub password: Password,
    /// The maximum number of connections in the pool.
    pub pool_size: usize,
    /// The maximum number of concurrent exports, each on a connection outside of the pool.
    pub exports: usize,
    /// PostgreSQL's time limit for a statement; `None` for commands without a limit.
    pub statement_timeout: Option<Duration>,
}

impl fmt::Debug for DbOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL is left out because it may contain a password.
        f.debug_struct("DbOptions")
            .field("pool_size", &self.pool_size)
            .field("exports", &self.exports)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

/// A pool of connections to one database, and what is shared by its users. Clones share the same pool.
#[derive(Clone)]
pub struct Db {
    pub(super) pool: Arc<Pool>,
    connector: Arc<Connector>,
    exports: FairPermits,
    logged_exports: FairPermits,
    changes: Arc<Changes>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Creates the pool without connecting.
    pub fn new(options: &DbOptions) -> Result<Self> {
        let url = url::parse(&options.url)?;
        let startup = session_options(&url, options);
        let reports = Arc::new(Reports::default());
        let connector = Arc::new(Connector::new(
            url,
            options.password.clone(),
            startup,
            reports,
        )?);
        Ok(Self {
            pool: Pool::new(Arc::clone(&connector), options.pool_size),
            connector,
            exports: FairPermits::new(options.exports),
            logged_exports: FairPermits::new(LOGGED_EXPORTS),
            changes: Arc::default(),
        })
    }

    /// Starts to log states in which the database does not serve, at most once a minute each. Meant for services; a
    /// command reports its error at its end.
    pub fn log_outages(&self) {
        self.connector.reports().turn_on();
    }

    /// The tenants whose tasks this process has changed, for the watch feed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The state of the database and the meaning of its errors.
    pub(super) fn reports(&self) -> &Arc<Reports> {
        self.connector.reports()
    }

    /// Permits for exports.
    pub(super) fn exports(&self) -> &FairPermits {
        &self.exports
    }

    /// Permits for exports that begin a watch.
    pub(super) fn logged_exports(&self) -> &FairPermits {
        &self.logged_exports
    }

    /// Connections in use, open connections, and callers that wait for one.
    pub fn pool_status(&self) -> (usize, usize, usize) {
        self.pool.status()
    }

    /// The number of calls that got no connection because their turn would have come too late.
    pub fn pool_refused(&self) -> u64 {
        self.pool.refused()
    }

    /// For how long statements waited for a connection.
    pub fn pool_wait(&self) -> HistogramValues {
        self.pool.waits()
    }

    /// Runs a query of the service itself on a connection of the pool. For a dropped future see the module's comment.
    pub(super) async fn run<T>(
        &self,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        self.run_as(Work::SERVICE, query).await
    }

    /// Runs a query of this kind of work on a connection of the pool.
    pub(super) async fn run_as<T>(
        &self,
        work: Work<'_>,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        let mut lease = self.lease(work).await?;
        let result = lease.run(query).await;
        lease.give_back();
        result
    }

    /// Takes a connection of the pool.
    pub(super) async fn lease(&self, work: Work<'_>) -> Result<Lease> {
        let mut pooled = self.pool.get(work).await?;
        if let Some(tenant) = work.rows_of {
            pooled.connection.enter(tenant);
        }
        Ok(self.leased(Held::Pooled(pooled)))
    }

    /// Opens a connection outside of the pool for rows of a tenant, which is used and dropped in the same way.
    pub(super) async fn lease_alone(&self, tenant: &TenantId) -> Result<Lease> {
        let mut connection = self.connect_alone().await?;
        connection.enter(tenant);
        Ok(self.leased(Held::Alone(connection)))
    }

    fn leased(&self, held: Held) -> Lease {
        Lease {
            held: Some(held),
            connector: Arc::clone(&self.connector),
        }
    }
}

/// A connection while a query or a transaction uses it.
/// Only `give_back` returns it to the pool. If it is dropped, its statement may still be running.
pub(super) struct Lease {
    held: Option<Held>,
    connector: Arc<Connector>,
}

enum Held {
    Pooled(Pooled),
    Alone(Connection),
}

impl Lease {
    /// Runs a query from which the call site expects no error of its own.
    pub(super) async fn run<T>(
        &mut self,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        Ok(self.try_run(query).await?)
    }

    /// Runs a query whose call site says itself what an error means.
    pub(super) async fn try_run<T>(
        &mut self,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, DbError> {
        match self.connection() {
            Some(connection) => connection.run(query).await,
            None => {
                let cause = "the connection was given back before";
                Err(DbError::new(Kind::Defect, cause, self.connector.reports()))
            }
        }
    }

    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.held {
            Some(Held::Pooled(pooled)) => Some(&mut pooled.connection),
            Some(Held::Alone(connection)) => Some(connection),
            None => None,
        }
    }

    /// Returns the connection to the pool, which closes it if it is not usable.
    pub(super) fn give_back(mut self) {
        let Some(Held::Pooled(mut pooled)) = self.held.take() else {
            return;
        };
        let outage = pooled.connection.outage.take();
        if outage == Some(Outage::Away) {
            // It may be open, but with another backend than the one it was set up for.
            return;
        }
        if outage == Some(Outage::ReadOnly) && pooled.connection.age() > READ_ONLY_AGE {
            // The next connection tries the hosts in the order of the URL: another one may be the
            // primary after a failover.
            self.connector.forget_address();
            return;
        }
        pooled.give_back();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        tokio::spawn(async move {
            let connection = match &held {
                Held::Pooled(pooled) => &pooled.connection,
                Held::Alone(connection) => connection,
            };
            connection.cancel().send().await;
            // Closed only after the request was sent; a reused process id would receive it otherwise. The pool's permit is
            // released after that, or the pool would open another connection beside this one.
            drop(held);
        });
    }
}

/// The options of every session: those of the URL, and the settings of the service.
fn session_options(url: &DatabaseUrl, options: &DbOptions) -> String {
    // 0 stands for no limit in PostgreSQL.
    let statement_timeout = options.statement_timeout.unwrap_or_default().as_millis();
    // The options of the URL come first. PostgreSQL applies options in order, so the settings below
    // win over them.
    let mut all = url.options.clone();
    for setting in SESSION_SETTINGS {
        all.push_str(" -c ");
        all.push_str(&setting.replace(' ', "\\ "));
    }
    all.push_str(&format!(" -c statement_timeout={statement_timeout}"));
    // A command waits for as long as it takes, as an import does for another one.
    if options.statement_timeout.is_some() {
        all.push_str(&format!(" -c lock_timeout={}", LOCK_TIMEOUT.as_millis()));
    }
    all
}
