//! Remembers completed writes for callers that retry.

use std::time::Duration;

use diesel::{
    QueryResult,
    dsl::sql,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Binary, Bool, Nullable, SmallInt, Text},
};
use diesel_async::RunQueryDsl;

use super::{
    TenantDb,
    schema::idempotency_keys,
    sql::{sql, statement},
};
use crate::{
    domain::idempotency::{Hash, Idempotency},
    error::{Error, Result},
};

/// How long a completed write is remembered.
const RETENTION: &str = "interval '24 hours'";

/// What is known about a write when it begins.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: the caller must do it. Concurrent callers with the same key wait until this transaction ends.
    New,
    /// The write was completed earlier.
    Done {
        /// The version of the outcome's format.
        version: i16,
        /// The stored outcome.
        outcome: String,
    },
    /// A different write used the same key.
    Other,
}

/// A row of [`KnownStatement`]: request hash, command hash, version, outcome.
pub(super) type KnownRow = (Vec<u8>, Option<Vec<u8>>, i16, String);

impl Claim {
    /// What a stored key says about `write`.
    pub(super) fn of_known(write: &Idempotency, known: Option<KnownRow>) -> Result<Self> {
        let (request_hash, command_hash, version, outcome) = known
            // It existed in the previous statement, so its 24 hours have just ended.
            .ok_or_else(|| Error::unavailable("try again", Duration::ZERO))?;
        Ok(match write.is_of(&request_hash, command_hash.as_deref()) {
            true => Self::Done { version, outcome },
            false => Self::Other,
        })
    }
}

/// Claims the key of a write: writes one row and returns where it is, or none if the key is in use.
///
/// The row is inserted before the write is done. The primary key makes a concurrent transaction
/// with the same key wait here. An expired row is reused in place; an unexpired one makes the
/// statement change nothing. An outcome is empty only within the transaction that writes it, so a
/// row that was committed without one is of no completed write, and its key is free.
#[derive(Debug)]
pub(super) struct ClaimStatement<'a> {
    tenant: &'a str,
    key: &'a str,
    request_hash: &'a Hash,
    command_hash: Hash,
}

impl<'a> ClaimStatement<'a> {
    pub(super) fn new(tenant: &'a str, write: &'a Idempotency) -> Self {
        Self {
            tenant,
            key: &write.key,
            request_hash: write.request_hash(),
            command_hash: write.command_hash(),
        }
    }
}

impl QueryFragment<Pg> for ClaimStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            tenant,
            key,
            request_hash,
            command_hash,
        } = self;
        let out = &mut out;
        sql!(out,
            "INSERT INTO idempotency_keys AS i (tenant_id, idempotency_key, request_hash, command_hash) VALUES ("
            {*tenant} ", " {*key} ", " {&request_hash[..]} ", " {&command_hash[..]} ") \
             ON CONFLICT (tenant_id, idempotency_key) DO UPDATE \
             SET request_hash = excluded.request_hash, command_hash = excluded.command_hash, outcome = '', created_at = now() \
             WHERE i.outcome = '' OR i.created_at < now() - " [RETENTION]
            " RETURNING i.ctid::text"
        )
    }
}

statement!(ClaimStatement<'_>: Text);

/// Reads what is stored with a key. The order leads to the primary key, whatever the statistics say.
#[derive(Debug)]
pub(super) struct KnownStatement<'a> {
    pub(super) tenant: &'a str,
    pub(super) key: &'a str,
}

impl QueryFragment<Pg> for KnownStatement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self { tenant, key } = self;
        let out = &mut out;
        sql!(out,
            "SELECT request_hash, command_hash, outcome_version, outcome FROM idempotency_keys \
             WHERE tenant_id = " {*tenant} " AND idempotency_key >= " {*key} " AND idempotency_key <= " {*key}
            " ORDER BY idempotency_key LIMIT 1"
        )
    }
}

statement!(KnownStatement<'_>: (Binary, Nullable<Binary>, SmallInt, Text));

/// Stores the outcome of a claimed write.
#[derive(Debug)]
pub(super) struct KeepStatement {
    /// Where [`ClaimStatement`] wrote the row. Nobody else changes it before the transaction ends.
    pub(super) row_id: String,
    pub(super) version: i16,
    pub(super) outcome: String,
}

impl QueryFragment<Pg> for KeepStatement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let Self {
            row_id,
            version,
            outcome,
        } = self;
        let out = &mut out;
        sql!(out,
            "UPDATE idempotency_keys SET outcome_version = " {version} ", outcome = " {outcome.as_str()}
            " WHERE ctid = " {row_id.as_str()} "::tid"
        )
    }
}

statement!(KeepStatement: ());

impl TenantDb<'_> {
    /// Whether a write with this key was completed in the last 24 hours.
    pub async fn idempotency_known(&self, key: &str) -> Result<bool> {
        let known = diesel::select(diesel::dsl::exists(
            idempotency_keys::table
                .find((self.tenant.as_str(), key))
                .filter(sql::<Bool>(&format!("created_at >= now() - {RETENTION}"))),
        ));
        self.run("idempotency", async |connection| {
            known.get_result(connection).await
        })
        .await
    }

    /// Deletes expired keys, at most `most`; returns how many.
    pub async fn idempotency_clean(&self, most: i64) -> Result<usize> {
        let old = sql::<Bool>(&format!("created_at < now() - {RETENTION}"));
        let keys: Vec<String> = self
            .run_own(async |connection| {
                idempotency_keys::table
                    .filter(idempotency_keys::tenant_id.eq(self.tenant.as_str()))
                    .filter(old)
                    .order(idempotency_keys::created_at)
                    .limit(most)
                    .select(idempotency_keys::idempotency_key)
                    .load(connection)
                    .await
            })
            .await?;
        if keys.is_empty() {
            return Ok(0);
        }
        // Checked again: a write may have reused the key since it was selected.
        let old = sql::<Bool>(&format!("created_at < now() - {RETENTION}"));
        self.run_own(async |connection| {
            diesel::delete(idempotency_keys::table)
                .filter(idempotency_keys::tenant_id.eq(self.tenant.as_str()))
                .filter(idempotency_keys::idempotency_key.eq_any(&keys))
                .filter(old)
                .execute(connection)
                .await
        })
        .await
    }
}
