//! Opens connections to PostgreSQL: for the pool, for other work, and for COPY.
//!
//! Each address of each host has its own time limit, so that an unreachable one does not use up the time of the others.
//! A [`Connection`] remembers its address, because cancel requests must go to the same server.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use diesel::{QueryResult, result::Error as DieselError};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::{StreamExt, stream};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, NoTls, Notification, config::TargetSessionAttrs,
    tls::NoTlsStream,
};

use super::{
    address::{Address, Hosts, Stream},
    error::{
        Cause, ConnectError, DbError, Failure, FirstError, Kind, Outage, Reports, Tapped, tapped,
    },
    server_id::ServerId,
};
use crate::quota::Timer;

/// The time limit per address for a ready session, unless the URL sets connect_timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection is replaced after this time, so that a changed route or role takes effect.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// The lifetime is extended by up to this, so that connections opened together do not end together.
const LIFETIME_SPREAD_SECONDS: u32 = 180;

type Raw = tokio_postgres::Connection<Tapped<Box<dyn Stream>>, NoTlsStream>;

/// Opens connections.
#[derive(Debug)]
pub(super) struct Connector {
    config: Config,
    hosts: Hosts,
    limit: Duration,
    reports: Arc<Reports>,
    /// Incremented when all existing connections must be replaced.
    epoch: AtomicU64,
}

/// A connected client, the connection that drives it, and its address.
struct Opened {
    client: Client,
    raw: Raw,
    errors: FirstError,
    address: Address,
}

impl Connector {
    pub(super) fn new(config: Config, reports: Arc<Reports>) -> Self {
        Self {
            hosts: Hosts::of(&config),
            limit: config
                .get_connect_timeout()
                .copied()
                .unwrap_or(CONNECT_TIMEOUT),
            config,
            reports,
            epoch: AtomicU64::new(0),
        }
    }

    /// Opens a session.
    pub(super) async fn connect(&self) -> Result<Connection, ConnectError> {
        // Read before the connection is opened, so that one that is opened while `renew` runs is
        // replaced.
        let epoch = self.epoch.load(Relaxed);
        let opened = self.open().await?;
        let cancel = Cancel {
            token: opened.client.cancel_token(),
            address: opened.address.clone(),
            limit: self.limit,
        };
        // Unbounded, because the driver must not wait for a reader of notifications: the statements
        // of the session would wait too. Only the sessions of log readers LISTEN.
        let (sender, notifications) = mpsc::unbounded_channel();
        let driver = Driver(tokio::spawn(drive(opened.raw, sender)));
        // Setting up a session takes round trips of its own, which a silent server must not hold
        // up.
        let setup = timeout(self.limit, AsyncPgConnection::try_from(opened.client)).await;
        let diesel = match setup {
            Ok(Ok(diesel)) => diesel,
            Ok(Err(error)) => {
                let code = opened.errors.take();
                return Err(ConnectError::of(
                    opened.address,
                    Failure::Setup(error, code),
                ));
            }
            Err(_) => {
                let failure = Failure::TimedOut(self.limit);
                return Err(ConnectError::of(opened.address, failure));
            }
        };
        // Without randomness all lifetimes are equal, and connections are renewed at the same time.
        let spread = getrandom::u32().unwrap_or_default() % LIFETIME_SPREAD_SECONDS;
        Ok(Connection {
            diesel,
            errors: opened.errors,
            cancel,
            notifications,
            driver,
            reports: Arc::clone(&self.reports),
            outage: None,
            server: None,
            epoch,
            opened: Instant::now(),
            lifetime: MAX_LIFETIME + Duration::from_secs(spread.into()),
        })
    }

    /// Opens a client of tokio-postgres, for operations that diesel lacks. Dropping the client closes the connection.
    pub(super) async fn connect_client(&self) -> Result<Client, ConnectError> {
        let opened = self.open().await?;
        // Errors of the connection are reported by the client's own calls.
        tokio::spawn(opened.raw);
        Ok(opened.client)
    }

