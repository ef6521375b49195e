//! Selects the system user of the server, because PostgreSQL refuses to run as root.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::process::Command;

use super::error::EmbeddedError;

/// The cluster directory as a descriptor that the guard passes on. Opening it resolves no path, so the server's user
/// needs no permission on the parent directories: the cluster may be in root's home directory.
pub(super) const INHERITED_DIRECTORY: &str = "/proc/self/fd/4";

/// The system user that root runs the server as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// Selects the user; `None` for a non-root user, who runs the server himself. Root uses the owner of an existing
    /// cluster, because PostgreSQL must run as the owner.
    pub(super) async fn for_cluster(cluster: &Path) -> Result<Option<Account>, EmbeddedError> {
        let Some(own) = id(&["-u"]).await else {
            return Err(EmbeddedError::new(
                "the program `id` returned no user id: is it installed?",
            ));
        };
        // An ordinary user runs PostgreSQL without any of this.
        if own != 0 {
            return Ok(None);
        }
        if !Path::new("/proc/self/fd").exists() {
            return Err(EmbeddedError::new(
                "PostgreSQL refuses to run as root, and running it as another user needs Linux \
                 with /proc mounted: start outbound-tasks as an ordinary user",
            ));
        }
        if let Ok(found) = fs::metadata(cluster)
            && found.uid() != 0
        {
            return Ok(Some(Account {
                uid: found.uid(),
                gid: found.gid(),
            }));
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id(&["-u", name]).await, id(&["-g", name]).await) {
                return Ok(Some(Account { uid, gid }));
            }
        }
        Err(EmbeddedError::new(
            "PostgreSQL refuses to run as root, and this system has neither a user `postgres` nor \
             `nobody`: start outbound-tasks as an ordinary user",
        ))
    }
}

/// The `-D` argument of a server or initdb that a guard starts in `cluster`.
pub(super) fn data_dir_argument(account: Option<Account>, cluster: &Path) -> Vec<OsString> {
    let directory = match account {
        Some(_) => INHERITED_DIRECTORY.into(),
        None => cluster.as_os_str().to_owned(),
    };
    vec!["-D".into(), directory]
}

/// Runs the program `id`; `None` if it fails or prints no number.
async fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().await.ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
