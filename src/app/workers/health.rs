//! The worker that checks whether the service can answer: the database is available, its schema is migrated, and it
//! accepts writes.
//!
//! It uses a connection outside the pool, so that a full pool does not look like an outage. Everything that reports the
//! service's health reads its result. While the database is read-only, the worker opens a new connection from time to
//! time: only a new session sees a changed default_transaction_read_only, or follows the URL to another host.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task::JoinHandle};

use super::Health;
use crate::{
    app::App,
    db::{Connection, DatabaseState, Outage},
    error::Result,
};

/// How often the database is checked.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a check may take.
/// A database that does not answer within this time does not serve calls well either.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The age at which a read-only connection is replaced.
const READ_ONLY_AGE: Duration = Duration::from_secs(2);

impl App {
    /// The health as last checked, and every change of it.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Checks the database until the future is dropped.
    pub async fn run_health(self: Arc<Self>) {
        let mut observer = Observer::default();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let seen = self.check_database(&mut observer).await;
            self.health.send_if_modified(|health| {
                let changed = *health != seen;
                if changed {
                    tracing::info!(health = ?seen, "health changed");
                    *health = seen;
                }
                changed
            });
        }
    }

    async fn check_database(&self, observer: &mut Observer) -> Health {
        let state = match tokio::time::timeout(TIMEOUT, observer.state(self)).await {
            Ok(Ok(state)) => state,
            Ok(Err(error)) => {
                observer.link = None;
                let why = self.db.unreachable().unwrap_or_else(|| error.to_string());
                // Calls continue on the connections that the pool has.
                let (_, open, _) = self.db.pool_status();
                if open > 0 && self.db.recent_outage() == Some(Outage::Connections) {
                    return Health::Limited(why);
                }
                return Health::NotServing(why);
            }
            Err(_) => {
                observer.link = None;
                let why = "the database does not answer".to_owned();
                return Health::NotServing(self.db.unreachable().unwrap_or(why));
            }
        };
        if !state.missing.is_empty() {
            let missing = state.missing.join(", ");
            return Health::NotServing(format!("the schema lacks {missing}"));
        }
        // The sessions of the pool may still be read-only, or lead to the old primary.
        if observer.was_read_only && !state.is_read_only {
            self.db.takes_writes_again();
        }
        observer.was_read_only = state.is_read_only;
        if state.is_read_only {
            return Health::Limited(Outage::ReadOnly.state().to_owned());
        }
        match self.db.recent_outage() {
            // The check itself succeeded, but calls met an outage a short time ago, such as a full
            // disk.
            Some(outage) if outage.is_partial() => Health::Limited(outage.state().to_owned()),
            _ => Health::Serving,
        }
    }
}

/// The connection that is used for the checks, and the one that will replace it.
#[derive(Default)]
struct Observer {
    link: Option<Link>,
    next: Option<JoinHandle<Result<Connection>>>,
    was_read_only: bool,
}

struct Link {
    connection: Connection,
    since: Instant,
}

impl Observer {
    /// The state of the database, over a connection of suitable age.
    async fn state(&mut self, app: &App) -> Result<DatabaseState> {
        // Only then can a new session have a better answer than the present one.
        let suspect = self.was_read_only || app.db.recent_outage() == Some(Outage::ReadOnly);
        match &self.link {
            Some(link) if suspect && link.since.elapsed() > READ_ONLY_AGE => {
                // The old connection serves until the new one is open, which a dead host can delay.
                if self.next(app).is_finished() {
                    self.connect(app).await?;
                }
            }
            Some(_) => {}
            None => self.connect(app).await?,
        }
        let connection = self.link.as_mut().map(|link| &mut link.connection);
        match connection {
            Some(connection) => app.db.state(connection).await,
            None => Err(crate::error::Error::internal(
                "there is no connection for the health check",
            )),
        }
    }

    /// Opens the next connection in the background: trying several hosts may take longer than one check.
    fn next(&mut self, app: &App) -> &mut JoinHandle<Result<Connection>> {
        self.next.get_or_insert_with(|| {
            let db = app.db.clone();
            tokio::spawn(async move { db.connect_anew().await })
        })
    }

    async fn connect(&mut self, app: &App) -> Result<()> {
        let connected = self.next(app).await;
        self.next = None;
        let connection = connected.map_err(crate::error::Error::internal)??;
        self.link = Some(Link {
            connection,
            since: Instant::now(),
        });
        Ok(())
    }
}
