//! Which part of a list: a page by number, or what follows a token.
//!
//! A token is a versioned struct in base64url:
//!
//! ```text
//! version 1 | query 8 | sort value (its kind follows from the order) | task_id | mac 16
//! ```
//!
//! `query` is a fingerprint of filter and order. `mac` is HMAC-SHA-256 over everything before it, cut to 16 bytes, with
//! a key of the tenant. So the service detects a damaged or forged token, one of another tenant, and one of another
//! query. A token gives no right to anything: the caller's key does.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    fields::{OrderBy, SortKind},
    filter::TaskFilter,
    fingerprint,
    order::{SortValue, TaskOrder},
};
use crate::error::Reason;

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
/// Longer than any token: a name of 256 and an id of 128 characters of four bytes each, in base64, come to 2,085.
const MAX_TOKEN_CHARS: usize = 2_200;

/// A position in a list: right after the task with these values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// The task's value of the field that orders the list.
    pub value: SortValue,
    /// The task's id.
    pub task_id: String,
}

/// Cuts `rows`, which were read with one row more than `limit`, to the page. Returns the token of
/// the next page, which `seal` makes from the last row of this one; empty on the last page.
pub fn cut<T>(rows: &mut Vec<T>, limit: i64, seal: impl FnOnce(&T) -> String) -> String {
    let limit = limit as usize; // 1 to 1000
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    rows.last()
        .filter(|_| is_more)
        .map(seal)
        .unwrap_or_default()
}

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Start {
    /// After this many tasks.
    Offset(i64),
    /// Right after this position.
    After(Position),
}

/// The tenant's key for the tokens' checksum.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenKey([u8; 32]);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// The key as the database holds it; `None` where it is not 32 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The token of `position` in the list of `filter` and `order`.
    pub fn seal(&self, filter: &TaskFilter, order: TaskOrder, position: &Position) -> String {
        let mut token = vec![VERSION];
        token.extend(filter.fingerprint(order));
        match &position.value {
            SortValue::Time(t) => token.extend(t.timestamp_micros().to_be_bytes()),
            SortValue::Number(p) => token.extend(p.to_be_bytes()),
            SortValue::Text(name) => {
                // A name has at most 256 characters, so at most 1,024 bytes.
                token.extend((name.len() as u16).to_be_bytes());
                token.extend(name.bytes());
            }
            SortValue::TaskId => {}
        }
        token.extend(position.task_id.bytes());
        self.seal_bytes(token)
    }

    /// Opens a token. `query` is the filter and order that it must belong to. It is `None` if these have violations:
    /// then only the token's version and checksum are checked.
    pub fn open(
        &self,
        token: &str,
        query: Option<(&TaskFilter, TaskOrder)>,
    ) -> Result<Option<Position>, Reason> {
        let bytes = self.open_bytes(token, MAX_TOKEN_CHARS)?;
        let body = bytes.strip_prefix(&[VERSION]).ok_or(Reason::TokenVersion {
            advice: "is of another version; start again without it",
        })?;
        let (issued_for, rest) = body
            .split_first_chunk::<{ fingerprint::BYTES }>()
            .ok_or(Reason::TokenDamaged)?;
        let Some((filter, order)) = query else {
            return Ok(None);
        };
        if *issued_for != filter.fingerprint(order) {
            return Err(Reason::TokenOfAnotherQuery {
                of: "query; filter and order must stay the same from page to page",
            });
        }
        decode(order.by, rest).map(Some).ok_or(Reason::TokenDamaged)
    }

    /// Bytes as a token, behind which stands their checksum.
    pub(super) fn seal_bytes(&self, mut bytes: Vec<u8>) -> String {
        let mac = self.mac(&bytes);
        bytes.extend(mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The bytes of a token that is one of ours, of whatever version.
    pub(super) fn open_bytes(&self, token: &str, most: usize) -> Result<Vec<u8>, Reason> {
        if token.len() > most {
            return Err(Reason::TokenDamaged);
        }
        let mut bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| Reason::TokenDamaged)?;
        let (body, mac) = bytes
            .split_last_chunk::<MAC_BYTES>()
            .ok_or(Reason::TokenDamaged)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&self.mac(body)[..], &mac[..])) {
            return Err(Reason::TokenDamaged);
        }
        bytes.truncate(body.len());
        Ok(bytes)
    }

    fn mac(&self, body: &[u8]) -> [u8; MAC_BYTES] {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        hmac.update(body);
        let full: [u8; 32] = hmac.finalize().into_bytes().into();
        let (cut, _) = full.split_first_chunk().expect("32 bytes hold 16");
        *cut
    }
}

fn decode(by: OrderBy, bytes: &[u8]) -> Option<Position> {
    let (value, id) = match by.kind() {
        SortKind::TaskId => (SortValue::TaskId, bytes),
        SortKind::Number => {
            let (number, id) = bytes.split_first_chunk()?;
            (SortValue::Number(i16::from_be_bytes(*number)), id)
        }
        SortKind::Text => {
            let (length, rest) = bytes.split_first_chunk()?;
            let (name, id) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
            (SortValue::Text(String::from_utf8(name.to_vec()).ok()?), id)
        }
        SortKind::Time => {
            let (micros, id) = bytes.split_first_chunk()?;
            let time = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
            (SortValue::Time(time), id)
        }
    };
    let task_id = String::from_utf8(id.to_vec()).ok()?;
    Some(Position { value, task_id })
}
