//! The embedded migrations.

use diesel::{
    migration::{Migration, MigrationSource},
    pg::Pg,
};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{Db, error::classified, preflight, session::Connection};
use crate::error::{Error, Result};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// Held while migrating, so that of two that start at once the second waits and finds nothing to do.
const LOCK: &str = "SELECT pg_advisory_lock(7265830214)";

/// One migration and whether it is in force.
#[derive(Debug)]
pub struct MigrationState {
    /// Its name, as `2026-11-23-000001_tenants_and_keys`.
    pub name: String,
    /// True once it is applied.
    pub applied: bool,
}

impl Db {
    /// Every migration this program knows, oldest first.
    pub async fn migration_status(&self) -> Result<Vec<MigrationState>> {
        // Asking must not make the table of migrations, nor wait for who migrates.
        let mut connection = self.connect_alone().await?;
        status(&mut connection).await
    }

    /// Applies what is pending; answers the names of what it applied. FAILED_PRECONDITION, with nothing changed, where
    /// the server, the database or the role is not as the migrations need it.
    pub async fn migration_run(&self) -> Result<Vec<String>> {
        if self.migration_status().await?.iter().all(|m| m.applied) {
            return Ok(Vec::new()); // which takes no rights
        }
        self.with_harness(|harness| {
            let applied = harness.run_pending_migrations(MIGRATIONS)?;
            Ok(applied.iter().map(ToString::to_string).collect())
        })
        .await
    }

    /// Takes the last one back; answers its name.
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
        preflight::check(&mut connection).await?;
        let locked = connection.batch_execute(LOCK).await;
        classified(&mut connection, locked).await?;
        let (diesel, rest) = connection.split();
        // The lock goes with the connection.
        let done = work(&mut AsyncMigrationHarness::new(diesel));
        done.map_err(|error| rest.error(error))
    }
}

/// What is applied and what is pending, on a connection that is at hand.
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
    let table = sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS there")
        .get_result(&mut **connection)
        .await;
    let table: There = classified(connection, table).await?;
    let applied: Vec<Version> = if table.there {
        let applied = sql_query("SELECT version FROM __diesel_schema_migrations")
            .load(&mut **connection)
            .await;
        classified(connection, applied).await?
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
