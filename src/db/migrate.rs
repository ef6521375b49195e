//! Applies and reverts the embedded migrations.

use diesel::{
    migration::{Migration, MigrationSource},
    pg::Pg,
};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Db, preflight, session::Connection};
use crate::error::{Error, Result};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Held while migrating, so that a second process waits and then finds nothing to do.
/// The number is arbitrary; no other lock of the service has it.
const LOCK: &str = "SELECT pg_advisory_lock(7265830214)";

/// A migration and its state.
#[derive(Debug)]
pub struct MigrationState {
    /// Its name, such as `2026-11-23-000001_tenants_and_keys`.
    pub name: String,
    /// Whether it is applied.
    pub applied: bool,
}

impl Db {
    /// All migrations of this program, oldest first.
    pub async fn migration_status(&self) -> Result<Vec<MigrationState>> {
        // Does not create the table of migrations, and does not wait for a process that migrates.
        let mut connection = self.connect_alone().await?;
        status(&mut connection).await
    }

    /// Applies the pending migrations; returns their names. FAILED_PRECONDITION, without any change, if the server, the
    /// database or the role does not meet the requirements.
    pub async fn migration_run(&self) -> Result<Vec<String>> {
        if self.migration_status().await?.iter().all(|m| m.applied) {
            return Ok(Vec::new()); // without checks, because no privileges are needed
        }
        self.with_harness(|harness| {
            let applied = harness.run_pending_migrations(MIGRATIONS)?;
            Ok(applied.iter().map(ToString::to_string).collect())
        })
        .await
    }

    /// Reverts the last migration; returns its name, or `None` if none is applied.
    pub async fn migration_revert(&self) -> Result<Option<String>> {
        self.with_harness(|harness| {
            if harness.applied_migrations()?.is_empty() {
                return Ok(None);
            }
            Ok(Some(harness.revert_last_migration(MIGRATIONS)?.to_string()))
        })
        .await
    }

    async fn with_harness<T>(
        &self,
        work: impl FnOnce(&mut AsyncMigrationHarness<AsyncPgConnection>) -> diesel::migration::Result<T>,
    ) -> Result<T> {
        let mut connection = self.connect_alone().await?;
        // Checked before the lock is taken, so that a database that cannot be migrated is reported
        // at once.
        preflight::check(&mut connection).await?;
        connection
            .run(async |connection| connection.batch_execute(LOCK).await)
            .await?;
        let (diesel, rest) = connection.split();
        // Closing the connection releases the lock.
        let done = work(&mut AsyncMigrationHarness::new(diesel));
        Ok(done.map_err(|error| rest.failed(error))?)
    }
}

/// The state of all migrations, read on an existing connection.
pub async fn status(connection: &mut Connection) -> Result<Vec<MigrationState>> {
    use diesel::{
        sql_query,
        sql_types::{Bool, Text},
    };
    use diesel_async::RunQueryDsl;

    #[derive(diesel::QueryableByName)]
    struct There {
        #[diesel(sql_type = Bool)]
        there: bool,
    }
    #[derive(diesel::QueryableByName)]
    struct Version {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let table = sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS there");
    let table: There = connection
        .run(async |connection| table.get_result(connection).await)
        .await?;
    let applied: Vec<Version> = if table.there {
        let applied = sql_query("SELECT version FROM __diesel_schema_migrations");
        connection
            .run(async |connection| applied.load(connection).await)
            .await?
    } else {
        Vec::new()
    };
    let mut known = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(Error::internal)?;
    known.sort_by_key(|m| m.name().version().as_owned());
    Ok(known
        .iter()
        .map(|m| MigrationState {
            name: m.name().to_string(),
            applied: applied
                .iter()
                .any(|a| a.version == m.name().version().to_string()),
        })
        .collect())
}
