//! Opens connections to PostgreSQL: for the pool, for other work, and for COPY.
//!
//! Each address of each host has its own time limit, so that an unreachable one does not use up the time of the others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use diesel_async::{AsyncConnection, AsyncPgConnection};
use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::{Client, config::TargetSessionAttrs};

use super::{
    address::{Address, Hosts},
    error::{ConnectError, Failure, FirstError, Reports},
    login::Login,
    password::Password,
    pooler,
    raw_session::RawSession,
    row_security::{self, Tenancy},
    session::{Cancel, Connection, Driver, drive},
    statements::{Server, Statements},
    tls::{Encrypted, Encryption},
    url::DatabaseUrl,
};
use crate::error::Result;

/// The time limit per address for a ready session, unless the URL sets connect_timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection is replaced after this time, so that a changed route or role takes effect.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// The lifetime is extended by up to this, so that connections opened together do not end together.
const LIFETIME_SPREAD_SECONDS: u32 = 180;

/// A session without diesel.
pub(super) struct Session {
    /// Dropping it closes the connection.
    pub(super) client: Client,
    /// The errors that the server sent, also where the driver loses them.
    pub(super) errors: FirstError,
    /// Whether row-level security restricts the role.
    pub(super) is_restricted: bool,
    /// What the spans of its statements have in common.
    pub(super) server: Server,
}

/// Opens connections.
#[derive(Debug)]
pub(super) struct Connector {
    login: Login,
    /// Whether a pooler refused the options of the startup message.
    lacks_options: AtomicBool,
    /// The address of the pooler that was last found to have sessions.
    checked_pooler: tokio::sync::Mutex<Option<Address>>,
    hosts: Hosts,
    limit: Duration,
    reports: Arc<Reports>,
    /// Incremented when all existing connections must be replaced.
    epoch: AtomicU64,
}

impl Connector {
    /// Opens sessions with these options in addition to the URL's parameters. BAD_USAGE if a file of the URL or of the
    /// password cannot be used.
    pub(super) fn new(
        url: DatabaseUrl,
        password: Password,
        options: String,
        reports: Arc<Reports>,
    ) -> Result<Self> {
        let mut config = url.config;
        password.check(&config)?;
        if config.get_application_name().is_none() {
            config.application_name("outbound-tasks");
        }
        Ok(Self {
            hosts: Hosts::of(&config),
            limit: config
                .get_connect_timeout()
                .copied()
                .unwrap_or(CONNECT_TIMEOUT),
            login: Login {
                config,
                password,
                options,
                encryption: Arc::new(Encryption::new(url.tls)?),
                encrypted: Encrypted::default(),
            },
            lacks_options: AtomicBool::new(false),
            checked_pooler: tokio::sync::Mutex::default(),
            reports,
            epoch: AtomicU64::new(0),
        })
    }

    /// Opens a session.
    pub(super) async fn connect(&self) -> Result<Connection, ConnectError> {
        // Read before the connection is opened, so that one that is opened while `renew` runs is
        // replaced.
        let epoch = self.epoch.load(Relaxed);
        let opened = self.open().await?;
        let server = Server::new(&opened.address, self.login.config.get_dbname());
        let cancel = Cancel::new(
            // A pooler gets no cancel requests; see `pooler`.
            (!opened.is_pooled).then(|| opened.client.cancel_token()),
            opened.address.clone(),
            (Arc::clone(&self.login.encryption), opened.prepared),
            self.limit,
        );
        // Unbounded, because the driver must not wait for a reader of notifications: the statements
        // of the session would wait too. Only the sessions of log readers LISTEN.
        let (sender, notifications) = mpsc::unbounded_channel();
        let driver = Driver::new(drive(opened.raw, sender));
        // Setting up a session takes round trips of its own, which a silent server must not hold
        // up.
        let setup = timeout(self.limit, AsyncPgConnection::try_from(opened.client)).await;
        let mut diesel = match setup {
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
        let statements = Statements::new(server);
        diesel.set_instrumentation(statements.clone());
        // Without randomness all lifetimes are equal, and connections are renewed at the same time.
        let spread = getrandom::u32().unwrap_or_default() % LIFETIME_SPREAD_SECONDS;
        Ok(Connection {
            diesel,
            errors: opened.errors,
            cancel,
            notifications,
            driver,
            reports: Arc::clone(&self.reports),
            tenancy: Tenancy::new(opened.is_restricted),
            statements,
            outage: None,
            server: None,
            epoch,
            opened: Instant::now(),
            lifetime: MAX_LIFETIME + Duration::from_secs(spread.into()),
        })
    }

    /// Opens a session of tokio-postgres, for operations that diesel lacks.
    pub(super) async fn connect_client(&self) -> Result<Session, ConnectError> {
        let opened = self.open().await?;
        // Errors of the connection are reported by the client's own calls.
        tokio::spawn(opened.raw);
        // An error that was answered by another way to begin the session.
        drop(opened.errors.take());
        Ok(Session {
            server: Server::new(&opened.address, self.login.config.get_dbname()),
            client: opened.client,
            errors: opened.errors,
            is_restricted: opened.is_restricted,
        })
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
        !connection.driver.is_finished()
            && connection.epoch == self.epoch.load(Relaxed)
            && connection.opened.elapsed() < connection.lifetime
    }

    pub(super) fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }

