//! The log lines of a worker's failures.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::error::{Error, Result};

/// Whoever panicked while it held the lock left a whole set behind.
pub(super) fn lock(log: &Mutex<FailureLog>) -> MutexGuard<'_, FailureLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells of a failure once, not at every try.
#[derive(Default)]
pub(in crate::app) struct FailureLog(HashSet<String>);

impl FailureLog {
    pub(super) fn note<T>(&mut self, whose: &str, done: &Result<T>, what: &str) {
        match done {
            Ok(_) => self.succeeded(whose),
            Err(error) => self.failed(whose, error, what),
        }
    }

    pub(super) fn failed(&mut self, whose: &str, error: &Error, what: &str) {
        // What state of the database it comes from is logged where it is met.
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