    /// Replaces all connections before their next use, in the URL's order of hosts: another host may accept writes.
    pub(super) fn renew(&self) {
        self.hosts.forget();
        self.epoch.fetch_add(1, Relaxed);
    }

    /// Opens the next connection in the URL's order of hosts.
    pub(super) fn forget_address(&self) {
        self.hosts.forget();
    }

    /// Whether a connection may be used again: alive, of the current epoch, and not too old.
    pub(super) fn is_usable(&self, connection: &Connection) -> bool {
        !connection.driver.0.is_finished()
            && connection.epoch == self.epoch.load(Relaxed)
            && connection.opened.elapsed() < connection.lifetime
    }

    pub(super) fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }

    /// Tries the address that was used last, then all others in the order of the URL.
    async fn open(&self) -> Result<Opened, ConnectError> {
        let mut failed = ConnectError::default();
        let first = self.hosts.first();
        if let Some(address) = &first
            && let Some(opened) = self.attempt(address, &mut failed).await
        {
            return Ok(opened);
        }
        for host in self.hosts.in_order() {
            let addresses = match timeout(self.limit, host.addresses()).await {
                Ok(Ok(addresses)) => addresses,
                Ok(Err(error)) => {
                    failed.push(host.to_string(), Failure::Io(error));
                    continue;
                }
                Err(_) => {
                    failed.push(host.to_string(), Failure::TimedOut(self.limit));
                    continue;
                }
            };
            for address in addresses {
                // The first address was tried above.
                if first.as_ref() != Some(&address)
                    && let Some(opened) = self.attempt(&address, &mut failed).await
                {
                    return Ok(opened);
                }
            }
        }
        Err(failed)
    }

    /// Tries one address; records the failure in `failed`.
    async fn attempt(&self, address: &Address, failed: &mut ConnectError) -> Option<Opened> {
        let failure = match timeout(self.limit, self.handshake(address)).await {
            Ok(Ok(opened)) => {
                let is_another = self.hosts.note(address, !failed.is_empty());
                if is_another && !failed.is_empty() {
                    tracing::warn!(%address, cause = %failed, "the database answers at another host");
                }
                self.reports.connected();
                return Some(opened);
            }
            Ok(Err(failure)) => failure,
            Err(_) => Failure::TimedOut(self.limit),
        };
        failed.push(address.to_string(), failure);
        None
    }

    /// Opens a session at `address`, and checks that it satisfies target_session_attrs.
    async fn handshake(&self, address: &Address) -> Result<Opened, Failure> {
        let stream = address.open().await.map_err(Failure::Io)?;
        let errors = FirstError::default();
        let stream = tapped(stream, errors.clone());
        let connected = self.config.connect_raw(stream, NoTls).await;
        let (client, mut raw) = connected.map_err(Failure::Postgres)?;
        let wanted = match self.config.get_target_session_attrs() {
            TargetSessionAttrs::ReadWrite => Some("off"),
            TargetSessionAttrs::ReadOnly => Some("on"),
            _ => None,
        };
        if let Some(wanted) = wanted {
            let asked = client.query_one("SELECT current_setting('transaction_read_only')", &[]);
            // No task drives the connection yet, so it is polled beside the query.
            let is_read_only: String = tokio::select! {
                row = asked => row.and_then(|row| row.try_get(0)).map_err(Failure::Postgres)?,
                ended = &mut raw => {
                    ended.map_err(Failure::Postgres)?;
                    return Err(Failure::Io(io::ErrorKind::UnexpectedEof.into()));
                }
            };
            if is_read_only != wanted {
                return Err(Failure::Unfit(wanted == "off"));
            }
        }
        Ok(Opened {
            client,
            raw,
            errors,
            address: address.clone(),
        })
    }
}

