//! Reads CSV (RFC 4180) in the dialects of spreadsheets: a header that names the columns in any order, then one row per
//! record.

use std::io::BufRead;

use super::{
    batches::{Batches, Halt},
    columns::is_blank_row,
    dialect::Dialect,
    field::quoted,
    reading::Reading,
    row::Row,
    spoilt::{ROUNDED, damaged},
    table::{First, Table},
    text::Text,
};
use crate::{
    app::cell::is_exponent,
    error::{Violation, Violations},
};

/// Reads a whole file into `batches`.
pub(super) fn read<T: Table>(
    input: &mut Text,
    batches: &mut Batches<T::Record>,
    reading: &Reading,
    table: &mut T,
) -> Result<(), Halt> {
    let start = input.fill_buf();
    let start = start.map_err(|error| batches.unreadable(1, &error))?;
    let mut dialect = Dialect::of(start, reading.options.delimiter, table);
    reading.delimiter.set(Some(dialect.delimiter));
    let mut row = Row::new(dialect.delimiter, dialect.line_end);
    let (mut raw, mut next) = (Vec::new(), 1);
    loop {
        let line = next;
        raw.clear();
        raw.shrink_to(1 << 20);
        row.clear();
        loop {
            let from = raw.len();
            if !batches.read_line(input, &mut raw, line, dialect.line_end)? {
                break;
            }
            row.add(&raw[from..]);
            next += 1;
            if !row.is_open() {
                break;
            }
        }
        if raw.is_empty() {
            break;
        }
        if row.is_open() {
            return Err(batches.broken(line, "a quote is never closed"));
        }
        let text = raw.strip_suffix(&[dialect.line_end]).unwrap_or(&raw);
        // In a file of rejects, CR would be a part of the last cell.
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let is_blank = text.trim_ascii().is_empty();
        let cells = row.cells(input.encoding().name());
        if !table.is_begun() {
            if std::mem::take(&mut dialect.has_sep_line) || is_blank {
                continue;
            }
            let raw = (!input.has_mark()).then_some(&raw[..]);
            let begun = begin(table, raw, &cells);
            let begun = begun.map_err(|why| batches.broken(line, why))?;
            let Some(is_header) = begun else { continue };
            let header: &[u8] = if is_header { text } else { b"" };
            let start = [input.rejects_mark().as_bytes(), header].concat();
            batches.header(start, is_header, dialect.delimiter);
            if is_header {
                continue;
            }
        }
        match cells {
            Ok(cells) if is_blank || (!table.is_literal() && is_blank_row(&cells)) => {
                let blank = reading.blank_rows.get() + 1;
                reading.blank_rows.set(blank);
            }
            Ok(cells) => {
                let record = match table.is_literal().then(|| rounded(&row, &cells)).flatten() {
                    Some(column) => Err(of_rounded(table, column, cells[column])),
                    None => table.record(&cells),
                };
                batches.push(line, text, record, reading)?;
            }
            Err(violations) => batches.push(line, text, Err(violations), reading)?,
        }
    }
    match table.is_begun() {
        true => Ok(()),
        false => Err(batches.broken(1, "the header that names the fields is missing")),
    }
}

/// The cell of our own export that a spreadsheet has saved as a rounded number. Our export has quotes around such a text.
fn rounded(row: &Row, cells: &[&str]) -> Option<usize> {
    let mut cells = cells.iter().enumerate();
    cells.find_map(|(at, cell)| (is_exponent(cell) && !row.is_quoted(at)).then_some(at))
}

fn of_rounded(table: &impl Table, column: usize, cell: &str) -> Violations {
    let name = table.column_name(column);
    let name = name.unwrap_or_else(|| format!("column {}", column + 1));
    let why = format!(
        "is not as the export wrote it: {ROUNDED}; was {}",
        quoted(cell)
    );
    vec![Violation::of_record(name, damaged(cell, why))].into()
}

/// Begins the table with its first row, and returns whether that is a header; `None` if the row is blank.
fn begin(
    table: &mut impl Table,
    raw: Option<&[u8]>,
    cells: &Result<Vec<&str>, Violations>,
) -> Result<Option<bool>, String> {
    match cells {
        Ok(cells) if is_blank_row(cells) => Ok(None),
        Ok(cells) => {
            let is_sheet = false;
            let first = First {
                cells,
                raw,
                is_sheet,
            };
            table.begin(first).map(Some)
        }
        Err(violations) => {
            let why = violations.iter().map(|v| v.description.as_str());
            Err(format!("the header {}", why.collect::<String>()))
        }
    }
}
