//! What an import reports: how the file was read, what was repaired, and what was loaded.

use std::borrow::Cow;

use super::{delimiter::Delimiter, encoding::Encoding};
use crate::db::Loaded;

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// The tasks and targets that were loaded.
    pub loaded: Loaded,
    /// Records left out because their id exists already.
    pub skipped: u64,
    /// Tasks or earlier records that were replaced.
    pub replaced: u64,
    /// Bad records.
    pub rejected: u64,
    /// Whether there is a file of rejects, which has all bad records.
    pub has_rejects: bool,
    /// Customers that a loaded task named more than once.
    pub repeated: u64,
    /// Results of calls that replaced tasks had and their new records do not have.
    pub dropped_results: u64,
    /// Of a dry run: why the import would load nothing.
    pub refusal: Option<String>,
    /// What was changed in the loaded tasks.
    pub repairs: Repairs,
    /// Why the counts were not compacted or the tables not vacuumed; the import is complete regardless.
    pub not_tidied: Option<String>,
}

/// How a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadAs {
    /// The encoding.
    pub encoding: Encoding,
    /// The probable encoding of a file that is neither UTF-8 nor GB18030, and was read as UTF-8.
    pub likely: Option<Encoding>,
    /// The sheet of a workbook, which has no encoding of its own.
    pub sheet: Option<String>,
    /// The delimiter of a CSV file.
    pub delimiter: Option<Delimiter>,
    /// Whether it is a lead list whose first row is a customer and no header.
    pub has_no_header: bool,
    /// Headers or JSON names that differ from the name of the field that they were read as, and those of labels.
    pub renamed: Vec<(String, Cow<'static, str>)>,
    /// Columns and JSON names that were left out.
    pub ignored: Vec<String>,
    /// Blank rows that were left out.
    pub blank_rows: u64,
}

/// Numbers of values that were changed or read in another form than our own. In our own files nothing is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Texts from which surrounding blanks were removed.
    pub trimmed: u64,
    /// Customer ids whose full-width digits became half-width.
    pub digits: u64,
    /// Cells whose customer ids had other separators than `;`.
    pub separators: u64,
    /// Rows that lacked their last cells.
    pub short_rows: u64,
    /// Numbers that were read as texts.
    pub numbers: u64,
    /// Status words that were read as ours.
    pub words: u64,
    /// Percentages that were texts or had a percent sign.
    pub percents: u64,
    /// Dates and times without a zone that were placed in the time zone.
    pub local_times: u64,
    /// Times that were numbers: of a spreadsheet, or since 1970.
    pub time_numbers: u64,
    /// Missing values that a default filled.
    pub defaults: u64,
}

impl Repairs {
    /// Adds those of a record.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            trimmed,
            digits,
            separators,
            short_rows,
            numbers,
            words,
            percents,
            local_times,
            time_numbers,
            defaults,
        } = other;
        self.trimmed += trimmed;
        self.digits += digits;
        self.separators += separators;
        self.short_rows += short_rows;
        self.numbers += numbers;
        self.words += words;
        self.percents += percents;
        self.local_times += local_times;
        self.time_numbers += time_numbers;
        self.defaults += defaults;
    }
}
