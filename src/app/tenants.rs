//! Tenants and their API keys, for the operator's commands.

use std::time::Duration;

use super::App;
use crate::{
    db::{KeyInfo, NewKey, TenantRecord},
    domain::{
        key::{ApiKey, KeyId, Scope},
        limits::check_text,
        rate::Limit,
        tenant::TenantId,
    },
    error::{Error, ErrorKind, Reason, Result, Violation, Violations},
};

/// A new key.
pub struct IssuedKey {
    /// The public id.
    pub id: KeyId,
    /// The complete key. It is shown once and not stored.
    pub secret: String,
}

/// The limits of a key; those of the service apply where there is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyLimits {
    /// Calls.
    pub rate: Option<Limit>,
    /// Database time.
    pub cost: Option<Limit>,
}

impl std::fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Creates a tenant; ALREADY_EXISTS if it exists.
    pub async fn tenant_create(&self, tenant: &TenantId) -> Result<()> {
        // As long as the output of SHA-256: a longer key of an HMAC would gain nothing.
        let mut token_key = [0; 32];
        getrandom::fill(&mut token_key).map_err(Error::internal)?;
        if self.db.tenant(tenant).tenant_create(token_key).await? {
            Ok(())
        } else {
            Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("the tenant {tenant} already exists"),
            ))
        }
    }

    /// All tenants, ordered by id.
    pub async fn tenant_list(&self) -> Result<Vec<TenantRecord>> {
        self.db.tenant_list().await
    }

    /// Every tenant's id.
    pub async fn tenants(&self) -> Result<Vec<TenantId>> {
        let all = self.db.tenant_list().await?;
        Ok(all
            .iter()
            .filter_map(|t| TenantId::parse(&t.tenant_id).ok())
            .collect())
    }

    /// NOT_FOUND if the tenant does not exist.
    pub async fn tenant_check(&self, tenant: &TenantId) -> Result<()> {
        if self.db.tenant(tenant).tenant_exists().await? {
            Ok(())
        } else {
            Err(no_such_tenant(tenant))
        }
    }

    /// Whether the tenant has any task.
    pub async fn tenant_has_tasks(&self, tenant: &TenantId) -> Result<bool> {
        self.db.tenant(tenant).task_any().await
    }

    /// Creates a key of `tenant` with at least one scope; without `expires_in` it is valid until it is revoked.
    pub async fn key_create(
        &self,
        tenant: &TenantId,
        name: &str,
        scopes: &[Scope],
        expires_in: Option<Duration>,
    ) -> Result<IssuedKey> {
        let limits = KeyLimits::default();
        self.key_create_limited(tenant, name, scopes, expires_in, limits)
            .await
    }

    /// As [`App::key_create`], with limits that the key has instead of those of the service.
    pub async fn key_create_limited(
        &self,
        tenant: &TenantId,
        name: &str,
        scopes: &[Scope],
        expires_in: Option<Duration>,
        limits: KeyLimits,
    ) -> Result<IssuedKey> {
        let mut violations = Violations::new();
        check_text("name", name, 256, &mut violations);
        if scopes.is_empty() {
            violations.push(Violation::new("scope", Reason::Required));
        }
        if !violations.is_empty() {
            return Err(Error::invalid(violations));
        }
        let (key, secret) = ApiKey::generate(tenant).map_err(Error::internal)?;
        let new = NewKey {
            key: &key,
            name,
            scopes,
            expires_in,
            rate: limits.rate,
            cost: limits.cost,
        };
        match self.db.tenant(tenant).key_create(new).await? {
            true => Ok(IssuedKey { id: key.id, secret }),
            false => Err(no_such_tenant(tenant)),
        }
    }

    /// The keys of the tenant, oldest first.
    pub async fn key_list(&self, tenant: &TenantId) -> Result<Vec<KeyInfo>> {
        self.db.tenant(tenant).key_page(None, i64::MAX).await
    }

    /// Revokes a key; NOT_FOUND if it does not exist.
    pub async fn key_revoke(&self, id: &KeyId) -> Result<()> {
        if self.db.tenant(id.tenant()).key_revoke(id).await? {
            self.keys.forget(id);
            Ok(())
        } else {
            Err(Error::new(
                ErrorKind::NotFound,
                format!("the key {} does not exist", id.as_str()),
            ))
        }
    }
}

fn no_such_tenant(tenant: &TenantId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the tenant {tenant} does not exist"),
    )
}
