//! The pool, and the life of one query.
//!
//! A read is one statement without a transaction. If its caller goes away or its deadline passes, its future is
//! dropped halfway: the statement would run on, and whoever got the connection next would wait for it. So [`Lease`]
//! takes such a connection out of the pool for good, and cancels its statement. (Cancelling alone is not enough: the
//! request could arrive after the statement and hit the next caller's.) Should the cancel request get lost,
//! `client_connection_check_interval` and `statement_timeout` end the statement. A transaction that is dropped halfway
//! ends the same way, and is undone.

use std::{fmt, ops::AsyncFnOnce, str::FromStr, sync::Arc, time::Duration};

use deadpool::{
    Runtime,
    managed::{QueueMode, Timeouts},
};
use diesel::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{Hook, HookError, Object, Pool, PoolError},
    },
};
use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tokio_postgres::NoTls;

use super::log::Changes;
use crate::error::{Error, ErrorKind, ErrorReason, Result};

/// How long a caller waits for a connection before it is told to come back.
const POOL_WAIT: Duration = Duration::from_secs(2);
/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection older than this is replaced, so that a changed route or role is picked up. Spread by a tenth.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Most exports at a time that begin a watch; more wait.
const LOGGED_EXPORTS: usize = 4;
/// When a caller that found no database may try again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Settings of every session.
pub const SESSION_SETTINGS: [&str; 7] = [
    // Statements are planned once a connection, not at every execution: twice the throughput.
    "plan_cache_mode=force_generic_plan",
    // Such a plan may have been made while the table was small. Every statement here has its index, to walk or to
    // count without a look into the table; a plan that lasts must not hold a scan of all tenants' tasks.
    "enable_seqscan=off",
    "enable_bitmapscan=off",
    // Many small statements share the machine; one must not take all of it.
    "max_parallel_workers_per_gather=0",
    "jit=off",
    // A statement whose caller went away without a cancel request ends soon.
    "client_connection_check_interval=1s",
    "idle_in_transaction_session_timeout=10s",
];

/// How to connect.
#[derive(Clone)]
pub struct DbOptions {
    /// A PostgreSQL URL or `key=value` string.
    pub url: String,
    /// Most connections of the pool at a time.
    pub pool_size: usize,
    /// Most exports at a time, each on a connection beside the pool.
    pub exports: usize,
    /// When PostgreSQL itself ends a statement; `None` for commands that may take their time.
    pub statement_timeout: Option<Duration>,
}

impl fmt::Debug for DbOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        f.debug_struct("DbOptions")
            .field("pool_size", &self.pool_size)
            .field("exports", &self.exports)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

/// A pool of connections to one database.
#[derive(Clone)]
pub struct Db {
    pool: Pool<AsyncPgConnection>,
    config: tokio_postgres::Config,
    exports: Arc<Semaphore>,
    logged_exports: Arc<Semaphore>,
    changes: Arc<Changes>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("pool", &self.pool.status())
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Sets the pool up; connects to nothing yet.
    pub fn new(options: &DbOptions) -> Result<Self> {
        let config = connection_config(options)?;
        let mut manager = ManagerConfig::default();
        // A closed connection is known without asking the server.
        manager.recycling_method = RecyclingMethod::Fast;
        let setup = config.clone();
        manager.custom_setup = Box::new(move |_| connect(setup.clone()).boxed());
        let pool = Pool::builder(AsyncDieselConnectionManager::new_with_config("", manager))
            .max_size(options.pool_size)
            // Whoever came back last goes out first: its plans and caches are warm, and every connection makes its own.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(POOL_WAIT),
                create: Some(CONNECT_TIMEOUT),
                recycle: Some(CONNECT_TIMEOUT),
            })
            .pre_recycle(Hook::sync_fn(|connection, metrics| {
                // The object's address stands in for chance: it spreads the ends of connections made together.
                let spread = (std::ptr::from_ref(connection) as usize >> 6) as u32 % 180;
                let lifetime = MAX_LIFETIME + Duration::from_secs(spread.into());
                if metrics.age() > lifetime {
                    return Err(HookError::message("reached its lifetime"));
                }
                Ok(())
            }))
            .build()
            .map_err(Error::internal)?;
        Ok(Self {
            pool,
            config,
            exports: Arc::new(Semaphore::new(options.exports)),
            logged_exports: Arc::new(Semaphore::new(LOGGED_EXPORTS)),
            changes: Arc::default(),
        })
    }

    /// Opens connections until the pool holds `count`, so that the first callers need not wait for them.
    pub async fn warm_up(&self, count: usize) -> Result<()> {
        let connections = (0..count).map(|_| self.pool.get());
        let opened = futures_util::future::try_join_all(connections).await;
        opened.map(drop).map_err(pool_error)
    }

    /// A connection outside the pool, for what must not wait for it or lasts long.
    pub async fn connect_alone(&self) -> Result<AsyncPgConnection> {
        tokio::time::timeout(CONNECT_TIMEOUT, connect(self.config.clone()))
            .await
            .map_err(|elapsed| unavailable().caused_by(elapsed))?
            .map_err(|error| unavailable().caused_by(error))
    }

    /// The same for what diesel has no words for: COPY. The connection ends when the client is dropped.
    pub(super) async fn connect_client(&self) -> Result<tokio_postgres::Client> {
        let (client, connection) =
            tokio::time::timeout(CONNECT_TIMEOUT, self.config.connect(NoTls))
                .await
                .map_err(|elapsed| unavailable().caused_by(elapsed))?
                .map_err(|error| unavailable().caused_by(error))?;
        // How it ended, the client's own calls tell.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Whose tasks this process changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// A place for each export that may be under way.
    pub(super) fn exports(&self) -> &Arc<Semaphore> {
        &self.exports
    }

    /// A place for each export that begins a watch.
    pub(super) fn logged_exports(&self) -> &Arc<Semaphore> {
        &self.logged_exports
    }

    /// Connections in use, connections open, and callers waiting for one.
    pub fn pool_status(&self) -> (usize, usize, usize) {
        let status = self.pool.status();
        (
            status.size.saturating_sub(status.available),
            status.size,
            status.waiting,
        )
    }

    /// Runs a query on a connection of the pool; see the module's comment for what happens when it is dropped.
    pub(super) async fn run<T>(
        &self,
        query: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        let mut lease = self.lease().await?;
        let result = lease.run(query).await;
        lease.give_back();
        result
    }

    /// A connection of the pool.
    pub(super) async fn lease(&self) -> Result<Lease> {
        let object = self.pool.get().await.map_err(pool_error)?;
        Ok(Lease(Some(Held::Pooled(object))))
    }

    /// A connection outside the pool, to be used and dropped in the same way.
    pub(super) async fn lease_alone(&self) -> Result<Lease> {
        Ok(Lease(Some(Held::Alone(self.connect_alone().await?))))
    }
}

