//! The input of an import: file or standard input.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
};

use super::{
    chunks::Chunks,
    format::{Compression, ImportFormat},
    option_names::OptionNames,
    profile::Profile,
    progress::ImportProgress,
};
use crate::error::{Error, ErrorKind, Result};

/// The input of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file; decompressed if its name ends in `.gz` or `.zst`.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl Source {
    /// The input that a command names; `-` is standard input.
    pub fn of_argument(file: PathBuf) -> Self {
        match file.as_os_str() == "-" {
            true => Self::Stdin,
            false => Self::File(file),
        }
    }

    /// The name of the input in messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin => "standard input".to_owned(),
        }
    }

    /// The format according to the file name, else that of the profile, else NDJSON.
    pub fn format(&self, profile: Option<Profile>) -> ImportFormat {
        let named = match self {
            Self::File(path) => ImportFormat::named(path),
            Self::Stdin => None,
        };
        let format = named.or(profile.map(Profile::format));
        format.unwrap_or(ImportFormat::Ndjson)
    }

    /// What messages say about the input.
    pub(super) fn origin(&self) -> Origin {
        Origin {
            name: self.name(),
            compression: self.compression(),
        }
    }

    fn compression(&self) -> Option<Compression> {
        match self {
            Self::File(path) => Compression::of(path),
            Self::Stdin => None,
        }
    }

    /// Opens the input, and reports its size if it is a regular file. Blocks.
    pub fn open(&self, progress: &Arc<dyn ImportProgress>) -> Result<Box<dyn Read + Send>> {
        let Self::File(path) = self else {
            return Ok(Box::new(Counted(io::stdin(), Arc::clone(progress))));
        };
        let failed = |error| {
            let what = format!("{} cannot be read", self.name());
            Error::new(ErrorKind::InvalidArgument, what).caused_by(error)
        };
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        // A pipe has no size, so the bar shows only what was read.
        if about.is_file() {
            progress.size(about.len());
        }
        let file = Counted(file, Arc::clone(progress));
        Ok(match Compression::of(path) {
            None => Box::new(file),
            // Multi: `cat a.gz b.gz` is a valid file with two members.
            Some(Compression::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Some(Compression::Zstd) => {
                Box::new(zstd::stream::read::Decoder::new(file).map_err(failed)?)
            }
        })
    }
}

/// Where the bytes of an import come from.
pub(super) enum Input {
    Source(Source),
    Upload(Chunks),
}

impl Input {
    pub(super) fn origin(&self) -> Origin {
        match self {
            Self::Source(source) => source.origin(),
            Self::Upload(_) => Origin {
                name: "the file".to_owned(),
                compression: None,
            },
        }
    }

    /// What messages call the options.
    pub(super) fn option_names(&self) -> OptionNames {
        match self {
            Self::Source(_) => OptionNames::Flags,
            Self::Upload(_) => OptionNames::Fields,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        match self {
            Self::Source(_) => Limits::COMMAND,
            Self::Upload(_) => Limits::UPLOAD,
        }
    }

    /// Opens the input. Blocks.
    pub(super) fn open(self, progress: &Arc<dyn ImportProgress>) -> Result<Box<dyn Read + Send>> {
        match self {
            Self::Source(source) => source.open(progress),
            Self::Upload(chunks) => Ok(Box::new(Counted(chunks, Arc::clone(progress)))),
        }
    }
}

/// What messages say about an input.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// Its name.
    pub(super) name: String,
    pub(super) compression: Option<Compression>,
}

/// How much of an input may be in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The maximum length of a record in bytes, so that a binary file does not fill the memory.
    pub(super) record: usize,
    /// The maximum size of a workbook in MiB.
    pub(super) workbook_mib: u64,
    /// The maximum size of a workbook in MiB after decompression.
    pub(super) unpacked_mib: u64,
    /// The maximum memory of all cells of a sheet in MiB, with the empty ones between them. Only one row is in memory at a
    /// time, so this bounds the work.
    pub(super) sheet_mib: u64,
    /// Whether a workbook is not trusted: its size is measured by decompressing it instead of read from the archive, and
    /// formats whose memory cannot be limited are refused.
    pub(super) is_strict: bool,
}

impl Limits {
    /// Those of a command, which has its machine's memory to itself.
    pub(super) const COMMAND: Self = Self {
        record: 64 << 20,
        workbook_mib: 64,
        unpacked_mib: 512,
        sheet_mib: 8192,
        is_strict: false,
    };
    /// Those of a service, which reads files of several callers at a time.
    const UPLOAD: Self = Self {
        // Of one line of the shortest values there are, 160 MiB of memory.
        record: 4 << 20,
        workbook_mib: 8,
        unpacked_mib: 64,
        sheet_mib: 1024,
        is_strict: true,
    };

    pub(super) fn record_too_long(&self) -> String {
        format!("the record is longer than {} MiB", self.record >> 20)
    }
}

/// Reports how many bytes were read, as they are stored: of a compressed file, before they are decompressed.
struct Counted<R>(R, Arc<dyn ImportProgress>);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.read(count as u64);
        Ok(count)
    }
}
