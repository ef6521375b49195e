//! What the failure of an import means.

use std::sync::Arc;

use tokio_postgres::error::SqlState;

use super::error::{DbError, FirstError, Reports};
use crate::error::Error;

/// What a failed statement of an import means. `errors`: those of its connection. A COPY that the server ends early fails
/// in the driver as a closed connection, without the server's error.
pub(super) fn failed(
    reports: &Arc<Reports>,
    errors: &FirstError,
    error: tokio_postgres::Error,
) -> Error {
    let code = errors.take();
    // Existing ids were sorted out before, so only a concurrent writer can cause this. The tasks are loaded first, and
    // their ids are all that other writers can have taken.
    let is_taken = error.code().or(code.as_ref()) == Some(&SqlState::UNIQUE_VIOLATION);
    let error = DbError::of_driver(error, code, reports);
    match is_taken {
        true => Error::task_ids_taken_meanwhile(&[]).caused_by(error.into_cause()),
        false => error.into(),
    }
}
