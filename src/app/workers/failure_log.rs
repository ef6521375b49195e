//! Logs the failures of a worker, each once.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::error::{Error, Result};

/// A panic while the lock is held leaves the set valid, so poisoning is ignored.
pub(super) fn lock(log: &Mutex<FailureLog>) -> MutexGuard<'_, FailureLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers what failed, so that the log has one line for it and not one for each attempt.
#[derive(Default)]
pub(in crate::app) struct FailureLog(HashSet<String>);

impl FailureLog {
    /// Logs the result of an attempt. `what` describes the consequence of a failure.
    pub(super) fn note<T>(&mut self, whose: &str, done: &Result<T>, what: &str) {
        match done {
            Ok(_) => self.succeeded(whose),
            Err(error) => self.failed(whose, error, what),
        }
    }

    pub(super) fn failed(&mut self, whose: &str, error: &Error, what: &str) {
        // A state of the database is logged where it is detected.
        if !error.is_logged() && self.0.insert(whose.to_owned()) {
            tracing::warn!(
                tenant.id = whose,
                cause = error.internal_cause(),
                "{what}: {error}"
            );
        }
    }

    pub(super) fn succeeded(&mut self, whose: &str) {
        self.0.remove(whose);
    }
}
