//! The pool, and the life of one query.
//!
//! A read is one statement without a transaction. If its caller goes away or its deadline passes, its future is
//! dropped halfway: the statement would run on, and whoever got the connection next would wait for it. So [`Lease`]
//! takes such a connection out of the pool for good, and cancels its statement. (Cancelling alone is not enough: the
//! request could arrive after the statement and hit the next caller's.) Should the cancel request get lost,
//! `client_connection_check_interval` and `statement_timeout` end the statement. A transaction that is dropped halfway
//! ends the same way, and is undone.

use std::{
    fmt,
    ops::AsyncFnOnce,
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::{
    changes::Changes,
    connect_error::ConnectError,
    error::{Reports, Trouble, classified},
    pool::{Pool, Pooled},
    session::{Connection, Connector},
    url,
};
use crate::{
    error::{Error, Result},
    permits::FairPermits,
};

/// Connections that a service keeps beside the pool, one each: to look after its health, to feed watches, to keep counts.
pub const OWN_CONNECTIONS: usize = 3;
/// Most exports at a time that begin a watch, each on a connection of its own; more wait.
pub const LOGGED_EXPORTS: usize = 4;
/// How long a connection beside the pool waits for one of the pool to be closed for it.
const ROOM_WAIT: Duration = Duration::from_secs(2);
/// How long a start waits for more connections where PostgreSQL gives fewer than are wanted.
const SHORT_WAIT: Duration = Duration::from_millis(500);
/// How often it is looked whether PostgreSQL has noticed that a connection was closed.
const ROOM_POLL: Duration = Duration::from_millis(50);
/// A connection on which a write was refused is replaced if it is older, since only a new session follows a changed
/// default_transaction_read_only, or the URL to another host.
const READ_ONLY_AGE: Duration = Duration::from_secs(2);

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
    pool: Arc<Pool>,
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
    /// Sets the pool up; connects to nothing yet.
    pub fn new(options: &DbOptions) -> Result<Self> {
        let config = connection_config(options)?;
        let connector = Arc::new(Connector::new(config, Arc::new(Reports::default())));
        Ok(Self {
            pool: Pool::new(Arc::clone(&connector), options.pool_size),
            connector,
            exports: FairPermits::new(options.exports),
            logged_exports: FairPermits::new(LOGGED_EXPORTS),
            changes: Arc::default(),
        })
    }

    /// Opens `count` connections for the pool, or as many as PostgreSQL gives, so that the first callers need not wait
    /// for them. Answers how many PostgreSQL gave of `count` and `beside` ones together; an error if there is none.
    pub async fn warm_up(&self, count: usize, beside: usize) -> Result<usize> {
        let (began, wanted) = (Instant::now(), count + beside);
        let mut opened = Vec::new();
        loop {
            let missing = (opened.len()..wanted).map(|_| self.connector.connect());
            let mut failed = None;
            for connected in futures_util::future::join_all(missing).await {
                match connected {
                    Ok(connection) => opened.push(connection),
                    Err(error) => failed = Some(error),
                }
            }
            // PostgreSQL counts connections that were just closed for a moment.
            let is_short = failed.as_ref().map(ConnectError::trouble) == Some(Trouble::Connections);
            if is_short && began.elapsed() < SHORT_WAIT {
                tokio::time::sleep(ROOM_POLL).await;
                continue;
            }
            match failed {
                Some(error) if opened.is_empty() => {
                    return Err(self.reports().connect_error(error));
                }
                _ => break,
            }
        }
        let given = opened.len();
        opened.truncate(count);
        opened.into_iter().for_each(|c| self.pool.adopt(c));
        Ok(given)
    }

    /// From now on states of the database in which it does not serve are logged as they are met, once a minute at
    /// most. That is for services; a command says at its end what went wrong.
    pub fn log_troubles(&self) {
        self.connector.reports().turn_on();
    }

    /// A connection outside the pool, for what must not wait for it or lasts long. If PostgreSQL has none left, an idle
    /// one of the pool makes room for it.
    pub async fn connect_alone(&self) -> Result<Connection> {
        let mut room = Room::default();
        loop {
            match self.connector.connect().await {
                Ok(connection) => return Ok(connection),
                Err(error) => self.make_room(&mut room, error).await?,
            }
        }
    }

    /// The same for what diesel has no words for: COPY. The connection ends when the client is dropped.
    pub(super) async fn connect_client(&self) -> Result<tokio_postgres::Client> {
        let mut room = Room::default();
        loop {
            match self.connector.connect_client().await {
                Ok(client) => return Ok(client),
                Err(error) => self.make_room(&mut room, error).await?,
            }
        }
    }

    /// Makes room for a connection that PostgreSQL refused; the refusal itself where that cannot be done.
    async fn make_room(&self, room: &mut Room, refused: ConnectError) -> Result<()> {
        let is_short = refused.trouble() == Trouble::Connections;
        let error = self.connector.reports().connect_error(refused);
        if !is_short || room.began.elapsed() > ROOM_WAIT {
            return Err(error);
        }
        room.is_made |= self.pool.make_room();
        if !room.is_made {
            return Err(error);
        }
        tokio::time::sleep(ROOM_POLL).await;
        Ok(())
    }

    /// Whose tasks this process changed.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }

    /// What the database's errors mean.
    pub(super) fn reports(&self) -> &Arc<Reports> {
        self.connector.reports()
    }

    /// A permit for each export that may be under way.
    pub(super) fn exports(&self) -> &FairPermits {
        &self.exports
    }

    /// A permit for each export that begins a watch.
    pub(super) fn logged_exports(&self) -> &FairPermits {
        &self.logged_exports
    }

    /// Connections in use, connections open, and callers waiting for one.
    pub fn pool_status(&self) -> (usize, usize, usize) {
        self.pool.status()
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
        Ok(self.leased(Held::Pooled(self.pool.get().await?)))
    }

    /// A connection outside the pool, to be used and dropped in the same way.
    pub(super) async fn lease_alone(&self) -> Result<Lease> {
        Ok(self.leased(Held::Alone(self.connect_alone().await?)))
    }

    fn leased(&self, held: Held) -> Lease {
        Lease {
            held: Some(held),
            connector: Arc::clone(&self.connector),
        }
    }
}

