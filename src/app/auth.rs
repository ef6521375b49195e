//! Who is calling, and what it may do.
//!
//! A key's record is kept for [`FRESH`], so a busy key costs one query a second, and a key that was revoked is
//! refused within that time. A key that does not exist is remembered the same way. Form and checksum are checked
//! before anything else: what is no key never reaches the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use subtle::ConstantTimeEq;

use super::App;
use crate::{
    db::KeyCheck,
    domain::{
        key::{ApiKey, KeyId, Scope},
        page::TokenKey,
        tenant::TenantId,
    },
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// How long a key's record is good: half of the 2 s within which a revocation must be in force.
const FRESH: Duration = Duration::from_secs(1);
/// Most records kept; a flood of invented keys must not fill the memory.
const MOST_RECORDS: usize = 10_000;

/// Who is calling: the key was good when it was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose tasks it sees.
    pub tenant: TenantId,
    /// The public part of its key, for the record of who changed what.
    pub key_id: KeyId,
    /// Its tenant's key for page tokens.
    pub token_key: TokenKey,
}

/// What a call needs its key to allow.
pub type Access = Scope;

/// What the database said of a key, and when it was asked.
type Known = (Instant, Option<Arc<KeyCheck>>);

#[derive(Debug, Default)]
pub(super) struct KeyCache(Mutex<HashMap<KeyId, Known>>);

impl KeyCache {
    fn get(&self, id: &KeyId) -> Option<Option<Arc<KeyCheck>>> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, record) = records.get(id)?;
        (read.elapsed() < FRESH).then(|| record.clone())
    }

    /// `asked` is when the database was asked: what it answered may be as old as that.
    fn put(&self, id: KeyId, asked: Instant, record: Option<Arc<KeyCheck>>) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= MOST_RECORDS {
            records.retain(|_, (read, _)| read.elapsed() < FRESH);
        }
        if records.len() < MOST_RECORDS {
            records.insert(id, (asked, record));
        }
    }
}

impl App {
    /// Checks a key and that it has the scope. One and the same error tells of no key and of every bad one.
    pub async fn authenticate(
        self: &Arc<Self>,
        key: Option<&str>,
        access: Access,
    ) -> Result<Caller> {
        let key = key
            .and_then(ApiKey::parse)
            .ok_or_else(Error::unauthenticated)?;
        let known = self
            .key_record(&key.id)
            .await?
            .ok_or_else(Error::unauthenticated)?;
        let record = &known.record;
        if !bool::from(record.secret_hash.ct_eq(&key.hash[..])) {
            return Err(Error::unauthenticated());
        }
        check(&known, access)?;
        Ok(Caller {
            tenant: key.id.tenant().clone(),
            key_id: key.id,
            token_key: TokenKey::from_bytes(&record.page_token_key)
                .ok_or_else(|| Error::internal("the tenant's token key is not 32 bytes long"))?,
        })
    }

    /// Checks again that a caller's key is good and has the scope.
    pub(super) async fn still_allowed(
        self: &Arc<Self>,
        caller: &Caller,
        access: Access,
    ) -> Result<()> {
        let record = self.key_record(&caller.key_id).await?;
        check(&*record.ok_or_else(Error::unauthenticated)?, access)
    }

    async fn key_record(self: &Arc<Self>, id: &KeyId) -> Result<Option<Arc<KeyCheck>>> {
        if let Some(known) = self.keys.get(id) {
            return Ok(known);
        }
        let asked = Instant::now();
        let record = self.db.tenant(id.tenant()).key_get(id).await?.map(Arc::new);
        self.keys.put(id.clone(), asked, record.clone());
        if let Some(record) = &record {
            self.note_use(id, record);
        }
        Ok(record)
    }

    /// Writes the last use down, at most once a minute and beside the call, not in its way.
    fn note_use(self: &Arc<Self>, id: &KeyId, known: &KeyCheck) {
        if known.is_use_noted {
            return;
        }
        let (app, id) = (Arc::clone(self), id.clone());
        tokio::spawn(async move {
            if let Err(error) = app.db.tenant(id.tenant()).key_touch(&id).await {
                tracing::warn!(key.id = id.as_str(), error = ?error, "the key's last use was not noted");
            }
        });
    }
}

/// An error where a key may not be used now, or not for this.
fn check(known: &KeyCheck, access: Access) -> Result<()> {
    let KeyCheck {
        record, expires, ..
    } = known;
    let is_expired = expires.is_some_and(|at| at <= Instant::now());
    if is_expired || record.revoked_at.is_some() {
        return Err(Error::unauthenticated());
    }
    if !record.scopes.iter().any(|s| s == access.word()) {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("the key lacks the scope {access}"),
        )
        .because(ErrorReason::ScopeMissing)
        .with_fact("scope", access.word()));
    }
    Ok(())
}
