//! Tokens of lists whose order is one rising number: the targets of a task, its events.
//!
//! ```text
//! version 2 | query 8 | place 8 | mac 16
//! ```
//!
//! in base64url, with the checksum of the tokens of `page`; the version keeps the two apart.

use super::{fingerprint, page::TokenKey};
use crate::error::Reason;

const VERSION: u8 = 2;
/// Longer than any of these: 33 bytes in base64.
const MAX_TOKEN_CHARS: usize = 64;

impl TokenKey {
    /// The token of a place in the list that `query` describes.
    pub fn seal_place(&self, query: &[&str], place: i64) -> String {
        let mut token = vec![VERSION];
        token.extend(fingerprint::of_words(query));
        token.extend(place.to_be_bytes());
        self.seal_bytes(token)
    }

    /// The place that a token names.
    pub fn open_place(&self, token: &str, query: &[&str]) -> Result<i64, Reason> {
        let bytes = self.open_bytes(token, MAX_TOKEN_CHARS)?;
        let (head, place) = bytes.split_last_chunk().ok_or(Reason::TokenDamaged)?;
        let issued_for = head.strip_prefix(&[VERSION]);
        if issued_for != Some(&fingerprint::of_words(query)[..]) {
            return Err(Reason::TokenOfAnotherQuery {
                of: "query; all but limit must stay the same",
            });
        }
        Ok(i64::from_be_bytes(*place))
    }
}
