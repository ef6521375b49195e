//! The service of keys.

use std::fmt;

use tonic::{Request, Response, Status};

use super::{
    api::{KeyApi, caller},
    convert_attention::read_seconds,
    convert_value::{non_empty, timestamp},
    key_server::KeyService,
};
use crate::{
    app::{KeyInfo, KeyRequest},
    domain::{key::Scope, words::Word},
    error::{Error, Reason, Result, Violation, Violations},
    pb,
};

#[tonic::async_trait]
impl KeyService for KeyApi {
    async fn create_key(
        &self,
        mut request: Request<pb::CreateKeyRequest>,
    ) -> Result<Response<pb::CreateKeyResponse>, Status> {
        let caller = caller(&mut request)?;
        let mut violations = Violations::new();
        let request = read(request.into_inner(), &mut violations);
        let (key, secret) = self.0.key_issue(&caller, request, violations).await?;
        Ok(Response::new(pb::CreateKeyResponse {
            key: Some(api_key(key)?),
            secret,
        }))
    }

    async fn list_keys(
        &self,
        mut request: Request<pb::ListKeysRequest>,
    ) -> Result<Response<pb::ListKeysResponse>, Status> {
        let caller = caller(&mut request)?;
        let pb::ListKeysRequest { limit, page_token } = request.into_inner();
        // proto3 cannot tell 0 from an absent number.
        let limit = Some(limit.into()).filter(|n| *n != 0);
        let page = self.0.key_page(&caller, limit, &page_token).await?;
        Ok(Response::new(pb::ListKeysResponse {
            keys: page.keys.into_iter().map(api_key).collect::<Result<_>>()?,
            next_page_token: page.next_page_token,
        }))
    }

    async fn revoke_key(
        &self,
        mut request: Request<pb::RevokeKeyRequest>,
    ) -> Result<Response<pb::RevokeKeyResponse>, Status> {
        let caller = caller(&mut request)?;
        let pb::RevokeKeyRequest { key_id } = request.into_inner();
        let key = self.0.key_revoke_by(&caller, &key_id).await?;
        Ok(Response::new(pb::RevokeKeyResponse {
            key: Some(api_key(key)?),
        }))
    }
}

fn read(message: pb::CreateKeyRequest, violations: &mut Violations) -> KeyRequest {
    let pb::CreateKeyRequest {
        name,
        scopes,
        expires_in,
        rate,
        cost,
    } = message;
    let scopes = scopes.into_iter().enumerate();
    KeyRequest {
        name,
        scopes: scopes
            .filter_map(|(index, number)| {
                scope(format_args!("scopes[{index}]"), number, violations)
            })
            .collect(),
        expires_in: read_seconds("expires_in", expires_in, violations),
        rate: non_empty(rate),
        cost: non_empty(cost),
    }
}

/// The number of a scope in messages, in which 0 is none.
fn number(scope: Scope) -> i32 {
    match scope {
        Scope::Read => pb::KeyScope::Read as i32,
        Scope::Write => pb::KeyScope::Write as i32,
        Scope::Admin => pb::KeyScope::Admin as i32,
    }
}

/// Reads the number of a scope. proto3 passes unknown numbers on, so they are checked here.
fn scope(field: impl fmt::Display, given: i32, violations: &mut Violations) -> Option<Scope> {
    let scope = Scope::all().find(|scope| number(*scope) == given);
    if scope.is_none() {
        let why = Reason::UnknownNumber {
            of: ("KeyScope", "KEY_SCOPE_UNSPECIFIED"),
            actual: given,
        };
        violations.push_with(|| Violation::new(field.to_string(), why));
    }
    scope
}

fn api_key(key: KeyInfo) -> Result<pb::ApiKey> {
    let KeyInfo {
        key_id,
        name,
        scopes,
        created_at,
        expires_at,
        revoked_at,
        last_used_at,
        rate,
        cost,
        created_by,
        revoked_by,
    } = key;
    let scopes = scopes.iter().map(|word| {
        Scope::from_word(word).map(number).ok_or_else(|| {
            Error::internal(format!("the database holds a key with the scope {word}"))
        })
    });
    Ok(pb::ApiKey {
        key_id,
        name,
        scopes: scopes.collect::<Result<_>>()?,
        created_at: Some(timestamp(created_at)),
        expires_at: expires_at.map(timestamp),
        revoked_at: revoked_at.map(timestamp),
        last_used_at: last_used_at.map(timestamp),
        rate: rate.unwrap_or_default(),
        cost: cost.unwrap_or_default(),
        created_by: created_by.unwrap_or_default(),
        revoked_by: revoked_by.unwrap_or_default(),
    })
}
