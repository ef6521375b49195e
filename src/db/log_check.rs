//! Whether anything of a tenant was committed since an earlier snapshot: the check that lets a cached answer be used again.
//!
//! ```sql
//! SELECT …time…, s.log_trimmed, l.xid, l.at, …open transactions…, …next transaction…, EXISTS (…entries of the open ones…)
//! FROM tenants s LEFT JOIN LATERAL (…the newest entry of the log…) l ON true
//! ```
//!
//! Every change of a task adds an entry to the change log in the transaction of the change (see [`super::log_statement`]).
//! A snapshot does not see a transaction for one of two reasons. Either the transaction began after all that the snapshot
//! sees in the tenant's log, so its number is higher than that of the newest visible entry. Or it has a lower number and
//! was open. So nothing was committed between two snapshots if both see the same newest entry, and the later one sees
//! no entry of a transaction that was open in the earlier one. [`LogCheck::is_unchanged`] also demands what makes the two
//! comparable: the same server, and a log that was not trimmed in between beyond what the earlier snapshot saw.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Bool, Nullable, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{
    log_statement::OPEN,
    reader::Reader,
    server_id::ServerId,
    sql::{sql, statement},
};
use crate::{domain::tenant::TenantId, error::Result};

/// What a snapshot sees of a tenant's change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSeen {
    /// The server that gave out the transaction numbers.
    server: ServerId,
    /// The highest transaction number that was trimmed from the log.
    trimmed: i64,
    /// The transaction number and the time of the newest entry; `None` if the log is empty. After a crash, PostgreSQL may
    /// give out the number of a lost transaction again. The time tells the two apart.
    newest: Option<(i64, DateTime<Utc>)>,
    /// The transactions below the newest entry that are open.
    open: Vec<i64>,
}

impl LogSeen {
    /// The server of the snapshot.
    pub fn server(&self) -> ServerId {
        self.server
    }
}

/// The result of a check.
#[derive(Debug)]
pub struct LogCheck {
    /// The time of the check's snapshot.
    pub as_of: DateTime<Utc>,
    /// What the snapshot sees; `None` if later checks cannot be compared with it: on a standby, and while the log has
    /// entries that a dump brought from another database.
    pub seen: Option<LogSeen>,
    /// Whether nothing was committed since the earlier snapshot.
    pub is_unchanged: bool,
}

/// Time, highest trimmed transaction, newest entry's transaction and time, open transactions, the next transaction's
/// number, and whether a transaction has entries that was open earlier.
type Row = (
    DateTime<Utc>,
    i64,
    Option<i64>,
    Option<DateTime<Utc>>,
    Vec<i64>,
    i64,
    bool,
);

/// The statement of a check.
#[derive(Debug)]
pub struct CheckStatement<'a> {
    tenant: &'a str,
    /// The transactions that were open in the earlier snapshot.
    open: &'a [i64],
}

impl<'a> CheckStatement<'a> {
    /// The check of `tenant` since a snapshot in which the transactions `open` were open.
    pub fn new(tenant: &'a TenantId, open: &'a [i64]) -> Self {
        Self {
            tenant: tenant.as_str(),
            open,
        }
    }
}

impl QueryFragment<Pg> for CheckStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, open } = self;
        let out = &mut out;
        sql!(out,
            "SELECT statement_timestamp(), s.log_trimmed, l.xid, l.at, " [OPEN]
            ", pg_snapshot_xmax(pg_current_snapshot())::text::bigint, \
             EXISTS (SELECT FROM task_log o WHERE o.tenant_id = " {*tenant} " AND o.xid = ANY (" {*open}
            ")) FROM tenants s LEFT JOIN LATERAL (SELECT l.xid, l.at FROM task_log l WHERE l.tenant_id = " {*tenant}
            " ORDER BY l.xid DESC, l.log_id DESC LIMIT 1) l ON true WHERE s.tenant_id = " {*tenant}
        )
    }
}

statement!(CheckStatement<'_>: (
    Timestamptz,
    BigInt,
    Nullable<BigInt>,
    Nullable<Timestamptz>,
    Array<BigInt>,
    BigInt,
    Bool,
));

impl Reader {
    /// Checks whether anything of the tenant was committed since the snapshot `earlier`. With `None` the check only says
    /// what the present snapshot sees.
    pub async fn log_check(
        &mut self,
        tenant: &TenantId,
        earlier: Option<&LogSeen>,
    ) -> Result<LogCheck> {
        let open = earlier.map_or(&[][..], |earlier| &earlier.open);
        let statement = CheckStatement::new(tenant, open);
        let row = self.run(async |connection| statement.get_result::<Row>(connection).await);
        let (as_of, trimmed, xid, at, open, next, has_late_entries) = row.await?;
        let newest = xid.zip(at);
        // A dump of a database that was further in its count brings entries of the future. A new transaction would get a
        // lower number than theirs and not be noticed. The reader of the change log removes such entries when it starts.
        let newest_xid = xid.unwrap_or(0);
        let is_own = trimmed < next && newest_xid < next;
        let server = self.server().filter(|_| is_own);
        let seen = server.map(|server| LogSeen {
            server,
            trimmed,
            newest,
            open: open.into_iter().filter(|xid| *xid < newest_xid).collect(),
        });
        let is_unchanged = seen
            .as_ref()
            .zip(earlier)
            .is_some_and(|(seen, earlier)| !has_late_entries && seen.follows(earlier));
        Ok(LogCheck {
            as_of,
            seen,
            is_unchanged,
        })
    }
}

impl LogSeen {
    /// Whether the newest entry is the one of the earlier snapshot, and no entry was trimmed that the earlier snapshot did
    /// not see.
    fn follows(&self, earlier: &Self) -> bool {
        let Self {
            server,
            trimmed,
            newest,
            open: _,
        } = self;
        // What was trimmed meanwhile is older than the newest entry. Only a transaction that was open could be unseen.
        let saw_all_trimmed = *trimmed == earlier.trimmed
            || newest.is_some_and(|(newest, _)| *trimmed < newest)
                && earlier.open.iter().all(|xid| xid > trimmed);
        *server == earlier.server && *newest == earlier.newest && saw_all_trimmed
    }
}
