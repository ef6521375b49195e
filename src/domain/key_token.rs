//! Tokens of the list of a tenant's keys, which is in the order of their creation.
//!
//! ```text
//! version 5 | time of creation in microseconds 8 | key id | mac 16
//! ```
//!
//! in base64url, with the MAC of the tokens of [`page`](super::page); the version distinguishes them.

use chrono::{DateTime, Utc};

use super::{key::KeyId, page::TokenKey};
use crate::error::{Reason, Violation, Violations};

const VERSION: u8 = 5;
/// Longer than any of these: 74 bytes in base64, since a key's id has at most 49 characters.
const MAX_TOKEN_CHARS: usize = 120;

impl TokenKey {
    /// The token of the page behind the key with this id, which was created at this time.
    pub fn seal_key(&self, created_at: DateTime<Utc>, key_id: &str) -> String {
        let mut token = vec![VERSION];
        token.extend(created_at.timestamp_micros().to_be_bytes());
        token.extend(key_id.bytes());
        self.seal_bytes(token)
    }

    /// The time and id in a `page_token`. `None` for an empty one, which stands for the first page, and for one with a
    /// violation.
    pub fn open_key(
        &self,
        page_token: &str,
        violations: &mut Violations,
    ) -> Option<(DateTime<Utc>, KeyId)> {
        if page_token.is_empty() {
            return None;
        }
        self.try_open_key(page_token)
            .map_err(|why| violations.push(Violation::new("page_token", why)))
            .ok()
    }

    fn try_open_key(&self, token: &str) -> Result<(DateTime<Utc>, KeyId), Reason> {
        let bytes = self.open_bytes(token, MAX_TOKEN_CHARS)?;
        let body = bytes
            .strip_prefix(&[VERSION])
            .ok_or(Reason::TokenOfAnotherQuery { of: "query" })?;
        let opened = body.split_first_chunk().and_then(|(micros, id)| {
            let created_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
            Some((created_at, KeyId::parse(std::str::from_utf8(id).ok()?)?))
        });
        opened.ok_or(Reason::TokenDamaged)
    }
}
