//! `GET /api/v1/quota`.

use axum::{
    Extension,
    extract::{RawQuery, State},
    response::Response,
};
use serde::Serialize;

use super::{json, outbound_tasks::Lists, query::Query};
use crate::{
    app::{Caller, QuotaReport},
    domain::rate::Unit,
    error::{Error, Result},
};

#[derive(Serialize)]
struct Quotas {
    quotas: Vec<Quota>,
    key_name: String,
}

#[derive(Serialize)]
struct Quota {
    name: &'static str,
    unit: &'static str,
    limit: i32,
    window_seconds: i32,
    remaining: i32,
    reset_seconds: i32,
}

impl From<QuotaReport> for Quota {
    fn from(quota: QuotaReport) -> Self {
        Self {
            name: quota.name,
            unit: match quota.unit {
                Unit::Calls => "calls",
                Unit::Cost => "database_milliseconds",
            },
            limit: quota.limit,
            window_seconds: quota.window_seconds,
            remaining: quota.remaining,
            reset_seconds: quota.reset_seconds,
        }
    }
}

/// Handles `GET /api/v1/quota`. It has no parameters of its own.
pub(super) async fn get(
    State(lists): State<Lists>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response> {
    let violations = Query::parse(query.as_deref().unwrap_or_default()).into_violations();
    if !violations.is_empty() {
        return Err(Error::invalid(violations));
    }
    let quotas = lists.app.quota_list(&caller).into_iter();
    Ok(json::response(&Quotas {
        quotas: quotas.map(Quota::from).collect(),
        key_name: lists.app.key_name(&caller).await?,
    }))
}
