//! Reads secrets from files, as orchestrators hand them to programs.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path};

use crate::pem_file;

/// Reads a text without its final line break, which editors and `echo` append. The file must be as
/// [`pem_file::read`] describes it.
pub fn read(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(pem_file::read(path)?);
    let text = text.map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(without_line_break(&text).to_owned())
}

/// A text without its final line break.
pub fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Why a file is not private, as the end of a sentence; `None` if it is. libpq's rule: the group may read a file that root
/// owns, because root hands secrets to the groups of services so.
pub fn exposed(path: &Path) -> Option<String> {
    // A file without metadata fails when it is read.
    let about = fs::metadata(path).ok()?;
    let (too_much, most) = match about.uid() {
        0 => (0o037, "0640"),
        _ => (0o077, "0600"),
    };
    (about.is_file() && about.mode() & too_much != 0).then(|| {
        let mode = about.mode() & 0o7777;
        format!("which others may read: its mode is {mode:04o}, and may be {most} or less")
    })
}
