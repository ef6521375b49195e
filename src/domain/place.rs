//! Tokens of lists whose order is one rising number: the targets of a task, its events.
//!
//! ```text
//! version 2 | query 8 | place 8 | mac 16
//! ```
//!
//! in base64url, with the checksum of the tokens of `page`; the version keeps the two apart.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::page::{MAC_BYTES, TokenKey};

const VERSION: u8 = 2;
const QUERY_BYTES: usize = 8;
const TOKEN_BYTES: usize = 1 + QUERY_BYTES + 8 + MAC_BYTES;

impl TokenKey {
    /// The token of a place in the list that `query` describes.
    pub fn seal_place(&self, query: &[&str], place: i64) -> String {
        let mut token = vec![VERSION];
        token.extend(fingerprint(query));
        token.extend(place.to_be_bytes());
        let mac = self.mac(&token);
        token.extend(mac);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The place that a token names.
    pub fn open_place(&self, token: &str, query: &[&str]) -> Result<i64, &'static str> {
        const DAMAGED: &str = "is damaged, or was not issued to this tenant";
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| DAMAGED)?;
        let bytes: [u8; TOKEN_BYTES] = bytes.try_into().map_err(|_| DAMAGED)?;
        let (body, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(DAMAGED)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&self.mac(body)[..], &mac[..])) {
            return Err(DAMAGED);
        }
        let (head, place) = body.split_last_chunk().ok_or(DAMAGED)?;
        if head[0] != VERSION || head[1..] != fingerprint(query) {
            return Err("belongs to another query; all but limit must stay the same");
        }
        Ok(i64::from_be_bytes(*place))
    }
}

fn fingerprint(query: &[&str]) -> [u8; QUERY_BYTES] {
    let mut hash = Sha256::new();
    for part in query {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let full: [u8; 32] = hash.finalize().into();
    let (cut, _) = full.split_first_chunk().expect("32 bytes hold 8");
    *cut
}
