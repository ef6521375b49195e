//! Writes tasks as a workbook (`.xlsx`, ECMA-376) while they are read: a zip archive whose parts come one after the
//! other, so neither a temporary file nor more than a batch in memory is needed.
//!
//! Ids, names and customer ids are cells of text, which no spreadsheet changes or runs as a formula. A text that looks like a
//! guarded cell of CSV is guarded, because CSV that a spreadsheet saved as a workbook keeps its guards, and an import reads
//! both alike. Times are dates, numbers are numbers. A sheet that is full is followed by another one.

use std::{
    fmt::{self, Write as _},
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use chrono_tz::Tz;
use zip::{
    ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use super::{
    csv::{RESULTS, check_separator},
    parts,
    record::{json_text, labels_text, results_json},
};
use crate::{
    app::{cell::kept, sheet_date::serial},
    domain::{
        export::ExportedTask,
        fields::{FieldValue, TaskFields},
        time::to_rfc3339,
        words::Word,
    },
    error::{Error, ErrorKind, Result},
};

/// The rows of a sheet.
const MAX_ROWS: u32 = 1_048_576;
/// A part of 4 GiB needs another form of zip archive, which Excel does not read. A row is far smaller than the rest.
const MAX_SHEET_BYTES: u64 = 3 << 30;
/// The characters of a cell, counted in UTF-16.
const MAX_CELL: usize = 32_767;
/// The letters of the columns: the fields of an export, and the results.
const COLUMNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The styles of cells, by their numbers in `parts::STYLES`.
const TEXT: u8 = 1;
const DATE: u8 = 2;

/// A workbook that is being written.
pub(super) struct Workbook {
    zip: ZipWriter<StreamWriter<Buffer>>,
    buffer: Buffer,
    zone: Tz,
    /// Whether a last column contains the call results of the targets.
    results: bool,
    /// The number of sheets, including the one that is being written.
    sheets: u32,
    /// The rows and bytes of that sheet.
    rows: u32,
    bytes: u64,
    max_rows: u32,
    /// The XML of one row.
    xml: String,
}

impl Workbook {
    /// Starts a workbook whose dates are in `zone`, up to the header of its first sheet.
    pub(super) fn new(zone: Tz, results: bool) -> Result<Self> {
        Self::with_rows(zone, results, MAX_ROWS)
    }

    fn with_rows(zone: Tz, results: bool, max_rows: u32) -> Result<Self> {
        let buffer = Buffer::default();
        let mut workbook = Self {
            zip: ZipWriter::new_stream(buffer.clone()),
            buffer,
            zone,
            results,
            sheets: 0,
            rows: 0,
            bytes: 0,
            max_rows,
            xml: String::new(),
        };
        workbook.part("_rels/.rels", parts::RELATIONSHIPS)?;
        workbook.part("xl/styles.xml", parts::STYLES)?;
        workbook.sheet()?;
        Ok(workbook)
    }

    /// Takes the bytes that are ready.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.buffer.take()
    }

    /// Writes the row of a task. FAILED_PRECONDITION if a customer id contains the separator of the targets, or if a
    /// text is longer than a cell.
    pub(super) fn row(&mut self, exported: &ExportedTask) -> Result<()> {
        check_separator(exported)?;
        if self.rows == self.max_rows || self.bytes > MAX_SHEET_BYTES {
            self.write(parts::SHEET_END)?;
            self.sheet()?;
        }
        let ExportedTask { task, results } = exported;
        let too_long = |field: &str, length: usize| {
            let task_id = &task.task_id;
            let what = format!(
                "the {field} of task {task_id:?} has {length} characters, and a cell of a workbook holds {MAX_CELL}; \
                export as csv or ndjson"
            );
            Error::new(ErrorKind::FailedPrecondition, what)
        };
        self.begin_row();
        for (column, field) in TaskFields::EXPORTED.iter().enumerate() {
            let text = |workbook: &mut Self, text: &str| {
                let cell = workbook.text(column, text);
                cell.map_err(|length| too_long(field.word(), length))
            };
            match task.value(field) {
                FieldValue::Word(word) => text(self, &word)?,
                FieldValue::Words(words) => text(self, &words.join(";"))?,
                FieldValue::Text(value) => text(self, value)?,
                FieldValue::Ids(ids) => text(self, &ids.join(";"))?,
                FieldValue::Counts(counts) => text(self, &json_text(&counts))?,
                FieldValue::Labels(labels) => text(self, &labels_text(&labels))?,
                FieldValue::Absent => {}
                FieldValue::Time(at) => match serial(at, self.zone) {
                    Some(serial) => self.number(column, DATE, serial),
                    None => text(self, &to_rfc3339(at))?,
                },
                FieldValue::Number(number) | FieldValue::Percent(number) => {
                    self.number(column, 0, number);
                }
            }
        }
        if self.results && !results.is_empty() {
            let column = TaskFields::EXPORTED.iter().count();
            let cell = self.text(column, &results_json(results));
            cell.map_err(|length| too_long(RESULTS, length))?;
        }
        self.end_row()
    }

    /// Completes the workbook, and returns its last bytes.
    pub(super) fn end(mut self) -> Result<Vec<u8>> {
        self.write(parts::SHEET_END)?;
        self.part("xl/workbook.xml", &parts::workbook(self.sheets))?;
        let relationships = parts::workbook_relationships(self.sheets);
        self.part("xl/_rels/workbook.xml.rels", &relationships)?;
        self.part("[Content_Types].xml", &parts::content_types(self.sheets))?;
        self.zip.finish().map_err(Error::internal)?;
        Ok(self.buffer.take())
    }

    /// Begins a sheet, with its header.
    fn sheet(&mut self) -> Result<()> {
        self.sheets += 1;
        (self.rows, self.bytes) = (0, 0);
        self.begin_part(&parts::sheet_path(self.sheets))?;
        self.write(parts::SHEET_START)?;
        self.begin_row();
        let mut columns: Vec<&str> = TaskFields::EXPORTED.iter().map(|f| f.word()).collect();
        if self.results {
            columns.push(RESULTS);
        }
        for (column, name) in columns.into_iter().enumerate() {
            let cell = self.text(column, name);
            cell.map_err(|_| Error::internal("the name of a column does not fit into a cell"))?;
        }
        self.end_row()
    }

    fn part(&mut self, path: &str, text: &str) -> Result<()> {
        self.begin_part(path)?;
        self.write(text)
    }

    fn begin_part(&mut self, path: &str) -> Result<()> {
        let options = SimpleFileOptions::default();
        self.zip.start_file(path, options).map_err(Error::internal)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.bytes += text.len() as u64;
        let written = self.zip.write_all(text.as_bytes());
        written.map_err(Error::internal)
    }

    fn begin_row(&mut self) {
        self.rows += 1;
        self.xml.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.xml, "<row r=\"{}\">", self.rows);
    }

    fn end_row(&mut self) -> Result<()> {
        self.xml.push_str("</row>");
        let xml = std::mem::take(&mut self.xml);
        self.write(&xml)?;
        self.xml = xml;
        Ok(())
    }

    fn begin_cell(&mut self, column: usize, style: u8) {
        let (letter, row) = (char::from(COLUMNS[column]), self.rows);
        let _ = write!(self.xml, "<c r=\"{letter}{row}\" s=\"{style}\"");
    }

    /// Appends a cell with a text; an error is its length, if that is more than a cell holds.
    fn text(&mut self, column: usize, text: &str) -> Result<(), usize> {
        if text.is_empty() {
            return Ok(());
        }
        let text = &*kept(text);
        // A character has at most as many units in UTF-16 as bytes in UTF-8.
        if text.len() > MAX_CELL {
            let length = text.encode_utf16().count();
            if length > MAX_CELL {
                return Err(length);
            }
        }
        self.begin_cell(column, TEXT);
        self.xml
            .push_str(" t=\"inlineStr\"><is><t xml:space=\"preserve\">");
        parts::push_escaped(text, &mut self.xml);
        self.xml.push_str("</t></is></c>");
        Ok(())
    }

    fn number(&mut self, column: usize, style: u8, number: impl fmt::Display) {
        self.begin_cell(column, style);
        let _ = write!(self.xml, "><v>{number}</v></c>");
    }
}

