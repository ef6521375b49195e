//! The temporary file of an export, `NAME.PID.part` beside the final file.
//!
//! Its export holds a lock on it (`flock`), which ends with the process however that ends. So a later export of the same name
//! can tell a file that a killed one left from a file that is being written, and removes it.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A temporary file that becomes the final file when it is complete.
pub(super) struct Temporary {
    path: PathBuf,
    whole: PathBuf,
    kept: File,
}

impl Temporary {
    /// Creates the temporary file of the final file `whole`, and locks it.
    pub(super) fn create(whole: PathBuf) -> io::Result<(File, Self)> {
        let mut name = whole.clone().into_os_string();
        name.push(format!(".{}.part", std::process::id()));
        let path = PathBuf::from(name);
        loop {
            let file = File::create(&path)?;
            // Some network file systems have no locks. There, nothing that is left over is removed either.
            let _ = file.lock();
            // Another export may have taken it for left over before it was locked.
            if fs::metadata(&path)
                .is_ok_and(|at| at.ino() == file.metadata().map_or(0, |m| m.ino()))
            {
                let kept = file.try_clone()?;
                return Ok((file, Self { path, whole, kept }));
            }
        }
    }

    /// Syncs the file and renames it.
    pub(super) fn put_in_place(self) -> io::Result<()> {
        self.kept.sync_all()?;
        fs::rename(&self.path, &self.whole)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After the rename there is no file with this name.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the temporary files that killed exports to `whole` have left. What cannot be removed stays.
pub(super) fn remove_left_over(whole: &Path) {
    let folder = match whole.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_temporary_of(whole.file_name(), &entry.file_name()) {
            remove_if_unlocked(&entry.path());
        }
    }
}

/// Whether this is the name of a temporary file of an export to `whole`.
fn is_temporary_of(whole: Option<&OsStr>, name: &OsStr) -> bool {
    let rest = whole.and_then(|whole| {
        name.as_encoded_bytes()
            .strip_prefix(whole.as_encoded_bytes())
    });
    let digits = rest
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(b".part"));
    digits.is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

fn remove_if_unlocked(path: &Path) {
    if let Ok(file) = File::open(path)
        && file.try_lock().is_ok()
        && let Err(error) = fs::remove_file(path)
    {
        tracing::warn!(%error, file = %path.display(), "a file that a killed export left cannot be removed");
    }
}
