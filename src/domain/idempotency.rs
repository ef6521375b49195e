//! What lets a caller try a write again without doing it twice.

use sha2::{Digest, Sha256};

use super::limits::check_text;
use crate::error::Violations;

/// Most characters of an idempotency key.
const MAX_KEY_CHARS: usize = 128;

/// A caller's name for one write, and what the write is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's name for it, unique in the tenant for 24 hours.
    pub key: String,
    /// SHA-256 of the call and its message, by which another write under the same name is told.
    pub request_hash: [u8; 32],
}

impl Idempotency {
    /// The name and the hash of a call; `None` where the caller gave no name.
    pub fn new(key: String, call: &str, message: &[u8], faults: &mut Violations) -> Option<Self> {
        if key.is_empty() {
            return None;
        }
        check_text("idempotency_key", &key, MAX_KEY_CHARS, faults);
        let mut hash = Sha256::new();
        hash.update(call);
        hash.update([0]);
        hash.update(message);
        Some(Self {
            key,
            request_hash: hash.finalize().into(),
        })
    }
}