/// Drives a connection until it ends. Errors reach the client through its own calls.
async fn drive(mut raw: Raw, sender: mpsc::UnboundedSender<Notification>) {
    let mut messages = stream::poll_fn(move |context| raw.poll_message(context));
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notification(notification) = message {
            // Sessions that do not LISTEN receive no notifications.
            let _ = sender.send(notification);
        }
    }
}

/// The task that drives a connection. Dropping it closes the connection, even during a statement.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A session on PostgreSQL. Dropping it closes the connection immediately.
pub struct Connection {
    diesel: AsyncPgConnection,
    pub(super) errors: FirstError,
    cancel: Cancel,
    notifications: mpsc::UnboundedReceiver<Notification>,
    driver: Driver,
    pub(super) reports: Arc<Reports>,
    /// The state of the database according to the last failed statement.
    pub(super) outage: Option<Outage>,
    /// The server that it goes to, once it was asked for; see [`super::reader`].
    pub(super) server: Option<Option<ServerId>>,
    epoch: u64,
    opened: Instant,
    lifetime: Duration,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.cancel.address)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Runs a query. Its failure is classified, and the connection remembers the outage that it shows.
    pub(super) async fn run<T>(
        &mut self,
        query: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, DbError> {
        // Discard an error that arrived while the connection was idle; it is not caused by this query.
        drop(self.errors.take());
        let _timer = Timer::start();
        match query(&mut self.diesel).await {
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(error).await),
        }
    }

    /// What a failed statement means.
    pub(super) async fn failed(&mut self, error: DieselError) -> DbError {
        let classified = DbError::of_statement(error, self.errors.take(), &self.reports);
        let error = match classified {
            Ok(error) => error,
            // Either the connection failed or the service did. An empty statement finds out.
            Err(error) => match self.diesel.batch_execute("").await {
                Ok(()) => DbError::new(Kind::Defect, error, &self.reports),
                Err(_) => DbError::away(error, &self.reports),
            },
        };
        self.outage = error.outage();
        error
    }

    /// A handle that cancels the current statement.
    pub(super) fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Separates the diesel connection, for code that takes it by value. The rest must live as long as it is used.
    pub(super) fn split(self) -> (AsyncPgConnection, Rest) {
        let Self {
            diesel,
            errors,
            reports,
            driver,
            ..
        } = self;
        let rest = Rest {
            errors,
            reports,
            _driver: driver,
        };
        (diesel, rest)
    }

    /// The next notification; `None` once the connection is closed.
    pub(super) async fn notification(&mut self) -> Option<Notification> {
        self.notifications.recv().await
    }

    /// The time since the connection was opened.
    pub(super) fn age(&self) -> Duration {
        self.opened.elapsed()
    }
}

impl Deref for Connection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.diesel
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.diesel
    }
}

/// The rest of a connection without diesel's part. Dropping it closes the connection.
pub(super) struct Rest {
    errors: FirstError,
    reports: Arc<Reports>,
    _driver: Driver,
}

impl Rest {
    /// The failure of work on diesel's part.
    pub(super) fn failed(&self, error: impl Into<Cause>) -> DbError {
        DbError::of_code(self.errors.take(), error, &self.reports)
    }
}

/// Cancels the current statement of a connection.
#[derive(Clone)]
pub(super) struct Cancel {
    token: CancelToken,
    address: Address,
    limit: Duration,
}

impl Cancel {
    /// Sends a cancel request to the server of the connection (PostgreSQL, "Canceling Requests in Progress"). It may
    /// arrive too late or be lost; a failure is only logged.
    pub(super) async fn send(&self) {
        let sent = timeout(self.limit, async {
            let stream = self.address.open().await?;
            let sent = self.token.cancel_query_raw(stream, NoTls).await;
            sent.map_err(io::Error::other)
        });
        let sent = sent.await.unwrap_or_else(|elapsed| Err(elapsed.into()));
        if let Err(error) = sent {
            tracing::debug!(%error, address = %self.address, "an abandoned statement could not be cancelled");
        }
    }
}