/// A connection while a query or a transaction runs on it.
pub(super) struct Lease(Option<Held>);

enum Held {
    Pooled(Object<AsyncPgConnection>),
    Alone(AsyncPgConnection),
}

impl Lease {
    pub(super) async fn run<T>(
        &mut self,
        query: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        let connection: &mut AsyncPgConnection = match &mut self.0 {
            Some(Held::Pooled(object)) => object,
            Some(Held::Alone(connection)) => connection,
            None => return Err(Error::internal("the connection was given back before")),
        };
        match query(connection).await {
            Ok(value) => Ok(value),
            Err(error) => Err(classify(connection, error).await),
        }
    }

    /// Back into the pool, which drops it if it is closed.
    pub(super) fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = match self.0.take() {
            None => return,
            Some(Held::Pooled(object)) => Object::take(object),
            Some(Held::Alone(connection)) => connection,
        };
        tokio::spawn(async move {
            if let Err(error) = connection.cancel_token().cancel_query(NoTls).await {
                tracing::debug!(%error, "the abandoned statement could not be cancelled");
            }
            // Closed only now, so that the request cannot hit another's connection.
            drop(connection);
        });
    }
}

/// What a failed statement means. SQLSTATE does not come through diesel, and texts are in the server's language; but
/// when the server goes away it closes the connection, and only then.
pub(super) async fn classify(
    connection: &mut AsyncPgConnection,
    error: diesel::result::Error,
) -> Error {
    match connection.batch_execute("").await {
        Ok(()) => Error::internal(error),
        Err(_) => unavailable().caused_by(error),
    }
}

pub(super) fn unavailable() -> Error {
    Error::unavailable("the database cannot be reached now", RETRY_AFTER)
        .because(ErrorReason::DatabaseUnavailable)
}

fn pool_error(error: PoolError) -> Error {
    match error {
        PoolError::Timeout(deadpool::managed::TimeoutType::Wait) => {
            Error::unavailable("all database connections are in use", RETRY_AFTER)
                .because(ErrorReason::DatabaseBusy)
        }
        error => unavailable().caused_by(error),
    }
}

fn connection_config(options: &DbOptions) -> Result<tokio_postgres::Config> {
    let mut config = tokio_postgres::Config::from_str(&options.url).map_err(|error| {
        Error::new(
            ErrorKind::InvalidArgument,
            "the database URL cannot be read",
        )
        .caused_by(error)
    })?;
    let statement_timeout = options.statement_timeout.unwrap_or_default().as_millis();
    let mut all = config.get_options().unwrap_or_default().to_owned();
    for setting in SESSION_SETTINGS {
        all.push_str(" -c ");
        all.push_str(setting);
    }
    all.push_str(&format!(" -c statement_timeout={statement_timeout}"));
    config
        .options(all)
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(2)
        .tcp_user_timeout(Duration::from_secs(15));
    if config.get_application_name().is_none() {
        config.application_name("outbound-tasks");
    }
    Ok(config)
}

async fn connect(config: tokio_postgres::Config) -> ConnectionResult<AsyncPgConnection> {
    let (client, connection) = config.connect(NoTls).await.map_err(|error| {
        ConnectionError::CouldntSetupConfiguration(diesel::result::Error::QueryBuilderError(
            Box::new(error),
        ))
    })?;
    AsyncPgConnection::try_from_client_and_connection(client, connection).await
}
