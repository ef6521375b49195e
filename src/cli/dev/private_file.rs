//! Files of `dev` that other users must not read.

use std::{
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Replaces a file by one that only its owner can read. It is complete or unchanged, whenever the process ends.
pub(super) fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let part = file.with_added_extension("new");
    match std::fs::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()?;
    // If root starts `dev` on another user's directory, that user must be able to read the file at the next start.
    // A process that may not change the owner is not root, and then it owns the directory itself.
    let owner = std::fs::metadata(file.parent().unwrap_or(Path::new(".")))?;
    if owner.uid() != new.metadata()?.uid() {
        std::os::unix::fs::fchown(&new, Some(owner.uid()), Some(owner.gid()))?;
    }
    std::fs::rename(part, file)
}
