//! The keys of a tenant, as its own programs manage them.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::{
    QueryableByName, sql_query,
    sql_types::{Array, BigInt, Binary, Interval, Nullable, Text, Timestamptz},
};
use diesel_async::RunQueryDsl;

use super::{NewKey, TenantDb};
use crate::{
    domain::{key::KeyId, rate::Unit, words::Word},
    error::{Error, Result},
};

/// The maximum number of valid keys that a tenant can have by keys that it makes itself.
const MAX_KEYS: i64 = 1000;
/// The columns of [`KeyInfo`].
const COLUMNS: &str = "key_id, name, scopes, created_at, expires_at, revoked_at, last_used_at, rate, cost, created_by, revoked_by";
/// The condition that a key is neither revoked nor expired.
const IS_VALID: &str = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())";

/// A key without its secret.
#[derive(Debug, Clone, QueryableByName)]
pub struct KeyInfo {
    /// The public id.
    #[diesel(sql_type = Text)]
    pub key_id: String,
    /// The name for people.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// The words of its scopes.
    #[diesel(sql_type = Array<Text>)]
    pub scopes: Vec<String>,
    /// When it was created.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// When it expires; `None` if never.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_used_at: Option<DateTime<Utc>>,
    /// Its limit of calls; `None` if the service's applies.
    #[diesel(sql_type = Nullable<Text>)]
    pub rate: Option<String>,
    /// Its limit of database time; likewise.
    #[diesel(sql_type = Nullable<Text>)]
    pub cost: Option<String>,
    /// The id of the key that created it; `None` if the operator did.
    #[diesel(sql_type = Nullable<Text>)]
    pub created_by: Option<String>,
    /// The id of the key that revoked it; `None` if the operator did.
    #[diesel(sql_type = Nullable<Text>)]
    pub revoked_by: Option<String>,
}

/// What became of a key to be created.
#[derive(Debug)]
pub enum Issued {
    /// It was created.
    Done(Box<KeyInfo>),
    /// The tenant has this many valid keys already.
    TooMany(i64),
    /// The key that asked for it is not valid any more, or lacks the scope.
    NotAllowed,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl TenantDb<'_> {
    /// Stores a new key, if the key `by` is valid and has the scope `admin` at this moment.
    pub async fn key_issue(&self, by: &KeyId, new: NewKey<'_>) -> Result<Issued> {
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
        // The row lock makes a concurrent revocation of `by` wait, or this statement wait for it. So a key whose revocation
        // is committed creates no further key.
        let issue = format!(
            "INSERT INTO api_keys (tenant_id, key_id, name, secret_hash, scopes, expires_at, rate, cost, created_by) \
             SELECT $1, $3, $4, $5, $6, now() + $7, $8, $9, $2 FROM (\
                SELECT FROM api_keys WHERE tenant_id = $1 AND key_id = $2 AND {IS_VALID} AND 'admin' = ANY (scopes) \
                FOR SHARE) AS allowed \
             WHERE (SELECT count(*) FROM api_keys WHERE tenant_id = $1 AND {IS_VALID}) < $10 RETURNING {COLUMNS}"
        );
        let issue = sql_query(issue)
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Text, _>(by.as_str())
            .bind::<Text, _>(key.id.as_str())
            .bind::<Text, _>(name)
            .bind::<Binary, _>(&key.hash[..])
            .bind::<Array<Text>, _>(scopes)
            .bind::<Nullable<Interval>, _>(expires_in.map_err(Error::internal)?)
            .bind::<Nullable<Text>, _>(rate.map(|limit| limit.text(Unit::Calls)))
            .bind::<Nullable<Text>, _>(cost.map(|limit| limit.text(Unit::Cost)))
            .bind::<BigInt, _>(MAX_KEYS);
        let issued: Vec<KeyInfo> = self
            .run("keys", async |connection| issue.load(connection).await)
            .await?;
        if let Some(issued) = issued.into_iter().next() {
            return Ok(Issued::Done(Box::new(issued)));
        }
        let valid = sql_query(format!(
            "SELECT count(*) AS count FROM api_keys WHERE tenant_id = $1 AND {IS_VALID}"
        ))
        .bind::<Text, _>(self.tenant.as_str());
        let valid: Count = self
            .run("keys", async |connection| {
                valid.get_result(connection).await
            })
            .await?;
        Ok(match valid.count >= MAX_KEYS {
            true => Issued::TooMany(valid.count),
            false => Issued::NotAllowed,
        })
    }

    /// At most `most` keys of the tenant, in the order of their creation, behind the one with this time and id.
    pub async fn key_page(
        &self,
        after: Option<&(DateTime<Utc>, KeyId)>,
        most: i64,
    ) -> Result<Vec<KeyInfo>> {
        // Sorts all keys of the tenant, which are few.
        let page = sql_query(format!(
            "SELECT {COLUMNS} FROM api_keys WHERE tenant_id = $1 AND (created_at, key_id) > ($2, $3) \
             ORDER BY created_at, key_id LIMIT $4"
        ));
        let (time, id) = match after {
            Some((time, id)) => (*time, id.as_str()),
            // Before every key.
            None => (DateTime::UNIX_EPOCH, ""),
        };
        let page = page
            .bind::<Text, _>(self.tenant.as_str())
            .bind::<Timestamptz, _>(time)
            .bind::<Text, _>(id)
            .bind::<BigInt, _>(most);
        self.run("keys", async |connection| page.load(connection).await)
            .await
    }

    /// Revokes a key in the name of the key `by`; `None` if it does not exist. A repeated call changes nothing.
    pub async fn key_revoke_by(&self, id: &KeyId, by: &KeyId) -> Result<Option<KeyInfo>> {
        let end = sql_query(format!(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()), \
                revoked_by = CASE WHEN revoked_at IS NULL THEN $3 ELSE revoked_by END \
             WHERE tenant_id = $1 AND key_id = $2 RETURNING {COLUMNS}"
        ))
        .bind::<Text, _>(self.tenant.as_str())
        .bind::<Text, _>(id.as_str())
        .bind::<Text, _>(by.as_str());
        let ended: Vec<KeyInfo> = self
            .run("keys", async |connection| end.load(connection).await)
            .await?;
        Ok(ended.into_iter().next())
    }
}
