//! Keys of a tenant, managed by callers with the scope `admin`.

use std::time::Duration;

use super::{App, Caller};
use crate::{
    db::{Issued, KeyInfo, NewKey},
    domain::{
        key::{ApiKey, KeyId, Scope},
        limits::{DEFAULT_PARTS, MAX_LIMIT, MAX_NAME_CHARS, check_range, check_text},
        page,
        rate::{Limit, Unit},
        write::valid,
    },
    error::{Error, ErrorKind, Reason, Result, Violation, Violations},
};

/// The longest time for which a key can be made: 100 years, in seconds.
const MAX_SECONDS: i64 = 36_525 * 24 * 3600;

/// The parameters of a new key.
#[derive(Debug)]
pub struct KeyRequest {
    /// The name for people.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The seconds until it expires; `None` if it does not expire.
    pub expires_in: Option<i64>,
    /// Its limit of calls, as [`Limit`] reads it; `None` if the service's applies.
    pub rate: Option<String>,
    /// Its limit of database time; likewise.
    pub cost: Option<String>,
}

/// One page of the keys of a tenant.
#[derive(Debug)]
pub struct KeyPage {
    /// The keys, the oldest first.
    pub keys: Vec<KeyInfo>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
}

impl App {
    /// Creates a key of the caller's tenant, and returns it with its secret. FAILED_PRECONDITION if the tenant has too many.
    pub async fn key_issue(
        &self,
        caller: &Caller,
        request: KeyRequest,
        mut violations: Violations,
    ) -> Result<(KeyInfo, String)> {
        let KeyRequest {
            name,
            mut scopes,
            expires_in,
            rate,
            cost,
        } = request;
        check_text("name", &name, MAX_NAME_CHARS, &mut violations);
        if scopes.is_empty() && !violations.iter().any(|v| v.field.starts_with("scopes")) {
            violations.push(Violation::new("scopes", Reason::Required));
        }
        // In the order of the enum, each once.
        scopes.sort_unstable_by_key(|scope| *scope as u8);
        scopes.dedup();
        if let Some(seconds) = expires_in {
            check_range("expires_in", seconds, 1, MAX_SECONDS, &mut violations);
        }
        let most = self.keys.limits();
        let rate = limit("rate", rate, Unit::Calls, most.key_calls, &mut violations);
        let cost = limit("cost", cost, Unit::Cost, most.key_cost, &mut violations);
        valid(violations)?;
        let (key, secret) = ApiKey::generate(&caller.tenant).map_err(Error::internal)?;
        let new = NewKey {
            key: &key,
            name: &name,
            scopes: &scopes,
            expires_in: expires_in.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
            rate,
            cost,
        };
        let tenant = self.db.tenant(&caller.tenant);
        match tenant.key_issue(&caller.key_id, new).await? {
            Issued::Done(info) => {
                tracing::info!(
                    key.id = info.key_id,
                    key.scopes = info.scopes.join(","),
                    by = caller.key_id.as_str(),
                    "a key was created"
                );
                Ok((*info, secret))
            }
            Issued::TooMany(count) => {
                let what = format!("the tenant has {count} valid keys; revoke some of them first");
                Err(Error::new(ErrorKind::FailedPrecondition, what))
            }
            Issued::NotAllowed => Err(Error::unauthenticated()),
        }
    }

    /// Lists one page of the keys of the caller's tenant.
    pub async fn key_page(
        &self,
        caller: &Caller,
        limit: Option<i64>,
        page_token: &str,
    ) -> Result<KeyPage> {
        let mut violations = Violations::new();
        let limit = limit.unwrap_or(DEFAULT_PARTS);
        check_range("limit", limit, 1, MAX_LIMIT, &mut violations);
        let after = caller.token_key.open_key(page_token, &mut violations);
        valid(violations)?;
        let tenant = self.db.tenant(&caller.tenant);
        let mut keys = tenant.key_page(after.as_ref(), limit + 1).await?;
        let next_page_token = page::cut(&mut keys, limit, |last| {
            caller.token_key.seal_key(last.created_at, &last.key_id)
        });
        Ok(KeyPage {
            keys,
            next_page_token,
        })
    }

    /// Revokes a key of the caller's tenant; NOT_FOUND if there is no such key.
    pub async fn key_revoke_by(&self, caller: &Caller, key_id: &str) -> Result<KeyInfo> {
        let Some(id) = KeyId::parse(key_id) else {
            let form = "the id of a key, such as demo.k3v9x2mq, without otk_ and the secret";
            let violation = Violation::new("key_id", Reason::Malformed { form });
            return Err(Error::invalid(vec![violation]));
        };
        let is_own = id.tenant() == &caller.tenant;
        let ended = match is_own {
            true => {
                let tenant = self.db.tenant(&caller.tenant);
                tenant.key_revoke_by(&id, &caller.key_id).await?
            }
            // The same answer as for an id that nobody has.
            false => None,
        };
        let info = ended.ok_or_else(|| {
            let what = format!("the key {} does not exist", id.as_str());
            Error::new(ErrorKind::NotFound, what)
        })?;
        self.keys.forget(&id);
        tracing::info!(
            key.id = id.as_str(),
            by = caller.key_id.as_str(),
            "a key was revoked"
        );
        Ok(info)
    }
}

/// Reads a limit of a key, which must not be above that of the service.
fn limit(
    field: &str,
    text: Option<String>,
    unit: Unit,
    most: Limit,
    violations: &mut Violations,
) -> Option<Limit> {
    let (form, at_most) = match unit {
        Unit::Calls => (
            "off, or a whole number from 1 to 2147483647, a slash and a time from 1s to 24h, such as 100/s",
            "at most the limit of the server (--key-rate)",
        ),
        Unit::Cost => (
            "off, or a time of at least 1ms, a slash and a time from 1s to 24h, such as 2s/s",
            "at most the limit of the server (--key-cost)",
        ),
    };
    let read = Limit::parse(&text?, unit)
        .map_err(|_| form)
        .and_then(|limit| {
            let is_allowed = limit.is_within(most);
            is_allowed.then_some(limit).ok_or(at_most)
        });
    read.map_err(|form| violations.push(Violation::new(field, Reason::Malformed { form })))
        .ok()
}
