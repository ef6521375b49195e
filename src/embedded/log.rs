//! The server's log, which also provides the reasons of failures.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::account::INHERITED_DIRECTORY;
use super::error::{Cannot, EmbeddedError};

/// The server's log. The server and its guard hold a lock on it.
#[derive(Debug)]
pub(super) struct ServerLog {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl ServerLog {
    pub(super) fn open(data_dir: &Path) -> Result<ServerLog, EmbeddedError> {
        let path = data_dir.join("postgres.log");
        let mut options = File::options();
        options.create(true).append(true).mode(0o600);
        let file = options.open(&path).cannot("open", &path)?;
        Ok(ServerLog { path, file })
    }

    /// An error for a failed operation, with the reason from the log.
    pub(super) fn failure(&self, what: &str, cluster: &Path) -> EmbeddedError {
        let reason = self.last_complaint();
        let reason = reason.replace(INHERITED_DIRECTORY, &cluster.display().to_string());
        let log = self.path.display();
        EmbeddedError::new(format!("{what}: {reason} (its log is {log})"))
    }

    /// The log line that most likely explains why a program ended, without its timestamp.
    fn last_complaint(&self) -> String {
        let text = fs::read(&self.path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = || text.lines().rev().filter(|line| !line.trim().is_empty());
        let complaint = |line: &'_ str| {
            let marks = ["FATAL:", "PANIC:", "error:"];
            let start = marks.iter().find_map(|mark| line.find(mark))?;
            Some(line[start..].to_owned())
        };
        let complaint = lines().find_map(complaint);
        let any = || lines().next().map(str::to_owned);
        let reason = complaint.or_else(any);
        reason.unwrap_or_else(|| "it gave no reason".to_owned())
    }
}
