//! What the rows of a table become, whether it is CSV or a sheet of a workbook.

use super::{
    columns::{Columns, Own, fitness},
    entry::Parsed,
    reading::Reading,
    record::{Record, from_cells},
};
use crate::{app::export::csv::is_header, error::Violations};

/// A table that is being read, row by row.
pub(super) trait Table {
    /// What a row becomes.
    type Record: Parsed;

    /// How well a row fits as the first one: how many of its cells name columns, and how many cells there are.
    fn fitness(&self, cells: &[&str]) -> (usize, usize);

    /// Takes the first row that is not blank. Returns whether it is the header and thus no record; an error says why the
    /// table cannot be read.
    fn begin(&mut self, first: First<'_>) -> Result<bool, String>;

    /// Whether [`Table::begin`] succeeded.
    fn is_begun(&self) -> bool;

    /// Whether the table is our own export, whose cells are taken literally: in CSV, a row of delimiters only is not blank.
    fn is_literal(&self) -> bool;

    /// The name of a column for messages; `None` if the column is not read.
    fn column_name(&self, column: usize) -> Option<String>;

    /// Whether a column has ids of tasks or customers.
    fn holds_ids(&self, column: usize) -> bool;

    /// Reads a row after the header.
    fn record(&self, cells: &[&str]) -> Result<Self::Record, Violations>;
}

/// The first row of a table that is not blank.
pub(super) struct First<'r> {
    pub(super) cells: &'r [&'r str],
    /// The bytes of the row if they are CSV without a byte order mark before them.
    pub(super) raw: Option<&'r [u8]>,
    /// Whether they are cells of a workbook.
    pub(super) is_sheet: bool,
}

impl First<'_> {
    /// The columns of a table with exactly the header of our own export. Spreadsheets may add empty cells at its end.
    fn own(&self) -> Option<Columns> {
        if !self.is_sheet {
            let is_own = self.raw.is_some_and(is_header);
            return Columns::own(self.cells, Own::Csv).filter(|_| is_own);
        }
        let last = self.cells.iter().rposition(|cell| !cell.is_empty())?;
        let cells = &self.cells[..=last];
        let header = format!("{}\n", cells.join(","));
        Columns::own(cells, Own::Sheet).filter(|_| is_header(header.as_bytes()))
    }
}

/// A table of tasks.
pub(super) struct Tasks<'r> {
    reading: &'r Reading,
    columns: Option<Columns>,
}

impl<'r> Tasks<'r> {
    pub(super) fn new(reading: &'r Reading) -> Self {
        Self {
            reading,
            columns: None,
        }
    }
}

impl Table for Tasks<'_> {
    type Record = Record;

    fn fitness(&self, cells: &[&str]) -> (usize, usize) {
        fitness(cells, self.reading)
    }

    fn begin(&mut self, first: First<'_>) -> Result<bool, String> {
        let is_mapped = !self.reading.options.map.is_empty();
        let columns = match first.own().filter(|_| !is_mapped) {
            Some(columns) => columns,
            None => Columns::of_header(first.cells, self.reading)?,
        };
        self.columns = Some(columns);
        Ok(true)
    }

    fn is_begun(&self) -> bool {
        self.columns.is_some()
    }

    fn is_literal(&self) -> bool {
        self.columns.as_ref().is_some_and(Columns::is_own)
    }

    fn column_name(&self, column: usize) -> Option<String> {
        self.columns.as_ref()?.name(column)
    }

    fn holds_ids(&self, column: usize) -> bool {
        let columns = self.columns.as_ref();
        columns.is_some_and(|columns| columns.holds_ids(column))
    }

    fn record(&self, cells: &[&str]) -> Result<Record, Violations> {
        match &self.columns {
            Some(columns) => from_cells(columns, cells, self.reading),
            // Not reached: rows are read after the header.
            None => Err(Violations::of_record()),
        }
    }
}