    /// Tries the address that was used last, then all others in the order of the URL.
    async fn open(&self) -> Result<RawSession, ConnectError> {
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
    async fn attempt(&self, address: &Address, failed: &mut ConnectError) -> Option<RawSession> {
        let has_begun = AtomicBool::new(false);
        let handshake = self.handshake(address, &has_begun);
        let failure = match timeout(self.limit, handshake).await {
            Ok(Ok(opened)) => {
                let is_another = self.hosts.note(address, !failed.is_empty());
                if is_another && !failed.is_empty() {
                    tracing::warn!(%address, cause = %failed, "the database answers at another host");
                }
                self.reports.connected();
                return Some(opened);
            }
            Ok(Err(failure)) => failure,
            Err(_) if has_begun.load(Relaxed) => {
                Failure::Silent(self.limit, self.is_pooled(address))
            }
            Err(_) => Failure::TimedOut(self.limit),
        };
        failed.push(address.to_string(), failure);
        None
    }

    /// Whether a pooler with sessions was found at `address`. True also while that is being found out.
    fn is_pooled(&self, address: &Address) -> bool {
        let checked = self.checked_pooler.try_lock();
        checked.map_or(true, |checked| checked.as_ref() == Some(address))
    }

    /// Opens a session at `address` with the settings of every session, and checks that it satisfies
    /// target_session_attrs. Sets `has_begun` once the server has accepted the session.
    async fn handshake(
        &self,
        address: &Address,
        has_begun: &AtomicBool,
    ) -> Result<RawSession, Failure> {
        let mut has_options = !self.lacks_options.load(Relaxed);
        let mut started = self.login.start(address, has_options).await;
        if has_options && started.as_ref().is_err_and(pooler::refuses_options) {
            has_options = false;
            started = self.login.start(address, has_options).await;
            self.lacks_options.store(started.is_ok(), Relaxed);
        }
        let mut opened = started?;
        has_begun.store(true, Relaxed);
        let (backend, is_restricted) = row_security::begin_session(&mut opened).await?;
        opened.is_restricted = is_restricted;
        opened.is_pooled = opened.errors.process_id() != backend;
        if opened.is_pooled {
            self.check_pooler(&mut opened, backend, has_options).await?;
        }
        if opened.is_pooled || !has_options {
            let statement = pooler::set_statement(&self.login.options).ok_or(Failure::Options)?;
            opened.ask(&statement).await?;
            // Again, because the statement may have set another search_path.
            (_, opened.is_restricted) = row_security::begin_session(&mut opened).await?;
        }
        let wanted = match self.login.config.get_target_session_attrs() {
            TargetSessionAttrs::ReadWrite => "off",
            TargetSessionAttrs::ReadOnly => "on",
            _ => return Ok(opened),
        };
        let is_read_only = opened
            .ask("SELECT current_setting('transaction_read_only')")
            .await?;
        match is_read_only.as_deref() == Some(wanted) {
            true => Ok(opened),
            false => Err(Failure::Unfit(wanted == "off")),
        }
    }

    /// Checks once for each address that a pooler has sessions. Concurrent calls wait for the result.
    async fn check_pooler(
        &self,
        opened: &mut RawSession,
        backend: i32,
        has_options: bool,
    ) -> Result<(), Failure> {
        let mut checked = self.checked_pooler.lock().await;
        if checked.as_ref() == Some(&opened.address) {
            return Ok(());
        }
        let mut second = self.login.start(&opened.address, has_options).await?;
        pooler::check_sessions(opened, backend, &mut second).await?;
        *checked = Some(opened.address.clone());
        Ok(())
    }
}
