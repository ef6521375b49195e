//! Reads certificates and keys from files, and writes the names in certificates.

use std::{
    fs::{FileType, Metadata, OpenOptions, metadata},
    io::{Error, Read, Result},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

/// The maximum size of a file, in bytes. The authorities of a whole system take some 250 KB.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file, which must be a regular one or a symbolic link to one, of at most 1 MiB. A FIFO or a device is an error:
/// it could block for ever, and could not be read again after a renewal. A regular file on a network file system that does
/// not answer still blocks.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    // Opening a device can have effects, so it is not opened at all.
    check(&metadata(path)?)?;
    // Something else may have replaced the file since. With O_NONBLOCK, opening a FIFO does not wait for its writer.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path)?;
    check(&file.metadata()?)?;
    let mut contents = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut contents)?;
    match contents.len() as u64 > MAX_BYTES {
        true => Err(too_large()),
        false => Ok(contents),
    }
}

fn check(metadata: &Metadata) -> Result<()> {
    let kind = metadata.file_type();
    if !kind.is_file() {
        let kind = name(kind);
        return Err(Error::other(format!("it is {kind}, not a regular file")));
    }
    match metadata.len() > MAX_BYTES {
        true => Err(too_large()),
        false => Ok(()),
    }
}

fn name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn too_large() -> Error {
    Error::other("it is larger than 1 MiB")
}

/// A name in a certificate, without the Rust type that rustls writes around it: `DnsName("a.example")`.
pub fn plain_name(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.map_or(name, |inner| inner.trim_matches('"'))
}
