//! The formats of imports and their compression, as file names tell them.

use std::path::Path;

/// The formats of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportFormat {
    /// One JSON object per line.
    Ndjson,
    /// A header with the names of the fields, then one row per task; customers are separated by semicolons.
    Csv,
    /// The documented response form, `{"total":…,"tasks":[…]}`, or a list.
    Json,
    /// A workbook of a spreadsheet program, of which one sheet is read like CSV.
    Workbook,
}

impl ImportFormat {
    /// The format according to the file name; NDJSON if the name does not tell it.
    pub fn of(path: &Path) -> Self {
        Self::named(path).unwrap_or(Self::Ndjson)
    }

    /// The format according to the file name without a compression suffix: `.csv`, `.json`, `.ndjson` or `.jsonl`, those
    /// of workbooks; `None` for any other.
    pub(super) fn named(path: &Path) -> Option<Self> {
        let plain = match Compression::of(path) {
            Some(_) => path.with_extension(""),
            None => path.to_owned(),
        };
        Some(match extension(&plain).as_str() {
            "csv" => Self::Csv,
            "json" => Self::Json,
            "ndjson" | "jsonl" => Self::Ndjson,
            "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => Self::Workbook,
            _ => return None,
        })
    }
}

/// The compression of a file according to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    pub(in crate::app) fn of(path: &Path) -> Option<Self> {
        match extension(path).as_str() {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The extension of a file name in lower case; empty if there is none.
fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_ascii_lowercase()
}