impl fmt::Debug for Workbook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut workbook = f.debug_struct("Workbook");
        let workbook = workbook.field("sheets", &self.sheets);
        workbook.field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Where the zip archive is written to; the encoder takes the bytes away after each batch.
#[derive(Debug, Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        // A panic while the bytes are appended leaves them valid.
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *bytes)
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use calamine::{Data, Reader};
    use chrono::DateTime;

    use super::*;
    use crate::domain::{labels::Labels, status::TaskStatus, target::TargetCounts, task::Task};

    fn exported(task_id: &str, name: &str) -> ExportedTask {
        let at = DateTime::UNIX_EPOCH;
        let task = Task {
            task_id: task_id.to_owned(),
            name: name.to_owned(),
            target: Vec::new(),
            start_time: at,
            end_time: at,
            status: TaskStatus::Running,
            progress: 0,
            created_at: at,
            updated_at: at,
            target_count: 0,
            status_reason: String::new(),
            labels: Labels::default(),
            status_changed_at: at,
            target_counts: TargetCounts::default(),
            revision: 1,
            copied_from: String::new(),
            last_result_at: None,
        };
        ExportedTask {
            task,
            results: Vec::new(),
        }
    }

    fn sheets(bytes: Vec<u8>) -> Vec<(String, Vec<Vec<Data>>)> {
        let mut book =
            calamine::open_workbook_auto_from_rs(Cursor::new(bytes)).expect("a workbook");
        let names = book.sheet_names();
        let mut sheets = Vec::new();
        for name in names {
            let range = book.worksheet_range(&name).expect("a sheet");
            sheets.push((name, range.rows().map(<[Data]>::to_vec).collect()));
        }
        sheets
    }

    #[test]
    fn a_full_sheet_is_followed_by_another() {
        let mut workbook = Workbook::with_rows(Tz::UTC, false, 3).expect("a workbook");
        let mut bytes = workbook.take();
        for number in 0..5 {
            workbook
                .row(&exported(&number.to_string(), "n"))
                .expect("a row");
            bytes.extend(workbook.take());
        }
        bytes.extend(workbook.end().expect("an end"));
        let sheets = sheets(bytes);
        let names: Vec<&str> = sheets.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["tasks", "tasks 2", "tasks 3"]);
        let ids: Vec<Vec<String>> = sheets
            .iter()
            .map(|(_, rows)| rows.iter().map(|row| row[0].to_string()).collect())
            .collect();
        let wanted = [
            &["task_id", "0", "1"][..],
            &["task_id", "2", "3"],
            &["task_id", "4"],
        ];
        assert_eq!(ids, wanted);
    }

    #[test]
    fn every_text_is_read_as_it_was() {
        let mut workbook = Workbook::new(Tz::UTC, false).expect("a workbook");
        let mut texts: Vec<String> = [
            "=1+1",
            "_x0041_",
            "_x0041",
            "_x0041\u{1}",
            "_x_x0041_x0042_",
            "__x005F_",
            "<&>\"'",
            " a ",
            "\t\n\r\n",
            "\u{fffe}\u{ffff}\u{1F4DE}\u{7f}\u{85}\u{2028}",
        ]
        .map(str::to_owned)
        .into();
        texts.extend(
            (1..0x20)
                .filter_map(char::from_u32)
                .map(|c| format!("a{c}b{c}")),
        );
        for text in &texts {
            workbook.row(&exported("1", text)).expect("a row");
        }
        let mut bytes = workbook.take();
        bytes.extend(workbook.end().expect("an end"));
        let (_, rows) = sheets(bytes).remove(0);
        for (row, text) in rows[1..].iter().zip(&texts) {
            assert_eq!(row[1], Data::String(text.clone()));
        }
        assert_eq!(rows.len(), texts.len() + 1);
    }
}
