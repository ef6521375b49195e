//! Connections to PostgreSQL: the one place where any of them is made, be it for the pool, on its own, or for COPY.
//!
//! Each address of each host gets a time limit of its own, so that a dead one does not use up the others' time. A
//! [`Connection`] knows the address that it was made to: its cancel requests go there and nowhere else.

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use diesel_async::AsyncPgConnection;
use futures_util::{StreamExt, stream};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, NoTls, Notification, config::TargetSessionAttrs,
    tls::NoTlsStream,
};

use super::{
    address::{Address, Places, Stream},
    connect_error::{ConnectError, Failure},
    error::{Reports, Trouble},
    wire_errors::{FirstError, Tapped},
};

/// How long an address may take to a session that is ready, unless the URL's connect_timeout says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection older than this is replaced, so that a changed route or role is picked up.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// By up to this it may be older: what was opened together does not end together.
const LIFETIME_SPREAD_SECONDS: u32 = 180;

type Raw = tokio_postgres::Connection<Tapped<Box<dyn Stream>>, NoTlsStream>;

/// Makes connections.
#[derive(Debug)]
pub(super) struct Connector {
    config: Config,
    places: Places,
    limit: Duration,
    reports: Arc<Reports>,
    /// Counts how often all connections were to be replaced.
    epoch: AtomicU64,
}

/// A client, what drives it, and where it went.
struct Opened {
    client: Client,
    raw: Raw,
    errors: FirstError,
    address: Address,
}

impl Connector {
    pub(super) fn new(config: Config, reports: Arc<Reports>) -> Self {
        Self {
            places: Places::of(&config),
            limit: config
                .get_connect_timeout()
                .copied()
                .unwrap_or(CONNECT_TIMEOUT),
            config,
            reports,
            epoch: AtomicU64::new(0),
        }
    }

    /// A session.
    pub(super) async fn connect(&self) -> Result<Connection, ConnectError> {
        let epoch = self.epoch.load(Relaxed);
        let opened = self.open().await?;
        let cancel = Cancel {
            token: opened.client.cancel_token(),
            address: opened.address.clone(),
            limit: self.limit,
        };
        let (sender, notifications) = mpsc::unbounded_channel();
        let driver = Driver(tokio::spawn(drive(opened.raw, sender)));
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
        let spread = getrandom::u32().unwrap_or_default() % LIFETIME_SPREAD_SECONDS;
        Ok(Connection {
            diesel,
            errors: opened.errors,
            cancel,
            notifications,
            driver,
            reports: Arc::clone(&self.reports),
            trouble: None,
            epoch,
            opened: Instant::now(),
            lifetime: MAX_LIFETIME + Duration::from_secs(spread.into()),
        })
    }

    /// A client of the driver, for what diesel has no words for. The connection ends when the client is dropped.
    pub(super) async fn connect_client(&self) -> Result<Client, ConnectError> {
        let opened = self.open().await?;
        // How it ended, the client's own calls tell.
        tokio::spawn(opened.raw);
        Ok(opened.client)
    }

    /// From now on all connections are made anew, in the URL's order of hosts: another one may take writes.
    pub(super) fn renew(&self) {
        self.places.forget();
        self.epoch.fetch_add(1, Relaxed);
    }

    /// The next connection is made in the URL's order of hosts.
    pub(super) fn forget_address(&self) {
        self.places.forget();
    }

    /// Whether a connection may be used again.
    pub(super) fn is_usable(&self, connection: &Connection) -> bool {
        !connection.driver.0.is_finished()
            && connection.epoch == self.epoch.load(Relaxed)
            && connection.opened.elapsed() < connection.lifetime
    }

    pub(super) fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }

    /// Tries the address that answered last, then all others in their order.
    async fn open(&self) -> Result<Opened, ConnectError> {
        let mut failed = ConnectError::default();
        let first = self.places.first();
        if let Some(address) = &first
            && let Some(opened) = self.attempt(address, &mut failed).await
        {
            return Ok(opened);
        }
        for place in self.places.in_order() {
            let addresses = match timeout(self.limit, place.addresses()).await {
                Ok(Ok(addresses)) => addresses,
                Ok(Err(error)) => {
                    failed.push(place.to_string(), Failure::Io(error));
                    continue;
                }
                Err(_) => {
                    failed.push(place.to_string(), Failure::TimedOut(self.limit));
                    continue;
                }
            };
            for address in addresses {
                if first.as_ref() != Some(&address)
                    && let Some(opened) = self.attempt(&address, &mut failed).await
                {
                    return Ok(opened);
                }
            }
        }
        Err(failed)
    }

    async fn attempt(&self, address: &Address, failed: &mut ConnectError) -> Option<Opened> {
        let failure = match timeout(self.limit, self.handshake(address)).await {
            Ok(Ok(opened)) => {
                let is_another = self.places.note(address, !failed.is_empty());
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

    async fn handshake(&self, address: &Address) -> Result<Opened, Failure> {
        let stream = address.open().await.map_err(Failure::Io)?;
        let errors = FirstError::default();
        let stream = Tapped::new(stream, errors.clone());
        let connected = self.config.connect_raw(stream, NoTls).await;
        let (client, mut raw) = connected.map_err(Failure::Postgres)?;
        let wanted = match self.config.get_target_session_attrs() {
            TargetSessionAttrs::ReadWrite => Some("off"),
            TargetSessionAttrs::ReadOnly => Some("on"),
            _ => None,
        };
        if let Some(wanted) = wanted {
            let asked = client.query_one("SELECT current_setting('transaction_read_only')", &[]);
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

/// Moves bytes until the connection ends; what the client awaits, the client is told.
async fn drive(mut raw: Raw, sender: mpsc::UnboundedSender<Notification>) {
    let mut messages = stream::poll_fn(move |context| raw.poll_message(context));
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notification(notification) = message {
            // Who does not listen to them gets none.
            let _ = sender.send(notification);
        }
    }
}

/// Ends with the connection, whatever is under way on it.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A session on PostgreSQL. Dropped, it is closed at once.
pub struct Connection {
    diesel: AsyncPgConnection,
    pub(super) errors: FirstError,
    cancel: Cancel,
    notifications: mpsc::UnboundedReceiver<Notification>,
    driver: Driver,
    pub(super) reports: Arc<Reports>,
    /// The state of the database that the last failed statement showed.
    pub(super) trouble: Option<Trouble>,
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
    /// What ends the statement that runs on it.
    pub(super) fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// diesel's part alone, for what takes it whole, and what is to be kept as long as it is used.
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

    /// The next notification of what it listens to; `None` once it is closed.
    pub(super) async fn notification(&mut self) -> Option<Notification> {
        self.notifications.recv().await
    }

    /// How long ago it was made.
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

/// What is left of a connection without diesel's part. Dropped, it closes the connection.
pub(super) struct Rest {
    pub(super) errors: FirstError,
    pub(super) reports: Arc<Reports>,
    _driver: Driver,
}

/// Cancels what runs on one connection.
#[derive(Clone)]
pub(super) struct Cancel {
    token: CancelToken,
    address: Address,
    limit: Duration,
}

impl Cancel {
    /// Asks the server that runs the statement to end it. That can come too late, and get lost; the log has the reason.
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
