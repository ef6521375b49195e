//! Stores and reads API keys.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{Bool, Double, Interval, Nullable, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    TenantDb, Transaction, Work,
    schema::{api_keys, tenants},
};
use crate::{
    domain::{
        key::{ApiKey, KeyId, Scope},
        rate::{Limit, Unit},
        words::Word,
    },
    error::{Error, Result},
};

/// What a call needs to know of a key.
#[derive(Debug, Clone, Queryable)]
pub struct KeyRecord {
    /// The public id.
    pub key_id: String,
    /// The name for people.
    pub name: String,
    /// The SHA-256 hash of the complete key.
    pub secret_hash: Vec<u8>,
    /// The words of its scopes.
    pub scopes: Vec<String>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Its limit of calls, as [`Limit`] reads it; `None` if the service's applies.
    pub rate: Option<String>,
    /// Its limit of database time; likewise.
    pub cost: Option<String>,
    /// The `admin` key that made it; `None` if the operator did.
    pub created_by: Option<String>,
    /// The tenant's secret for signing page tokens.
    pub page_token_key: Vec<u8>,
}

/// A key with the results of the time comparisons, which PostgreSQL makes because all services share its clock.
#[derive(Debug, Clone)]
pub struct KeyCheck {
    /// The stored key.
    pub record: KeyRecord,
    /// When it expires by this process's monotonic clock; `None` if never.
    pub expires: Option<Instant>,
    /// Whether its last use was recorded less than a minute ago.
    pub is_use_noted: bool,
}

/// A new key.
#[derive(Debug)]
pub struct NewKey<'a> {
    /// The public id and the hash.
    pub key: &'a ApiKey,
    /// The name for people.
    pub name: &'a str,
    /// The scopes.
    pub scopes: &'a [Scope],
    /// The time until it expires; `None` if it does not expire.
    pub expires_in: Option<Duration>,
    /// Its limit of calls; `None` if the service's applies.
    pub rate: Option<Limit>,
    /// Its limit of database time; `None` if the service's applies.
    pub cost: Option<Limit>,
}

/// Whether the last use was recorded less than a minute ago. A time in the future is ignored: it was recorded before
/// PostgreSQL's clock was set back.
const IS_USE_NOTED: &str =
    "coalesce(last_used_at BETWEEN now() - interval '1 minute' AND now(), false)";
/// The seconds until the key expires. Uses the statement's time, because the transaction may have begun long ago.
const EXPIRES_IN: &str = "extract(epoch FROM expires_at - statement_timestamp())::float8";

type KeyColumns = (
    api_keys::key_id,
    api_keys::name,
    api_keys::secret_hash,
    api_keys::scopes,
    api_keys::revoked_at,
    api_keys::rate,
    api_keys::cost,
    api_keys::created_by,
    tenants::page_token_key,
);

impl TenantDb<'_> {
    /// Reads one key of the tenant.
    pub async fn key_get(&self, id: &KeyId) -> Result<Option<KeyCheck>> {
        let (tenant, key) = (self.tenant.as_str(), id.as_str());
        self.run_own(async |connection| load_check(connection, tenant, key).await)
            .await
    }

    /// Stores a new key; false if the tenant does not exist.
    pub async fn key_create(&self, new: NewKey<'_>) -> Result<bool> {
        let NewKey {
            key,
            name,
            scopes,
            expires_in,
            rate,
            cost,
        } = new;
        let scopes: Vec<&str> = scopes.iter().map(|s| s.word()).collect();
        let expires_in = expires_in.map(TimeDelta::from_std).transpose();
        let expires_at = sql::<Nullable<Timestamptz>>("now() + ")
            .bind::<Nullable<Interval>, _>(expires_in.map_err(Error::internal)?);
        let insert = diesel::insert_into(api_keys::table).values((
            api_keys::tenant_id.eq(self.tenant.as_str()),
            api_keys::key_id.eq(key.id.as_str()),
            api_keys::name.eq(name),
            api_keys::secret_hash.eq(&key.hash[..]),
            api_keys::scopes.eq(scopes),
            api_keys::expires_at.eq(expires_at),
            api_keys::rate.eq(rate.map(|limit| limit.text(Unit::Calls))),
            api_keys::cost.eq(cost.map(|limit| limit.text(Unit::Cost))),
        ));
        let mut lease = self.db.lease(Work::service_for(self.tenant)).await?;
        let inserted = lease.try_run(async |connection| insert.execute(connection).await);
        let inserted = inserted.await;
        lease.give_back();
        match inserted {
            // The foreign key finds out, which saves a query for the tenant.
            Err(error) if error.is_conflict("api_keys_tenant_id_fkey") => Ok(false),
            inserted => Ok(inserted? == 1),
        }
    }

    /// Revokes a key; false if it does not exist. A repeated call keeps the first time.
    pub async fn key_revoke(&self, id: &KeyId) -> Result<bool> {
        self.run_own(async |connection| {
            diesel::update(api_keys::table.find((self.tenant.as_str(), id.as_str())))
                .set(api_keys::revoked_at.eq(diesel::dsl::sql("coalesce(revoked_at, now())")))
                .execute(connection)
                .await
        })
        .await
        .map(|rows| rows == 1)
    }

    /// Records a use of the key, unless a use was recorded less than a minute ago.
    pub async fn key_touch(&self, id: &KeyId) -> Result<()> {
        self.run_own(async |connection| {
            let key = api_keys::table.find((self.tenant.as_str(), id.as_str()));
            diesel::update(key)
                .filter(sql::<Bool>(&format!("NOT {IS_USE_NOTED}")))
                .set(api_keys::last_used_at.eq(sql("now()")))
                .execute(connection)
                .await
        })
        .await
        .map(drop)
    }
}

impl Transaction<'_> {
    /// Reads one key of the tenant within the transaction.
    pub async fn key_get(&mut self, id: &KeyId) -> Result<Option<KeyCheck>> {
        let (tenant, key) = (self.tenant.as_str(), id.as_str());
        self.run(async |connection| load_check(connection, tenant, key).await)
            .await
    }
}

async fn load_check(
    connection: &mut &AsyncPgConnection,
    tenant: &str,
    key: &str,
) -> QueryResult<Option<KeyCheck>> {
    // Taken before the statement, so that the key expires early by a round trip rather than late.
    let asked = Instant::now();
    let found: Option<(KeyRecord, Option<f64>, bool)> = api_keys::table
        .inner_join(tenants::table)
        .filter(api_keys::tenant_id.eq(tenant))
        .filter(api_keys::key_id.eq(key))
        .select((
            KeyColumns::default(),
            sql::<Nullable<Double>>(EXPIRES_IN),
            sql::<Bool>(IS_USE_NOTED),
        ))
        .first(connection)
        .await
        .optional()?;
    Ok(found.map(|(record, expires_in, is_use_noted)| KeyCheck {
        // A time beyond the range of Instant counts as never.
        expires: expires_in.and_then(|seconds| {
            let left = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            asked.checked_add(left)
        }),
        record,
        is_use_noted,
    }))
}
