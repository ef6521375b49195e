//! Tokens of lists in the order of one rising number: the targets of a task by position, its events by id.
//!
//! ```text
//! version 2 | query 8 | number 8 | mac 16
//! ```
//!
//! in base64url, with the MAC of the tokens of `page`; the version distinguishes the two.

use super::{fingerprint, page::TokenKey};
use crate::error::{Reason, Violation, Violations};

const VERSION: u8 = 2;
/// Longer than any of these: 33 bytes in base64.
const MAX_TOKEN_CHARS: usize = 64;

impl TokenKey {
    /// The token of the page behind the row `number`, in the list that `query` describes.
    pub fn seal_number(&self, query: &[&str], number: i64) -> String {
        let mut token = vec![VERSION];
        token.extend(fingerprint::of_words(query));
        token.extend(number.to_be_bytes());
        self.seal_bytes(token)
    }

    /// The number in a `page_token`. `None` for an empty one, which stands for the first page, and
    /// for one with a violation.
    pub fn open_number(
        &self,
        page_token: &str,
        query: &[&str],
        violations: &mut Violations,
    ) -> Option<i64> {
        if page_token.is_empty() {
            return None;
        }
        self.try_open_number(page_token, query)
            .map_err(|why| violations.push(Violation::new("page_token", why)))
            .ok()
    }

    fn try_open_number(&self, token: &str, query: &[&str]) -> Result<i64, Reason> {
        let bytes = self.open_bytes(token, MAX_TOKEN_CHARS)?;
        let (head, number) = bytes.split_last_chunk().ok_or(Reason::TokenDamaged)?;
        let issued_for = head.strip_prefix(&[VERSION]);
        if issued_for != Some(&fingerprint::of_words(query)[..]) {
            return Err(Reason::TokenOfAnotherQuery {
                of: "query; all but limit must stay the same",
            });
        }
        Ok(i64::from_be_bytes(*number))
    }
}
