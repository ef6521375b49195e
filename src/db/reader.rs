//! A connection of the pool for several reads in succession, which knows the server that it reads from.
//!
//! Snapshots of two connections can be compared only if both connections go to the same running server: after a failover,
//! or with several hosts in the URL, the connections of the pool may go to different ones.

use std::{fmt, ops::AsyncFnOnce};

use diesel::{
    QueryResult, sql_query,
    sql_types::{BigInt, Nullable},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    Db, Work,
    connection::Lease,
    get::task_row_on,
    list_rows::{ListRows, StoredTask, list_rows_on},
    log::DATABASE,
    server_id::ServerId,
    session::Connection,
};
use crate::{
    domain::{
        get::GetQuery,
        list::{ListQuery, page_too_large},
        tenant::TenantId,
    },
    error::{Error, ErrorKind, Result},
};

#[derive(diesel::QueryableByName)]
struct Asked {
    #[diesel(sql_type = Nullable<BigInt>)]
    server: Option<i64>,
}

impl Connection {
    /// The server of this connection; `None` for a standby, where a snapshot does not say which transactions are open.
    ///
    /// It is asked for once. A session cannot move to another server, and a promotion changes the timeline of those sessions
    /// only that began on a standby.
    async fn server(&mut self) -> Result<Option<ServerId>> {
        if let Some(known) = self.server {
            return Ok(known);
        }
        let asked = sql_query(format!(
            "SELECT CASE WHEN NOT pg_is_in_recovery() THEN hashtextextended(concat({DATABASE}, ' ', \
                extract(epoch FROM pg_postmaster_start_time())), 0) END AS server"
        ));
        let asked = self
            .run(async |connection| asked.get_result::<Asked>(connection).await)
            .await;
        let server = match asked.map_err(Error::from) {
            Ok(Asked { server }) => server.map(ServerId),
            Err(error) => match error.kind() {
                ErrorKind::Internal => {
                    // The role may not call one of the functions. Lists work without them.
                    let cause = error.internal_cause();
                    tracing::debug!(
                        cause,
                        "the server cannot be told from others, so answers are not cached"
                    );
                    None
                }
                _ => return Err(error),
            },
        };
        self.server = Some(server);
        Ok(server)
    }
}

/// A connection of the pool. Dropping it in the middle of a statement cancels the statement and closes the connection.
pub struct Reader {
    lease: Lease,
    server: Option<ServerId>,
    /// Whether rows of the last statement were left unread.
    is_unfinished: bool,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl Db {
    /// Takes a connection of the pool.
    pub async fn reader(&self, work: Work<'_>) -> Result<Reader> {
        let mut lease = self.lease(work).await?;
        let server = match lease.connection() {
            Some(connection) => connection.server().await,
            None => Ok(None),
        };
        match server {
            Ok(server) => Ok(Reader {
                lease,
                server,
                is_unfinished: false,
            }),
            Err(error) => {
                lease.give_back();
                Err(error)
            }
        }
    }
}

impl Reader {
    /// The server that it reads from; `None` if it is a standby.
    pub fn server(&self) -> Option<ServerId> {
        self.server
    }

    pub(super) async fn run<T>(
        &mut self,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        self.lease.run(query).await
    }

    /// Reads the total and one page of a list from one snapshot. INVALID_ARGUMENT if the page is too large.
    pub async fn list_rows(&mut self, tenant: &TenantId, query: &ListQuery) -> Result<ListRows> {
        let read = self
            .run(async |connection| list_rows_on(connection, tenant, query).await)
            .await?;
        self.is_unfinished = read.is_none();
        read.ok_or_else(|| page_too_large(["limit", "target_limit"]))?
    }

    /// Reads one task by its id; `None` if it does not exist.
    pub async fn task_row(
        &mut self,
        tenant: &TenantId,
        query: &GetQuery,
    ) -> Result<Option<StoredTask>> {
        self.run(async |connection| task_row_on(connection, tenant, query).await)
            .await?
    }

    /// Returns the connection to the pool. It is closed if rows were left unread, which would reach its next user.
    pub fn give_back(self) {
        if !self.is_unfinished {
            self.lease.give_back();
        }
    }
}
