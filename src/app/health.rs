//! Whether the service can answer: the database is there and its schema is migrated.
//!
//! One task watches over a connection of its own, so that a full pool does not look like an outage.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::App;
use crate::{db::migrate, error::Result};

const INTERVAL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(1);

/// What the watch sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Serving,
    /// Why the service cannot answer, for the operator.
    NotServing(String),
}

impl App {
    /// The migrations that the database lacks.
    pub async fn missing_migrations(&self) -> Result<Vec<String>> {
        let all = self.db.migration_status().await?;
        Ok(all
            .into_iter()
            .filter(|m| !m.applied)
            .map(|m| m.name)
            .collect())
    }

    /// Starts the watch; it ends when no receiver is left.
    pub fn watch_health(self: Arc<Self>) -> watch::Receiver<Health> {
        let (sender, receiver) = watch::channel(Health::NotServing("not checked yet".to_owned()));
        tokio::spawn(async move {
            let mut connection = None;
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !sender.is_closed() {
                ticks.tick().await;
                let seen = match tokio::time::timeout(TIMEOUT, self.look(&mut connection)).await {
                    Ok(Ok(health)) => health,
                    Ok(Err(error)) => {
                        connection = None;
                        Health::NotServing(error.to_string())
                    }
                    Err(_) => {
                        connection = None;
                        Health::NotServing("the database does not answer".to_owned())
                    }
                };
                sender.send_if_modified(|health| {
                    let changed = *health != seen;
                    if changed {
                        tracing::info!(health = ?seen, "health changed");
                        *health = seen;
                    }
                    changed
                });
            }
        });
        receiver
    }

    async fn look(
        &self,
        connection: &mut Option<diesel_async::AsyncPgConnection>,
    ) -> Result<Health> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.db.connect_alone().await?),
        };
        let missing: Vec<String> = migrate::status(connection)
            .await?
            .into_iter()
            .filter(|m| !m.applied)
            .map(|m| m.name)
            .collect();
        Ok(if missing.is_empty() {
            Health::Serving
        } else {
            Health::NotServing(format!("the schema lacks {}", missing.join(", ")))
        })
    }
}
