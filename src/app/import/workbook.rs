//! Reads a sheet of a workbook: `.xlsx`, `.xlsm`, `.xlsb`, `.xls` or `.ods`. Each row becomes the cells of a CSV row.
//!
//! A workbook is an archive whose parts refer to each other, so all of it is in memory; its size is limited, before and
//! after decompression. Of `.xlsx`, cells are read one by one, because one cell in the last row and column of a sheet
//! would otherwise make a table of 17 billion.

use std::io::{Cursor, Read};

use calamine::{Data, DataRef, Error, Reader, Sheets};
use chrono::{NaiveDate, NaiveTime, TimeDelta};

use super::{
    batches::{Batches, Halt},
    columns::is_blank_row,
    delimiter::Delimiter,
    reading::Reading,
    source::Limits,
    table::{First, Table},
};
use crate::{
    app::{cell::needs_quotes, sheet_date::exact},
    error::{Violation, Violations},
};

/// The digits of a number that spreadsheets keep: whole numbers from 10^15 on are rounded.
const ROUNDED_FROM: f64 = 1e15;

/// Reads one sheet into `batches`.
pub(super) fn read<T: Table>(
    input: Box<dyn Read + Send>,
    batches: &mut Batches<T::Record>,
    reading: &Reading,
    table: &mut T,
) -> Result<(), Halt> {
    let mut bytes = Vec::new();
    let limits = batches.limits;
    let most = limits.workbook_mib << 20;
    let got = input.take(most + 1).read_to_end(&mut bytes);
    got.map_err(|error| batches.unreadable(1, &error))?;
    if bytes.len() as u64 > most {
        let mib = limits.workbook_mib;
        let what = format!("the workbook is larger than {mib} MiB; save its sheet as CSV");
        return Err(batches.broken(1, what));
    }
    check_unpacked(&bytes, limits).map_err(|what| batches.broken(1, what))?;
    let mut book =
        calamine::open_workbook_auto_from_rs(Cursor::new(bytes.as_slice())).map_err(|_| {
            batches.broken(
                1,
                "it is not a workbook (.xlsx, .xlsm, .xlsb, .xls or .ods)",
            )
        })?;
    let sheet = sheet(&book.sheet_names(), reading).map_err(|what| batches.broken(1, what))?;
    reading.sheet.replace(Some(sheet.clone()));
    let mut rows = Rows {
        batches,
        reading,
        table,
    };
    let damaged = |rows: &Rows<'_, T>, error: Error| {
        let what = format!("the sheet {sheet:?} cannot be read: {error}");
        rows.batches.broken(1, what)
    };
    match &mut book {
        Sheets::Xlsx(book) => {
            let failed = |rows: &Rows<'_, T>, error| damaged(rows, Error::Xlsx(error));
            let mut cells = book
                .worksheet_cells_reader(&sheet)
                .map_err(|error| failed(&rows, error))?;
            let (mut row, mut number) = (Vec::new(), 0);
            while let Some(cell) = cells.next_cell().map_err(|error| failed(&rows, error))? {
                let (at, column) = cell.get_position();
                if at != number {
                    rows.row(number, &row)?;
                    row.clear();
                    number = at;
                }
                // An empty cell is often formatted only, and may be far to the right.
                if !matches!(cell.get_value(), DataRef::Empty) {
                    let column = column as usize;
                    row.resize(row.len().max(column + 1), Data::Empty);
                    row[column] = cell.get_value().clone().into();
                }
            }
            rows.row(number, &row)?;
        }
        book => {
            let range = book
                .worksheet_range(&sheet)
                .map_err(|error| damaged(&rows, error))?;
            let (first, left) = range.start().unwrap_or_default();
            for (row, number) in range.rows().zip(first..) {
                let row: Vec<Data> = vec![Data::Empty; left as usize]
                    .into_iter()
                    .chain(row.iter().cloned())
                    .collect();
                rows.row(number, &row)?;
            }
        }
    }
    match rows.table.is_begun() {
        true => Ok(()),
        false => Err(batches.broken(1, "the header that names the fields is missing")),
    }
}

/// The sheet to read: the one that the options name, or the first.
fn sheet(names: &[String], reading: &Reading) -> Result<String, String> {
    match &reading.options.sheet {
        Some(wanted) if names.contains(wanted) => Ok(wanted.clone()),
        Some(wanted) => Err(format!(
            "there is no sheet {wanted:?}; there are {}",
            names.join(", ")
        )),
        None => names
            .first()
            .cloned()
            .ok_or_else(|| "the workbook has no sheet".to_owned()),
    }
}

