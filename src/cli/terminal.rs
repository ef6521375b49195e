//! What every command shares: its output, and its failures.

use std::io::{self, Write};

use crate::error::{Error, ErrorKind, Result};

/// A failure of the environment, as a sentence for the operator.
pub(super) fn failed(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::FailedPrecondition, format!("{what}: {error}"))
}

/// Prints a line to standard output. A closed pipe is not an error: the reader has chosen to stop.
pub(super) fn print(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|error| failed("standard output", error)),
    }
}

/// Prints a line that must reach its reader. A closed pipe is an error.
pub(super) fn deliver(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| failed("standard output", error))
}

/// Prints a line to standard error. One that takes nothing, such as a file on a full disk, changes nothing about what the
/// command does or how it ends.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The same, with the name of the program before the line.
pub(super) fn note(line: &str) {
    say(&format!("outbound-tasks: {line}"));
}

/// The error of a check of arguments, as wrong usage.
pub(super) fn bad_usage(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidArgument => Error::new(ErrorKind::BadUsage, error.message()),
        _ => error,
    }
}
