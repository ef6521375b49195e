//! What every command shares: its output, and its failures.

use std::io::Write;

use crate::error::{Error, ErrorKind, Result};

/// A failure of the environment, as a sentence for the operator.
pub(super) fn failed(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::FailedPrecondition, format!("{what}: {error}"))
}

/// Prints a line to standard output. A closed pipe is not an error: the reader has chosen to stop.
pub(super) fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(failed("standard output", error))
        }
        _ => Ok(()),
    }
}

/// The error of a check of arguments, as wrong usage.
pub(super) fn bad_usage(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidArgument => Error::new(ErrorKind::BadUsage, error.message()),
        _ => error,
    }
}
