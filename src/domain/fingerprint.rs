//! Short hashes that bind a token to the query that it was issued for.
//!
//! A hash is the first 8 bytes of SHA-256. What goes into it must not change: clients keep tokens of earlier releases.

use sha2::{Digest, Sha256};

/// A hash of a query.
pub(super) type Fingerprint = [u8; BYTES];

/// The length of a [`Fingerprint`].
pub(super) const BYTES: usize = 8;

/// The hash of a list that a few words describe: what it lists, of which task, how.
pub(super) fn of_words(words: &[&str]) -> Fingerprint {
    let mut hash = Hasher::default();
    for word in words {
        hash.add_text(word);
    }
    hash.finish()
}

/// Computes a [`Fingerprint`].
#[derive(Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds a text behind its length.
    pub(super) fn add_text(&mut self, text: &str) {
        self.add(&(text.len() as u64).to_be_bytes());
        self.add(text.as_bytes());
    }

    /// The hash of what was added.
    pub(super) fn finish(self) -> Fingerprint {
        let full: [u8; 32] = self.0.finalize().into();
        let (cut, _) = full.split_first_chunk().expect("32 bytes hold 8");
        *cut
    }
}
