//! A session on PostgreSQL, and the request that cancels its statement.
//!
//! A [`Connection`] remembers its address, because cancel requests must go to the same server.

use std::{
    fmt, io,
    ops::{AsyncFnOnce, Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use diesel::{QueryResult, result::Error as DieselError};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::{StreamExt, future::join, stream};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_postgres::{AsyncMessage, CancelToken, Notification};

use super::{
    address::Address,
    error::{Cause, DbError, FirstError, Kind, Outage, Reports},
    raw_session::Raw,
    row_security::{Tenancy, set_tenant},
    server_id::ServerId,
    statements::Statements,
    tls::{Encryption, Prepared},
};
use crate::{domain::tenant::TenantId, quota::Timer};

/// Drives a connection until it ends. Errors reach the client through its own calls.
pub(super) async fn drive(mut raw: Raw, sender: mpsc::UnboundedSender<Notification>) {
    let mut messages = stream::poll_fn(move |context| raw.poll_message(context));
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notification(notification) = message {
            // Sessions that do not LISTEN receive no notifications.
            let _ = sender.send(notification);
        }
    }
}

/// The task that drives a connection. Dropping it closes the connection, even during a statement.
pub(super) struct Driver(JoinHandle<()>);

impl Driver {
    pub(super) fn new(driving: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(driving))
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A session on PostgreSQL. Dropping it closes the connection immediately.
pub struct Connection {
    pub(super) diesel: AsyncPgConnection,
    pub(super) errors: FirstError,
    pub(super) cancel: Cancel,
    pub(super) notifications: mpsc::UnboundedReceiver<Notification>,
    pub(super) driver: Driver,
    pub(super) reports: Arc<Reports>,
    pub(super) tenancy: Tenancy,
    /// The spans of its statements.
    pub(super) statements: Statements,
    /// The state of the database according to the last failed statement.
    pub(super) outage: Option<Outage>,
    /// The server that it goes to, once it was asked for; see [`super::reader`].
    pub(super) server: Option<Option<ServerId>>,
    pub(super) epoch: u64,
    pub(super) opened: Instant,
    pub(super) lifetime: Duration,
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
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, DbError> {
        // Discard an error that arrived while the connection was idle; it is not caused by this query.
        drop(self.errors.take());
        let _timer = Timer::start();
        let _underway = self.statements.begin();
        let done = match self.tenancy.take_next() {
            None => query(&mut &self.diesel).await,
            Some(tenant) => self.run_in(tenant, query).await,
        };
        match done {
            Ok(value) => Ok(value),
            Err(error) => Err(self.failed(error).await),
        }
    }

    /// Sets the tenant and runs a query, in one round trip.
    async fn run_in<T>(
        &mut self,
        tenant: TenantId,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> QueryResult<T> {
        let set = set_tenant(&tenant);
        let shared = &self.diesel;
        // A simple query is sent when it is polled for the first time, before all that `query` sends. It is a transaction
        // of its own, so the setting stays if `query` begins one that is rolled back.
        let set = async { (&mut &*shared).batch_execute(&set).await };
        let (set, done) = join(set, query(&mut &*shared)).await;
        match set {
            Ok(()) => {
                self.tenancy.entered(tenant);
                done
            }
            // Without the setting, `query` has found no rows of its tenant.
            Err(error) => {
                self.tenancy.enter(&tenant);
                Err(error)
            }
        }
    }

    /// Lets the next statements reach the rows of `tenant`, if row-level security restricts the role.
    pub(super) fn enter(&mut self, tenant: &TenantId) {
        self.tenancy.enter(tenant);
    }

    /// The same at once, for statements that do not pass through [`Connection::run`].
    pub(super) async fn enter_now(&mut self, tenant: &TenantId) -> Result<(), DbError> {
        self.enter(tenant);
        self.run(async |_| Ok(())).await
    }

    /// What a failed statement means.
    pub(super) async fn failed(&mut self, error: DieselError) -> DbError {
        let code = self.errors.take();
        self.statements.fail(code.as_ref());
        let classified = DbError::of_statement(error, code, &self.reports);
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

    /// A notification that has arrived already.
    pub(super) fn waiting_notification(&mut self) -> Option<Notification> {
        self.notifications.try_recv().ok()
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
    /// `None` if no request may be sent.
    token: Option<CancelToken>,
    address: Address,
    encryption: Arc<Encryption>,
    /// How the connection is encrypted.
    prepared: Prepared,
    limit: Duration,
}

impl Cancel {
    pub(super) fn new(
        token: Option<CancelToken>,
        address: Address,
        (encryption, prepared): (Arc<Encryption>, Prepared),
        limit: Duration,
    ) -> Self {
        Self {
            token,
            address,
            encryption,
            prepared,
            limit,
        }
    }

    /// Sends a cancel request to the server of the connection (PostgreSQL, "Canceling Requests in Progress"). It may
    /// arrive too late or be lost; a failure is only logged. It is encrypted if the connection is, because it contains
    /// the key that cancels the statements of the connection.
    pub(super) async fn send(&self) {
        let Some(token) = &self.token else {
            return;
        };
        let sent = timeout(self.limit, self.try_send(token));
        let sent = sent.await.unwrap_or_else(|elapsed| Err(elapsed.into()));
        if let Err(error) = sent {
            tracing::debug!(%error, address = %self.address, "an abandoned statement could not be cancelled");
        }
    }

    async fn try_send(&self, token: &CancelToken) -> io::Result<()> {
        let mut stream = self.address.open().await?;
        if let (Prepared::Encrypted(_), Encryption::On(tls)) = (&self.prepared, &*self.encryption) {
            let channel = tls.handshake(stream, &self.address).await;
            let channel = channel.map_err(io::Error::other)?;
            if matches!(channel.prepared, Prepared::Plain) {
                return Err(io::Error::other("the server does not use TLS any more"));
            }
            stream = channel.stream;
        }
        let sent = token.cancel_query_raw(stream, self.prepared.clone());
        sent.await.map_err(io::Error::other)
    }
}
