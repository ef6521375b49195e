//! Idempotency keys, by which a caller repeats a write without doing it twice.
//!
//! For 24 hours a key stands for one write. Two hashes say which one:
//!
//! - The command hash covers the checked write, whatever transport it came by. Services compare this one.
//! - The request hash covers the bytes of the gRPC message. Services from before the command hash
//!   know no other, and may run beside this one while they are replaced. So a write by gRPC stores
//!   both, and their rows are compared by the request hash.
//!
//! An older service that takes an expired key over replaces the request hash alone. So the command
//! hash is stored as SHA-256 over itself and the request hash: beside another request hash it
//! matches no write.

use sha2::{Digest, Sha256};

use super::limits::check_text;
use crate::error::Violations;

/// Most characters of an idempotency key.
const MAX_KEY_CHARS: usize = 128;

/// SHA-256 of a write.
pub type Hash = [u8; 32];

/// An idempotency key as a transport parsed it.
#[derive(Debug, Clone, Default)]
pub struct IdempotencyKey {
    text: String,
    request_hash: Option<Hash>,
}

/// A caller's key for one write, and which write it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, unique in the tenant for 24 hours.
    pub key: String,
    command_hash: Hash,
    request_hash: Hash,
}

impl IdempotencyKey {
    /// A key; empty for none.
    pub fn new(text: String) -> Self {
        Self {
            text,
            request_hash: None,
        }
    }

    /// The same with what services from before the command hash compare: the call's word and the gRPC message.
    pub fn with_request(text: String, call: &str, message: impl FnOnce() -> Vec<u8>) -> Self {
        let mut key = Self::new(text);
        if !key.is_empty() {
            let mut hash = Sha256::new();
            hash.update(call);
            hash.update([0]);
            hash.update(message());
            key.request_hash = Some(hash.finalize().into());
        }
        key
    }

    /// Whether the caller gave no key.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Checks the key's length and characters.
    pub fn check(&self, violations: &mut Violations) {
        check_key(&self.text, violations);
    }
}

impl Idempotency {
    /// The key of a write with this command hash.
    pub fn new(key: IdempotencyKey, command_hash: Hash) -> Self {
        let IdempotencyKey { text, request_hash } = key;
        Self {
            key: text,
            command_hash,
            // Without a message of its own: no older service serves such a transport.
            request_hash: request_hash.unwrap_or(command_hash),
        }
    }

    /// The request hash to store.
    pub fn request_hash(&self) -> &Hash {
        &self.request_hash
    }

    /// The command hash to store beside it.
    pub fn command_hash(&self) -> Hash {
        self.bound_to(&self.request_hash)
    }

    /// Whether the hashes stored with the key are of this write. An older service stored no command hash.
    pub fn is_of(&self, request_hash: &[u8], command_hash: Option<&[u8]>) -> bool {
        request_hash == self.request_hash || command_hash == Some(&self.bound_to(request_hash)[..])
    }

    fn bound_to(&self, request_hash: &[u8]) -> Hash {
        let mut hash = Sha256::new();
        hash.update(self.command_hash);
        hash.update(request_hash);
        hash.finalize().into()
    }
}

/// Checks a key that may be empty.
pub fn check_key(key: &str, violations: &mut Violations) {
    if !key.is_empty() {
        check_text("idempotency_key", key, MAX_KEY_CHARS, violations);
    }
}
