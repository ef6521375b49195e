//! PostgreSQL: the pool and all queries, each restricted to one tenant.
//!
//! [`Db`] holds the pool and the operations on the whole database. All other queries are methods of [`TenantDb`], which
//! [`Db::tenant`] returns, so a query without a tenant does not compile.

mod address;
mod changes;
mod clock;
mod connection;
mod connector;
mod counts;
mod due;
mod error;
mod events;
mod export;
mod get;
mod grants;
mod idempotency;
mod import;
mod import_copy;
mod import_failure;
mod import_names;
mod import_race;
mod import_rows;
mod import_session;
mod key_admin;
mod keys;
mod keyset;
pub mod list;
mod list_rows;
mod log;
mod log_check;
mod log_read;
mod log_statement;
mod login;
mod lookup;
pub mod migrate;
mod new_tasks;
mod opening;
mod password;
mod pool;
mod pooler;
mod preflight;
mod progress;
mod raw_session;
mod reader;
mod row;
mod row_security;
mod schema;
mod server_id;
mod service_role;
mod session;
mod sql;
mod state;
mod statements;
mod target_changes;
mod targets;
mod task_columns;
mod task_copy;
mod tasks;
mod tenants;
mod tls;
mod transaction;
pub mod url;
mod vacuum;
mod waiting;
mod work;
mod writes;

pub use changes::Changes;
pub use connection::{Db, DbOptions, LOGGED_EXPORTS, OWN_CONNECTIONS, SESSION_SETTINGS};
pub use counts::CountsConnection;
pub use due::Due;
pub use error::Outage;
pub use events::{EventCustomers, NewEvents};
pub use export::{Batch, Export};
pub use grants::Granted;
pub use idempotency::Claim;
pub use import::{Deleted, ImportTransaction, Loaded, NewResults};
pub use import_rows::Replaced;
pub use key_admin::{Issued, KeyInfo};
pub use keys::{KeyCheck, KeyRecord, NewKey};
pub use list_rows::{ListRows, StoredTask};
pub use log_check::{CheckStatement, LogCheck, LogSeen};
pub use log_read::{LogChanges, LogFrom, LogRead, LogReader, MOST_CHANGES, StepSize};
pub use opening::{Opened, Opening};
pub use password::Password;
pub use progress::{Sampled, ScannedTo};
pub use reader::Reader;
pub use server_id::ServerId;
pub use service_role::{RowSecurity, Unrestricted};
pub use session::Connection;
pub use state::{ConnectionLimit, DatabaseState};
pub use target_changes::{Counted, Find, Met};
pub use tasks::TasksAt;
pub use tenants::TenantRecord;
pub use transaction::Transaction;
pub use waiting::Waiting;
pub use work::Work;

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use crate::{domain::tenant::TenantId, error::Result};

/// The database as seen by one tenant.
#[derive(Debug, Clone, Copy)]
pub struct TenantDb<'a> {
    db: &'a Db,
    tenant: &'a TenantId,
}

impl Db {
    /// Restricts queries to `tenant`.
    pub fn tenant<'a>(&'a self, tenant: &'a TenantId) -> TenantDb<'a> {
        TenantDb { db: self, tenant }
    }
}

impl TenantDb<'_> {
    /// Runs a query of a caller, which takes turns with those of other tenants. `name` distinguishes kinds of queries by
    /// their cost.
    async fn run<T>(
        &self,
        name: &str,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        let work = Work::named(self.tenant, name, 1);
        self.db.run_as(work, query).await
    }

    /// Runs a query of the service itself on rows of the tenant. It does not wait behind the tenant's calls.
    async fn run_own<T>(
        &self,
        query: impl AsyncFnOnce(&mut &AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T> {
        self.db.run_as(Work::service_for(self.tenant), query).await
    }
}
