//! Notes whether connections are encrypted where TLS is optional, so that the log says when that changes.

use std::sync::{Mutex, PoisonError};

use crate::db::{address::Address, error::Failure};

/// Whether the last session at each address was encrypted.
#[derive(Debug, Default)]
pub(in crate::db) struct Encrypted(Mutex<Vec<(Address, bool)>>);

impl Encrypted {
    /// A session by TLS has begun.
    pub(in crate::db) fn by_tls(&self, address: &Address) {
        if self.note(address, true) == Some(false) {
            tracing::info!(%address, "connections to the database are encrypted again");
        }
    }

    /// A session has begun without TLS, because the server offers none. A server that never had any is not logged.
    pub(in crate::db) fn not_offered(&self, address: &Address) {
        if self.note(address, false) == Some(true) {
            tracing::warn!(
                %address,
                "the database does not offer TLS any more, so new connections to it are not encrypted; sslmode=require \
                never does without"
            );
        }
    }

    /// A session has begun without TLS after one with TLS has failed.
    pub(in crate::db) fn failed(&self, address: &Address, cause: &Failure) {
        if self.note(address, false) != Some(false) {
            tracing::warn!(
                %address,
                %cause,
                "TLS with the database failed, so connections to it are not encrypted; sslmode=require never does without"
            );
        }
    }

    /// The state before, if there was one.
    fn note(&self, address: &Address, is_encrypted: bool) -> Option<bool> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.iter_mut().find(|(of, _)| of == address) {
            Some((_, was)) => Some(std::mem::replace(was, is_encrypted)),
            None => {
                seen.push((address.clone(), is_encrypted));
                None
            }
        }
    }
}
