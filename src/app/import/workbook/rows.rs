//! The rows of a sheet on their way from its cells to the batches.

use calamine::{Data, DataRef};

use super::cell::{id, text};
use crate::{
    app::{
        cell::needs_quotes,
        import::{
            batches::{Batches, Halt},
            columns::is_blank_row,
            delimiter::Delimiter,
            reading::Reading,
            table::{First, Table},
        },
    },
    error::{Violation, Violations},
};

/// The number of columns of a sheet; the last one is XFD.
const MAX_COLUMNS: u32 = 16_384;
/// The memory of a cell besides its text.
const CELL: usize = 32;

/// The rows of a sheet. Only the current one is in memory.
pub(super) struct Rows<'t, T: Table> {
    pub(super) batches: &'t mut Batches<T::Record>,
    reading: &'t Reading,
    table: &'t mut T,
    row: Vec<Data>,
    /// The number of the current row, from 0.
    number: u32,
    /// The bytes of its texts.
    bytes: usize,
    /// The memory that all cells so far would need together, those between them too.
    total: u64,
}

impl<'t, T: Table> Rows<'t, T> {
    pub(super) fn new(
        batches: &'t mut Batches<T::Record>,
        reading: &'t Reading,
        table: &'t mut T,
    ) -> Self {
        Self {
            batches,
            reading,
            table,
            row: Vec::new(),
            number: 0,
            bytes: 0,
            total: 0,
        }
    }

    /// Adds a cell to its row; both numbers count from 0. Cells come row by row.
    pub(super) fn cell(
        &mut self,
        (row, column): (u32, u32),
        value: DataRef<'_>,
    ) -> Result<(), Halt> {
        if row != self.number {
            self.end_row(1)?;
            self.number = row;
        }
        // An empty cell is often formatted only, and may be far to the right.
        if matches!(value, DataRef::Empty) {
            return Ok(());
        }
        if column >= MAX_COLUMNS {
            let what = "a cell is beyond XFD, the last column of a sheet";
            return Err(self.batches.broken(u64::from(row) + 1, what));
        }
        // Before the text is copied, which many cells of a small file may share.
        let shared = match &value {
            DataRef::String(text) => text.len(),
            DataRef::SharedString(text) => text.len(),
            _ => 0,
        };
        if shared > 0 {
            self.bytes += shared;
            if self.bytes > self.batches.limits.record {
                let what = self.batches.limits.record_too_long();
                return Err(self.batches.broken(u64::from(row) + 1, what));
            }
        }
        let column = column as usize;
        self.row.resize(self.row.len().max(column + 1), Data::Empty);
        // One of the two would be lost, and with a row that stands twice a whole record.
        if self.row[column] != Data::Empty {
            let what = format!(
                "the workbook is damaged: row {} has two cells in one column",
                row + 1
            );
            return Err(self.batches.broken(u64::from(row) + 1, what));
        }
        self.row[column] = value.into();
        Ok(())
    }

    /// Ends the current row, which stands in the sheet this many times.
    pub(super) fn end_row(&mut self, times: u32) -> Result<(), Halt> {
        let row = std::mem::take(&mut self.row);
        let cost = (row.len() * CELL + self.bytes) as u64;
        if !row.is_empty() {
            // All times at once, so that a row that stands there a million times is refused before it is read.
            self.total = self.total.saturating_add(cost.saturating_mul(times.into()));
            let mib = self.batches.limits.sheet_mib;
            if self.total > mib << 20 {
                let what = format!(
                    "the cells of the sheet, with the empty ones between them, need more than {mib} MiB; save the sheet \
                    as CSV"
                );
                return Err(self.batches.broken(u64::from(self.number) + 1, what));
            }
            for again in 0..times {
                self.read(self.number.saturating_add(again), &row)?;
            }
        }
        self.row = row;
        self.row.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Whether there was a row that names the columns.
    pub(super) fn is_begun(&self) -> bool {
        self.table.is_begun()
    }

    /// Reads a row; `number` counts from 0.
    fn read(&mut self, number: u32, row: &[Data]) -> Result<(), Halt> {
        let line = u64::from(number) + 1;
        let mut wrong = Vec::new();
        let is_own = self.table.is_literal();
        let texts: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let read = match self.table.holds_ids(column) {
                    true => id(cell, is_own),
                    false => text(cell, is_own),
                };
                read.unwrap_or_else(|(text, why)| {
                    wrong.push((column, why));
                    text
                })
            })
            .collect();
        let cells: Vec<&str> = texts.iter().map(String::as_str).collect();
        if is_blank_row(&cells) {
            // Rows above the header are layout.
            let blank = u64::from(self.table.is_begun());
            self.reading
                .blank_rows
                .set(self.reading.blank_rows.get() + blank);
            return Ok(());
        }
        if !self.table.is_begun() {
            let first = First {
                cells: &cells,
                raw: None,
                is_sheet: true,
            };
            let begun = self.table.begin(first);
            if begun.map_err(|why| self.batches.broken(line, why))? {
                // Spreadsheets need a mark to open the rejects as UTF-8.
                let header = format!("\u{feff}{}", csv(&cells));
                self.batches
                    .header(header.into_bytes(), true, Delimiter::default());
                return Ok(());
            }
            self.batches
                .header("\u{feff}".into(), false, Delimiter::default());
        }
        let wrong: Vec<Violation> = wrong
            .into_iter()
            .filter_map(|(column, why)| {
                Some(Violation::of_record(self.table.column_name(column)?, why))
            })
            .collect();
        let record = match wrong.is_empty() {
            true => self.table.record(&cells),
            false => Err(Violations::from(wrong)),
        };
        self.batches
            .push(line, csv(&cells).as_bytes(), record, self.reading)
    }
}

/// A value without a copy of its text.
pub(super) fn borrowed(value: &Data) -> DataRef<'_> {
    match value {
        Data::Empty => DataRef::Empty,
        Data::Int(number) => DataRef::Int(*number),
        Data::Float(number) => DataRef::Float(*number),
        Data::String(text) => DataRef::SharedString(text),
        Data::Bool(is_true) => DataRef::Bool(*is_true),
        Data::DateTime(time) => DataRef::DateTime(*time),
        Data::DateTimeIso(text) => DataRef::DateTimeIso(text.clone()),
        Data::DurationIso(text) => DataRef::DurationIso(text.clone()),
        Data::Error(error) => DataRef::Error(error.clone()),
    }
}

/// A row of CSV, for the file of rejects.
fn csv(cells: &[&str]) -> String {
    let cell = |text: &&str| match needs_quotes(text) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => (*text).to_owned(),
    };
    cells.iter().map(cell).collect::<Vec<_>>().join(",")
}
