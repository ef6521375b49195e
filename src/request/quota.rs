//! The `RateLimit` and `RateLimit-Policy` headers, which tell a caller its quotas and what is left of them.
//!
//! They follow the IETF draft draft-ietf-httpapi-ratelimit-headers-10. `RateLimit-Policy` lists all quotas of the key and
//! its tenant; `RateLimit` has the one of which the largest share is used. gRPC sends them as metadata of these names.

use std::fmt::{self, Write};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    domain::rate::Unit,
    quota::{Account, QuotaState},
};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds both headers to a response.
pub(super) fn add_headers(account: &Account, headers: &mut HeaderMap) {
    let Some(tightest) = account.tightest() else {
        return;
    };
    // Long enough for all four quotas, so that the text is allocated once.
    let mut policies = String::with_capacity(160);
    let mut left = String::with_capacity(48);
    let written =
        write_policies(account, &mut policies).and_then(|()| write_left(&tightest, &mut left));
    // Neither can fail: a String takes every text, and these texts are ASCII.
    if written.is_err() {
        return;
    }
    for (name, text) in [(RATE_LIMIT_POLICY, policies), (RATE_LIMIT, left)] {
        if let Ok(value) = HeaderValue::from_maybe_shared(axum::body::Bytes::from(text)) {
            headers.insert(name, value);
        }
    }
}

fn write_policies(account: &Account, out: &mut String) -> fmt::Result {
    for state in account.states() {
        if !out.is_empty() {
            out.push_str(", ");
        }
        let amount = state.quota.unit.shown(state.rate.amount());
        write!(out, "\"{}\";q={amount}", state.quota.name)?;
        if state.quota.unit == Unit::Cost {
            out.push_str(";qu=\"database-milliseconds\"");
        }
        write!(out, ";w={}", state.rate.window().as_secs())?;
    }
    Ok(())
}

fn write_left(state: &QuotaState, out: &mut String) -> fmt::Result {
    let left = state.quota.unit.shown(state.left);
    let seconds = state.full_in.as_millis().div_ceil(1000);
    write!(out, "\"{}\";r={left};t={seconds}", state.quota.name)
}
