//! Creates a cluster, and reads its version and status.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;

use super::account::{self, Account};
use super::error::{Cannot, EmbeddedError};
use super::guard::{Cleanup, Guard};
use super::log::ServerLog;
use super::programs::Programs;
use super::settings::{Durability, SUPERUSER};

/// The PostgreSQL version of the cluster; `None` if there is no cluster yet.
pub(super) fn version(cluster: &Path) -> Result<Option<u32>, EmbeddedError> {
    // A cluster is renamed to its final name when it is complete, so a missing file means damage.
    if !cluster.try_exists().cannot("access", cluster)? {
        return Ok(None);
    }
    let path = cluster.join("PG_VERSION");
    let text = fs::read_to_string(&path).cannot("read", &path)?;
    match text.trim().parse() {
        Ok(version) => Ok(Some(version)),
        Err(_) => Err(EmbeddedError::new(format!(
            "{} does not name a PostgreSQL version: the database is damaged, choose another \
             --data-dir",
            path.display()
        ))),
    }
}

/// Runs initdb in a temporary directory, so that an incomplete cluster never has the final name.
pub(super) async fn create(
    programs: &Programs,
    account: Option<Account>,
    fresh: &Path,
    log: &ServerLog,
    durability: Durability,
) -> Result<(), EmbeddedError> {
    tracing::info!(cluster = %fresh.display(), "creating the database");
    let made = DirBuilder::new().mode(0o700).create(fresh);
    made.cannot("create", fresh)?;
    if let Some(account) = account {
        let owned = chown(fresh, Some(account.uid), Some(account.gid));
        owned.cannot("change the owner of", fresh)?;
    }
    let mut arguments = account::data_dir_argument(account, fresh);
    arguments.extend(
        [
            "--username",
            SUPERUSER,
            // No password: the socket's directory is private to its owner.
            "--auth=trust",
            "--encoding=UTF8",
            // The schema names the collations that it needs, so the data do not depend on the
            // system's locales.
            "--locale=C",
            "--no-instructions",
        ]
        .map(OsString::from),
    );
    if durability == Durability::Throwaway {
        // The tests throw the cluster away, and waiting for the disk would slow them down.
        arguments.push("--no-sync".into());
    }
    let initdb = programs.path("initdb");
    let nothing = Cleanup::default();
    let mut guard = Guard::spawn(&initdb, arguments, fresh, account, &log.file, &nothing).await?;
    guard.ended().await;
    if guard.finish().await?.success() {
        return Ok(());
    }
    let failure = log.failure("initdb could not create the database", fresh);
    remove_tree(fresh)?;
    Err(failure)
}

/// The lines of `postmaster.pid`; empty if the file is missing.
pub(super) fn status(cluster: &Path) -> Vec<String> {
    // The file contains the path of the directory, which need not be UTF-8.
    let text = fs::read(cluster.join("postmaster.pid")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// The process id of the postmaster according to `lines`.
pub(super) fn recorded_pid(lines: &[String]) -> Option<u32> {
    lines.first()?.parse().ok()
}

pub(super) fn remove_tree(path: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).cannot("remove", path),
        _ => Ok(()),
    }
}
