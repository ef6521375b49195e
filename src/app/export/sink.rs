//! The output of an export: a file that is either complete or absent, or standard output. The file name decides about
//! compression.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use flate2::write::GzEncoder;

use super::temporary::{self, Temporary};
use crate::{
    app::import::Compression,
    error::{Error, ErrorKind, Result},
};

/// The output of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// A file; compressed if its name ends in `.gz` or `.zst`.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

impl Sink {
    /// The name of the output in messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdout => "standard output".to_owned(),
        }
    }

    /// Opens the output. Blocks.
    pub(super) fn open(&self) -> Result<Output> {
        let Self::File(path) = self else {
            return Ok(Output {
                writer: Packed::Plain(BufWriter::new(Box::new(io::stdout()))),
                part: None,
                name: self.name(),
            });
        };
        let failed = |error| unwritable(&self.name(), error);
        // The target of a symbolic link is replaced, not the link.
        let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
        let (file, part) = match std::fs::metadata(&whole) {
            Ok(about) if !about.is_file() => {
                // A pipe or a device cannot be renamed afterwards, so it is written directly.
                let file = File::options().write(true).open(&whole);
                (file.map_err(failed)?, None)
            }
            _ => {
                temporary::remove_left_over(&whole);
                let (file, part) = Temporary::create(whole).map_err(failed)?;
                (file, Some(part))
            }
        };
        let file: Box<dyn Write + Send> = Box::new(file);
        let writer = match Compression::of(path) {
            None => Packed::Plain(BufWriter::new(file)),
            Some(Compression::Gzip) => Packed::Gzip(GzEncoder::new(file, Default::default())),
            Some(Compression::Zstd) => {
                Packed::Zstd(zstd::stream::write::Encoder::new(file, 0).map_err(failed)?)
            }
        };
        Ok(Output {
            writer,
            part,
            name: self.name(),
        })
    }
}

/// An open output. If it is dropped before [`Output::finish`], no file remains.
pub(super) struct Output {
    writer: Packed,
    part: Option<Temporary>,
    name: String,
}

type Plain = Box<dyn Write + Send>;

/// The writer with its compression.
enum Packed {
    Plain(BufWriter<Plain>),
    Gzip(GzEncoder<Plain>),
    Zstd(zstd::stream::write::Encoder<'static, Plain>),
}

impl Output {
    /// Writes `bytes`. Blocks.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.writer {
            Packed::Plain(writer) => writer.write_all(bytes),
            Packed::Gzip(writer) => writer.write_all(bytes),
            Packed::Zstd(writer) => writer.write_all(bytes),
        };
        written.map_err(|error| unwritable(&self.name, error))
    }

    /// Completes the output and renames the file to its final name. Blocks.
    pub(super) fn finish(self) -> Result<()> {
        let Self { writer, part, name } = self;
        let ended = match writer {
            Packed::Plain(mut writer) => writer.flush(),
            Packed::Gzip(writer) => writer.finish().map(drop),
            Packed::Zstd(writer) => writer.finish().map(drop),
        };
        ended
            .and_then(|()| part.map_or(Ok(()), |part| part.put_in_place()))
            .map_err(|error| unwritable(&name, error))
    }
}

fn unwritable(name: &str, error: io::Error) -> Error {
    let what = format!("the export cannot be written to {name}");
    Error::new(ErrorKind::FailedPrecondition, what).caused_by(error)
}
