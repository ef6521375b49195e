//! The errors of the private PostgreSQL.

use std::fmt;
use std::io;
use std::path::Path;

/// Why the private PostgreSQL could not be started or stopped, as a sentence for the user.
#[derive(Debug)]
pub struct EmbeddedError(String);

impl EmbeddedError {
    pub(super) fn new(sentence: impl Into<String>) -> EmbeddedError {
        EmbeddedError(sentence.into())
    }
}

impl fmt::Display for EmbeddedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EmbeddedError {}

/// Converts an I/O error to `cannot <what> <path>: <reason>`.
pub(super) trait Cannot<T> {
    fn cannot(self, what: &str, path: &Path) -> Result<T, EmbeddedError>;
}

impl<T> Cannot<T> for io::Result<T> {
    fn cannot(self, what: &str, path: &Path) -> Result<T, EmbeddedError> {
        self.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    ": start outbound-tasks as its owner or choose another --data-dir"
                }
                _ => "",
            };
            EmbeddedError::new(format!("cannot {what} {}: {error}{hint}", path.display()))
        })
    }
}
