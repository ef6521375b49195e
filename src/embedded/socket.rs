//! The path of the server's socket.

use std::fs::DirBuilder;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::{DirBuilderExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::account::Account;
use super::error::{Cannot, EmbeddedError};
use super::guard::LINK_NAME;
use super::settings::SOCKET_FILE;

/// The longest socket path in bytes that all systems accept: Linux allows 107, macOS and the BSDs 103.
const LONGEST_SOCKET_PATH: usize = 103;

/// The directory of the socket for clients. If the cluster's path is unsuitable for clients, this is a symbolic link in
/// a new temporary directory, which is returned too.
pub(super) fn directory(
    cluster: &Path,
    account: Option<Account>,
) -> Result<(PathBuf, Option<PathBuf>), EmbeddedError> {
    if suits_clients(cluster) {
        return Ok((cluster.to_owned(), None));
    }
    let temp = [std::env::temp_dir(), "/tmp".into()]
        .into_iter()
        .find(|dir| dir.is_absolute() && suits_clients(&link_in(dir).1));
    let temp = temp.unwrap_or_else(|| "/tmp".into());
    let (dir, link) = link_in(&temp);
    // mkdir fails if the name exists, so nobody else can have created this directory. With mode 0700 in a sticky
    // temporary directory, nobody else can change or replace it later.
    let made = DirBuilder::new().mode(0o700).create(&dir);
    made.cannot("create", &dir)?;
    symlink(cluster, &link).cannot("create", &link)?;
    if let Some(account) = account {
        // The guard runs as the server's user and deletes the directory if the owner is killed.
        let owned = chown(&dir, Some(account.uid), Some(account.gid));
        owned.cannot("change the owner of", &dir)?;
    }
    Ok((link, Some(dir)))
}

/// Whether libpq and tokio-postgres accept this directory.
fn suits_clients(dir: &Path) -> bool {
    let path = dir.as_os_str().as_encoded_bytes();
    // Clients read a comma as the end of a host name.
    path.len() + 1 + SOCKET_FILE.len() <= LONGEST_SOCKET_PATH && !path.contains(&b',')
}

fn link_in(temp: &Path) -> (PathBuf, PathBuf) {
    let random = RandomState::new().build_hasher().finish();
    let dir = temp.join(format!("outbound-tasks-{random:016x}"));
    let link = dir.join(LINK_NAME);
    (dir, link)
}