/// Whether a connection of the pool was closed for the sake of another, and since when that one is wanted.
struct Room {
    began: Instant,
    is_made: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            is_made: false,
        }
    }
}

/// A connection while a query or a transaction runs on it.
pub(super) struct Lease {
    held: Option<Held>,
    connector: Arc<Connector>,
}

enum Held {
    Pooled(Pooled),
    Alone(Connection),
}

impl Lease {
    pub(super) async fn run<T>(
        &mut self,
        query: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        let Some(connection) = self.connection() else {
            return Err(Error::internal("the connection was given back before"));
        };
        // An error that came while the connection was idle is none of this query's.
        drop(connection.errors.take());
        let done = query(connection).await;
        classified(connection, done).await
    }

    fn connection(&mut self) -> Option<&mut Connection> {
        match &mut self.held {
            Some(Held::Pooled(pooled)) => Some(&mut pooled.connection),
            Some(Held::Alone(connection)) => Some(connection),
            None => None,
        }
    }

    /// Whether the last failure leaves open what the server did.
    pub(super) fn is_in_doubt(&mut self) -> bool {
        let trouble = self.connection().and_then(|connection| connection.trouble);
        matches!(trouble, Some(Trouble::Away | Trouble::Restarting))
    }

    /// Back into the pool, which drops it if it is closed.
    pub(super) fn give_back(mut self) {
        let Some(Held::Pooled(mut pooled)) = self.held.take() else {
            return;
        };
        let was_read_only = pooled.connection.trouble.take() == Some(Trouble::ReadOnly);
        if was_read_only && pooled.connection.age() > READ_ONLY_AGE {
            self.connector.forget_address();
            return;
        }
        pooled.give_back();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let connection = match self.held.take() {
            None => return,
            Some(Held::Pooled(pooled)) => pooled.take(),
            Some(Held::Alone(connection)) => connection,
        };
        tokio::spawn(async move {
            connection.cancel().send().await;
            // Closed only now, so that the request cannot hit another's connection.
            drop(connection);
        });
    }
}

fn connection_config(options: &DbOptions) -> Result<tokio_postgres::Config> {
    let mut config = url::parse(&options.url)?;
    let statement_timeout = options.statement_timeout.unwrap_or_default().as_millis();
    let mut all = config.get_options().unwrap_or_default().to_owned();
    for setting in SESSION_SETTINGS {
        all.push_str(" -c ");
        all.push_str(setting);
    }
    all.push_str(&format!(" -c statement_timeout={statement_timeout}"));
    config.options(all);
    if config.get_application_name().is_none() {
        config.application_name("outbound-tasks");
    }
    Ok(config)
}
