//! The file of rejects: bad records in the format of the input, to be corrected and imported again. Records are written
//! unchanged, except that they are in UTF-8, and that cells of CSV that a spreadsheet would run as formulas get an apostrophe.

use std::path::{Path, PathBuf};

use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncWriteExt, BufWriter},
};

use super::{
    delimiter::Delimiter,
    format::{Compression, ImportFormat},
    source::Source,
};
use crate::{
    app::cell::guarded_row,
    error::{Error, ErrorKind, Result},
};

/// An open file of rejects. What it had before stays until the first record is bad or the import is complete: an import that
/// fails early leaves the rejects of the one before.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    file: BufWriter<File>,
    format: ImportFormat,
    /// What the file begins with.
    header: Option<Vec<u8>>,
    is_emptied: bool,
    delimiter: Delimiter,
    count: u64,
}

impl Rejects {
    /// Opens the file or creates it. BAD_USAGE if it is the input or has a compressed name.
    pub(super) async fn create(
        path: &Path,
        format: ImportFormat,
        source: Option<&Source>,
    ) -> Result<Self> {
        let refused = |why| {
            let what = format!("the rejects cannot go to {}: {why}", path.display());
            Error::new(ErrorKind::BadUsage, what)
        };
        // A reader would otherwise take the plain text for a compressed file.
        if Compression::of(path).is_some() {
            return Err(refused("rejects are not compressed, but the name says so"));
        }
        // Creating the file would empty the input.
        if let Some(Source::File(input)) = source
            && same(input, path).await
        {
            return Err(refused("it is the file being imported"));
        }
        // The rows of a workbook are written as CSV.
        let format = match format {
            ImportFormat::Workbook => ImportFormat::Csv,
            format => format,
        };
        let mut opening = OpenOptions::new();
        let file = opening.write(true).create(true).truncate(false).open(path);
        let file = file.await.map_err(|error| unwritable(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            format,
            header: None,
            is_emptied: false,
            delimiter: Delimiter::default(),
            count: 0,
        })
    }

    /// Stores what the file begins with, to be written before the first reject.
    pub(super) fn header(&mut self, (header, delimiter): (Vec<u8>, Delimiter)) {
        self.header = Some(header);
        self.delimiter = delimiter;
    }

    /// Adds a bad record.
    pub(super) async fn write(&mut self, raw: &[u8]) -> Result<()> {
        self.empty().await?;
        let mut text = Vec::with_capacity(raw.len() + 16);
        if let Some(mut header) = self.header.take() {
            text.append(&mut header);
        }
        match (self.format, self.count) {
            (ImportFormat::Json, 0) => text.extend_from_slice(b"{\"tasks\":[\n"),
            (ImportFormat::Json, _) => text.extend_from_slice(b",\n"),
            _ => {}
        }
        match self.format {
            ImportFormat::Csv => text.append(&mut guarded_row(raw, self.delimiter.byte())),
            _ => text.extend_from_slice(raw),
        }
        if self.format != ImportFormat::Json {
            text.push(b'\n');
        }
        self.count += 1;
        self.put(&text).await
    }

    /// Completes the file and syncs it, because the good records are committed next and the bad ones are only here.
    pub(super) async fn finish(mut self) -> Result<()> {
        self.empty().await?;
        if self.format == ImportFormat::Json && self.count > 0 {
            // The total is known only at the end, so it comes last.
            let end = format!("\n],\"total\":{}}}\n", self.count);
            self.put(end.as_bytes()).await?;
        }
        let failed = |error| unwritable(&self.path, error);
        self.file.flush().await.map_err(failed)?;
        let file = self.file.get_ref();
        // A pipe or a device such as /dev/stderr cannot be synced.
        if file.metadata().await.map_err(failed)?.is_file() {
            file.sync_all().await.map_err(failed)?;
        }
        Ok(())
    }

    /// Removes what the file had before. A pipe or a device has no length.
    async fn empty(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.is_emptied, true) {
            return Ok(());
        }
        let failed = |error| unwritable(&self.path, error);
        let file = self.file.get_ref();
        if file.metadata().await.map_err(failed)?.is_file() {
            file.set_len(0).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn put(&mut self, text: &[u8]) -> Result<()> {
        let written = self.file.write_all(text).await;
        written.map_err(|error| unwritable(&self.path, error))
    }
}

/// Whether both paths name the same file, also through links.
async fn same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (
        tokio::fs::metadata(one).await,
        tokio::fs::metadata(other).await,
    ) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

fn unwritable(path: &Path, error: std::io::Error) -> Error {
    let what = format!("the rejects cannot be written to {}", path.display());
    Error::new(ErrorKind::FailedPrecondition, what).caused_by(error)
}
