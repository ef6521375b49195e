//! The form of an exported file.

use std::path::Path;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use strum::{IntoStaticStr, VariantArray};

use crate::{
    app::{
        import::{Compression, ImportFormat},
        json::TimeFormat,
    },
    domain::time::{to_compact, to_local, to_rfc3339},
    error::{Reason, Violation, Violations},
};

/// The formats of an export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ExportFormat {
    /// One JSON object per line.
    #[default]
    Ndjson,
    /// A header with the names of the fields, then one row per task; customers are separated by semicolons.
    Csv,
    /// A workbook whose sheets have the rows of CSV.
    Xlsx,
}

impl ExportFormat {
    /// The format according to the file name without a compression suffix: `.csv`, `.xlsx`, else NDJSON. `None` for
    /// `.json` and other workbooks, which an import would read as such.
    pub fn of(path: &Path) -> Option<Self> {
        match ImportFormat::of(path) {
            ImportFormat::Csv => Some(Self::Csv),
            ImportFormat::Ndjson => Some(Self::Ndjson),
            ImportFormat::Workbook if is_xlsx(path) => Some(Self::Xlsx),
            ImportFormat::Json | ImportFormat::Workbook => None,
        }
    }
}

fn is_xlsx(path: &Path) -> bool {
    let plain = match Compression::of(path) {
        Some(_) => path.with_extension(""),
        None => path.to_owned(),
    };
    let extension = plain.extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"))
}

/// The forms of times in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum FileTimes {
    /// `2023-03-01T10:00:00Z`
    #[default]
    Rfc3339,
    /// `20230301T10:00:00Z`, as in the specification
    Compact,
    /// `2023-03-01 18:00:00`, in the time zone of the export
    Local,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileForm {
    /// The format.
    pub format: ExportFormat,
    /// The form of times. The times of a workbook are dates in `zone`, whatever this is.
    pub times: FileTimes,
    /// The time zone of local times and of the dates of a workbook.
    pub zone: Tz,
    /// Whether CSV begins with a byte order mark, by which Excel recognizes UTF-8.
    pub bom: bool,
}

impl FileForm {
    /// Adds a violation for each option that the format does not have.
    pub fn check(&self, violations: &mut Violations) {
        if self.bom && self.format != ExportFormat::Csv {
            let others = &["format=ndjson", "format=xlsx"];
            violations.push(Violation::new("bom", Reason::Excludes { others }));
        }
        if self.times == FileTimes::Local && self.format == ExportFormat::Ndjson {
            let others = &["format=ndjson"];
            violations.push(Violation::new("time_format", Reason::Excludes { others }));
        }
    }

    /// A time as text.
    pub(super) fn text(&self, at: DateTime<Utc>) -> String {
        match self.times {
            FileTimes::Rfc3339 => to_rfc3339(at),
            FileTimes::Compact => to_compact(at),
            FileTimes::Local => to_local(at, self.zone),
        }
    }

    /// The form of times in JSON, which has no local times.
    pub(super) fn json_times(&self) -> TimeFormat {
        match self.times {
            FileTimes::Rfc3339 | FileTimes::Local => TimeFormat::Rfc3339,
            FileTimes::Compact => TimeFormat::Compact,
        }
    }
}
