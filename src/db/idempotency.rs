//! Remembers completed writes for callers that retry.

use std::time::Duration;

use diesel::{
    dsl::sql,
    prelude::*,
    sql_query,
    sql_types::{Binary, Bool, Text},
};
use diesel_async::RunQueryDsl;

use super::{TenantDb, Transaction, schema::idempotency_keys};
use crate::{
    domain::idempotency::Idempotency,
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

impl Transaction<'_> {
    /// Claims the key of a write; waits for a concurrent transaction with the same key.
    pub async fn idempotency_claim(&mut self, write: &Idempotency) -> Result<Claim> {
        let tenant = self.tenant.as_str();
        // The row is inserted before the write is done. The primary key makes a concurrent
        // transaction with the same key wait here. An expired row is reused in place; an unexpired
        // one makes the statement change nothing.
        let claim = format!(
            "INSERT INTO idempotency_keys AS i (tenant_id, idempotency_key, request_hash, command_hash) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, idempotency_key) DO UPDATE
             SET request_hash = excluded.request_hash, command_hash = excluded.command_hash, outcome = '', created_at = now()
             WHERE i.created_at < now() - {RETENTION}"
        );
        let claim = sql_query(claim)
            .bind::<Text, _>(tenant)
            .bind::<Text, _>(&write.key)
            .bind::<Binary, _>(&write.request_hash()[..])
            .bind::<Binary, _>(write.command_hash().to_vec());
        let claimed = self
            .run(async |connection| claim.execute(connection).await)
            .await?;
        if claimed == 1 {
            return Ok(Claim::New);
        }
        let known = idempotency_keys::table.find((tenant, &write.key)).select((
            idempotency_keys::request_hash,
            idempotency_keys::command_hash,
            idempotency_keys::outcome_version,
            idempotency_keys::outcome,
        ));
        type Known = (Vec<u8>, Option<Vec<u8>>, i16, String);
        let (request_hash, command_hash, version, outcome): Known = self
            .run(async |connection| known.first(connection).await.optional())
            .await?
            // It existed in the previous statement, so its 24 hours have just ended.
            .ok_or_else(|| Error::unavailable("try again", Duration::ZERO))?;
        Ok(match write.is_of(&request_hash, command_hash.as_deref()) {
            true => Claim::Done { version, outcome },
            false => Claim::Other,
        })
    }

    /// Stores the outcome of a claimed write.
    pub async fn idempotency_keep(
        &mut self,
        write: &Idempotency,
        version: i16,
        outcome: &str,
    ) -> Result<()> {
        let row = idempotency_keys::table.find((self.tenant.as_str(), &write.key));
        let keep = diesel::update(row).set((
            idempotency_keys::outcome_version.eq(version),
            idempotency_keys::outcome.eq(outcome),
        ));
        self.run(async |connection| keep.execute(connection).await)
            .await
            .map(drop)
    }
}

impl TenantDb<'_> {
    /// Whether a write with this key was completed in the last 24 hours.
    pub async fn idempotency_known(&self, key: &str) -> Result<bool> {
        let known = diesel::select(diesel::dsl::exists(
            idempotency_keys::table
                .find((self.tenant.as_str(), key))
                .filter(sql::<Bool>(&format!("created_at >= now() - {RETENTION}"))),
        ));
        self.db
            .run(async |connection| known.get_result(connection).await)
            .await
    }

    /// Deletes expired keys, at most `most`; returns how many.
    pub async fn idempotency_clean(&self, most: i64) -> Result<usize> {
        let old = sql::<Bool>(&format!("created_at < now() - {RETENTION}"));
        let keys: Vec<String> = self
            .db
            .run(async |connection| {
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
        self.db
            .run(async |connection| {
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
