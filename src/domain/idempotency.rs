//! Idempotency keys, by which a caller repeats a write without doing it twice.

use sha2::{Digest, Sha256};

use super::limits::check_text;
use crate::error::Violations;

/// Most characters of an idempotency key.
const MAX_KEY_CHARS: usize = 128;

/// An idempotency key as a transport parsed it.
#[derive(Debug, Clone, Default)]
pub struct IdempotencyKey {
    text: String,
    request_hash: [u8; 32],
}

/// A caller's key for one write, and which write it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, unique in the tenant for 24 hours.
    pub key: String,
    /// SHA-256 of the call and its message. The same key with another hash is another write.
    pub request_hash: [u8; 32],
}

impl IdempotencyKey {
    /// A key, empty for none, with the call and the message that it came with.
    pub fn new(text: String, call: &str, message: impl FnOnce() -> Vec<u8>) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let mut hash = Sha256::new();
        hash.update(call);
        hash.update([0]);
        hash.update(message());
        Self {
            text,
            request_hash: hash.finalize().into(),
        }
    }

    /// Checks the key's length and characters.
    pub fn check(&self, violations: &mut Violations) {
        check_key(&self.text, violations);
    }

    /// The key and its write; `None` where the caller gave no key.
    pub fn into_idempotency(self) -> Option<Idempotency> {
        let Self { text, request_hash } = self;
        (!text.is_empty()).then_some(Idempotency {
            key: text,
            request_hash,
        })
    }
}

/// Checks a key that may be empty.
pub fn check_key(key: &str, violations: &mut Violations) {
    if !key.is_empty() {
        check_text("idempotency_key", key, MAX_KEY_CHARS, violations);
    }
}