/// Checks the size that a zip archive will have after decompression. Any other file is not compressed.
fn check_unpacked(bytes: &[u8], limits: Limits) -> Result<(), String> {
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else {
        return Ok(());
    };
    let mut size = 0_u64;
    for index in 0..archive.len() {
        let damaged = |error| format!("the workbook is damaged: {error}");
        let added = match limits.is_size_checked {
            false => archive.by_index_raw(index).map_err(damaged)?.size(),
            true => {
                let file = archive.by_index(index).map_err(damaged)?;
                let room = (limits.unpacked_mib << 20).saturating_sub(size) + 1;
                let unpacked = std::io::copy(&mut file.take(room), &mut std::io::sink());
                unpacked.map_err(|error| damaged(error.into()))?
            }
        };
        size = size.saturating_add(added);
    }
    let mib = limits.unpacked_mib;
    match size > mib << 20 {
        true => Err(format!(
            "the workbook is larger than {mib} MiB when decompressed; save its sheet as CSV"
        )),
        false => Ok(()),
    }
}

/// The rows of a sheet on their way to the batches.
struct Rows<'t, T: Table> {
    batches: &'t mut Batches<T::Record>,
    reading: &'t Reading,
    table: &'t mut T,
}

impl<T: Table> Rows<'_, T> {
    /// Reads a row; `number` counts from 0.
    fn row(&mut self, number: u32, row: &[Data]) -> Result<(), Halt> {
        let line = u64::from(number) + 1;
        let mut wrong = Vec::new();
        let is_own = self.table.is_literal();
        let texts: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                text(cell, is_own).unwrap_or_else(|(text, why)| {
                    wrong.push((column, why));
                    text
                })
            })
            .collect();
        let cells: Vec<&str> = texts.iter().map(String::as_str).collect();
        if is_blank_row(&cells) {
            // Rows above the header are layout.
            let blank = u64::from(self.table.is_begun() && !row.is_empty());
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
                    .header(header.into_bytes(), Delimiter::default());
                return Ok(());
            }
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

/// The text of a cell, as a CSV file would have it; or what is wrong with it, too. In a sheet of ours, dates have a time
/// of day, in microseconds.
fn text(cell: &Data, is_own: bool) -> Result<String, (String, String)> {
    Ok(match cell {
        Data::DateTimeIso(day) if is_own && !day.contains('T') => format!("{day} 00:00:00"),
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.clone(),
        Data::Bool(is_true) => if *is_true { "TRUE" } else { "FALSE" }.to_owned(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) if number.fract() == 0.0 && number.abs() < ROUNDED_FROM => {
            format!("{number:.0}")
        }
        Data::Float(number) if number.abs() >= ROUNDED_FROM => {
            let why = format!(
                "is a number of more than 15 digits, which a spreadsheet rounds: make the column text and enter it \
                again, was {number:.0}"
            );
            return Err((format!("{number:.0}"), why));
        }
        Data::Float(number) => number.to_string(),
        Data::DateTime(time) if time.is_datetime() => {
            let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
            let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
            let time_of_day = NaiveTime::from_hms_milli_opt(
                hour.into(),
                minute.into(),
                second.into(),
                milli.into(),
            );
            match date.zip(time_of_day) {
                Some((date, of_day)) if is_own => {
                    let exact = exact(date.and_time(of_day), time.as_f64());
                    exact.format("%Y-%m-%d %H:%M:%S%.f").to_string()
                }
                // Rounded to the second, since fractions of a day are inexact.
                Some((date, NaiveTime::MIN)) => date.to_string(),
                Some((date, time)) => {
                    let rounded = date.and_time(time) + TimeDelta::milliseconds(500);
                    rounded.format("%Y-%m-%d %H:%M:%S").to_string()
                }
                None => time.as_f64().to_string(),
            }
        }
        Data::DateTime(duration) => duration.as_f64().to_string(),
        Data::Error(error) => error.to_string(),
    })
}

/// A row of CSV, for the file of rejects.
fn csv(cells: &[&str]) -> String {
    let cell = |text: &&str| match needs_quotes(text) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => (*text).to_owned(),
    };
    cells.iter().map(cell).collect::<Vec<_>>().join(",")
}
