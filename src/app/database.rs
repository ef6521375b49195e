//! Operations on the whole database: its schema and its connections.

// The types of the database layer that callers of the application need; they use nothing else of it.
pub use crate::db::{DbOptions, KeyInfo, OWN_CONNECTIONS, Password, RowSecurity};

use super::App;
use crate::{
    db::{ConnectionLimit, CountsConnection, Granted, migrate::MigrationState},
    error::Result,
};

impl App {
    /// All migrations of this program, oldest first.
    pub async fn migration_status(&self) -> Result<Vec<MigrationState>> {
        self.db.migration_status().await
    }

    /// The names of the migrations that the database lacks.
    pub async fn missing_migrations(&self) -> Result<Vec<String>> {
        let all = self.db.migration_status().await?;
        Ok(all
            .into_iter()
            .filter(|m| !m.applied)
            .map(|m| m.name)
            .collect())
    }

    /// Applies the pending migrations and returns their names. FAILED_PRECONDITION, with nothing changed, if the
    /// server, the database or the role is not as the migrations need it.
    pub async fn migration_run(&self) -> Result<Vec<String>> {
        self.db.migration_run().await
    }

    /// Reverts the last migration and returns its name; `None` if none is applied.
    pub async fn migration_revert(&self) -> Result<Option<String>> {
        self.db.migration_revert().await
    }

    /// Grants a role what a service needs; see [`Db::grant_to`](crate::db::Db::grant_to).
    pub async fn grant_to(&self, role: &str) -> Result<()> {
        self.db.grant_to(role).await
    }

    /// Whether row-level security applies to the role of this service.
    pub async fn row_security(&self) -> Result<RowSecurity> {
        self.db.row_security().await
    }

    /// The number of connections that the service can have, and what limits it.
    pub async fn connection_limit(&self) -> Result<ConnectionLimit> {
        self.db.connection_limit().await
    }

    /// Opens `count` connections for the pool, or as many as PostgreSQL gives. Returns how many PostgreSQL gave of
    /// `count` and `beside` other ones together; an error if it gave none.
    pub async fn warm_up(&self, count: usize, beside: usize) -> Result<Granted> {
        self.db.warm_up(count, beside).await
    }

    /// Connections of the pool in use, open connections, and callers that wait for one.
    pub fn pool_status(&self) -> (usize, usize, usize) {
        self.db.pool_status()
    }

    /// A separate connection for verifying and rebuilding the counts, without a time limit.
    pub async fn counts_connection(&self) -> Result<CountsConnection> {
        self.db.counts_connection(None).await
    }

    /// Starts to log when the database becomes unavailable or read-only, and when that ends.
    pub fn log_outages(&self) {
        self.db.log_outages();
    }
}
