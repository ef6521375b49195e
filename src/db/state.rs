//! The state of the database, and how many connections it allows.

use std::fmt;

use diesel::{
    sql_query,
    sql_types::{Bool, Integer, Text},
};
use diesel_async::RunQueryDsl;

use super::{Db, error::Outage, migrate, session::Connection};
use crate::error::Result;

/// The state of a database that can be reached.
#[derive(Debug)]
pub struct DatabaseState {
    /// The migrations that its schema lacks.
    pub missing: Vec<String>,
    /// Whether it accepts no writes: it is a standby, or read-only by default.
    pub is_read_only: bool,
}

#[derive(diesel::QueryableByName)]
struct ReadOnly {
    #[diesel(sql_type = Bool)]
    is_read_only: bool,
}

/// The limits on the number of connections of the role.
#[derive(Debug, diesel::QueryableByName)]
pub struct ConnectionLimit {
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Integer)]
    of_role: i32,
    #[diesel(sql_type = Integer)]
    of_database: i32,
    #[diesel(sql_type = Integer)]
    of_server: i32,
}

impl ConnectionLimit {
    /// The lowest of the limits.
    pub fn connections(&self) -> usize {
        // -1 means no limit; 0 is a limit.
        let limits = [self.of_role, self.of_database, self.of_server];
        // The conversion to an unsigned number drops the limits of -1.
        let limits = limits
            .into_iter()
            .filter_map(|limit| usize::try_from(limit).ok());
        limits.min().unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ConnectionLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max_connections leaves {}", self.of_server)?;
        if self.of_role >= 0 {
            let role = self.role.escape_debug();
            write!(
                f,
                ", CONNECTION LIMIT of the role \"{role}\" is {}",
                self.of_role
            )?;
        }
        if self.of_database >= 0 {
            write!(f, ", that of the database is {}", self.of_database)?;
        }
        Ok(())
    }
}

impl Db {
    /// How many connections the role may have, including those of other programs.
    pub async fn connection_limit(&self) -> Result<ConnectionLimit> {
        let mut connection = self.connect_alone().await?;
        // The limits of the role and of the database do not apply to superusers.
        let limit = sql_query(
            "SELECT r.rolname::text AS role, CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END AS of_role, \
                CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END AS of_database, \
                current_setting('max_connections')::int \
                    - CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int END AS of_server \
             FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()",
        );
        let limit = connection.run(async |connection| limit.get_result(connection).await);
        Ok(limit.await?)
    }

    /// The state as seen on `connection`.
    pub async fn state(&self, connection: &mut Connection) -> Result<DatabaseState> {
        let missing = migrate::status(connection).await?;
        let missing = missing.into_iter().filter(|m| !m.applied).map(|m| m.name);
        let read_only =
            sql_query("SELECT current_setting('transaction_read_only') = 'on' AS is_read_only");
        let ReadOnly { is_read_only } = connection
            .run(async |connection| read_only.get_result(connection).await)
            .await?;
        Ok(DatabaseState {
            missing: missing.collect(),
            is_read_only,
        })
    }

    /// A connection outside the pool. If the last host is read-only, the hosts are tried in the order of the URL.
    pub async fn connect_anew(&self) -> Result<Connection> {
        if self.recent_outage() == Some(Outage::ReadOnly) {
            self.connector().forget_address();
        }
        self.connect_alone().await
    }

    /// The last state of the database in which it did not serve, if it was seen within the last seconds.
    pub fn recent_outage(&self) -> Option<Outage> {
        self.reports().recent()
    }

    /// Why the last attempt to connect failed, without the names of host, role and database; `None` if it succeeded.
    pub fn unreachable(&self) -> Option<String> {
        self.reports().unreachable()
    }

    /// Replaces all connections, which were opened while the database was read-only.
    pub fn takes_writes_again(&self) {
        self.reports().forget(Outage::ReadOnly);
        self.connector().renew();
    }
}
