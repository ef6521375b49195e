//! The file that takes bad records, in the input's own format: once repaired it can be imported. They stand there as
//! they stood in the input, but for the apostrophes that keep a spreadsheet from running cells of CSV.

use std::path::{Path, PathBuf};

use tokio::{
    fs::File,
    io::{AsyncWriteExt, BufWriter},
};

use super::source::{Compression, ImportFormat, Source};
use crate::{
    app::cell::guarded_row,
    error::{Error, ErrorKind, Result},
};

/// An open file of rejects. It stays empty as long as no record is bad.
#[derive(Debug)]
pub(super) struct Rejects {
    path: PathBuf,
    file: BufWriter<File>,
    format: ImportFormat,
    header: Vec<u8>,
    count: u64,
}

impl Rejects {
    /// Makes the file, or empties the one that is there.
    pub(super) async fn create(path: &Path, format: ImportFormat, source: &Source) -> Result<Self> {
        let refused = |why| {
            let what = format!("the rejects cannot go to {}: {why}", path.display());
            Error::new(ErrorKind::InvalidArgument, what)
        };
        if Compression::of(path).is_some() {
            return Err(refused("they are not compressed, which the name says"));
        }
        if let Source::File(input) = source
            && same(input, path).await
        {
            return Err(refused("it is the file being imported"));
        }
        let file = File::create(path);
        let file = file.await.map_err(|error| unwritable(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            format,
            header: Vec::new(),
            count: 0,
        })
    }

    /// Keeps the input's header for the first reject.
    pub(super) fn header(&mut self, header: Vec<u8>) {
        self.header = header;
    }

    /// Adds a bad record.
    pub(super) async fn write(&mut self, raw: &[u8]) -> Result<()> {
        let mut text = Vec::with_capacity(raw.len() + 16);
        match (self.format, self.count) {
            (ImportFormat::Json, 0) => text.extend_from_slice(b"{\"tasks\":[\n"),
            (ImportFormat::Json, _) => text.extend_from_slice(b",\n"),
            (ImportFormat::Csv, 0) => {
                text.append(&mut self.header);
                text.push(b'\n');
            }
            _ => {}
        }
        match self.format {
            ImportFormat::Csv => text.append(&mut guarded_row(raw)),
            _ => text.extend_from_slice(raw),
        }
        if self.format != ImportFormat::Json {
            text.push(b'\n');
        }
        self.count += 1;
        self.put(&text).await
    }

    /// Ends the file and makes sure that it is stored: the good records are committed next, the bad ones live here.
    pub(super) async fn finish(mut self) -> Result<()> {
        if self.format == ImportFormat::Json && self.count > 0 {
            // How many there are is known only now, so `total` stands last.
            let end = format!("\n],\"total\":{}}}\n", self.count);
            self.put(end.as_bytes()).await?;
        }
        let failed = |error| unwritable(&self.path, error);
        self.file.flush().await.map_err(failed)?;
        let file = self.file.get_ref();
        if file.metadata().await.map_err(failed)?.is_file() {
            file.sync_all().await.map_err(failed)?;
        }
        Ok(())
    }

    async fn put(&mut self, text: &[u8]) -> Result<()> {
        let written = self.file.write_all(text).await;
        written.map_err(|error| unwritable(&self.path, error))
    }
}

/// True where both names mean one file, by whatever links.
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
