//! Reads CSV: a header that names the fields in any order, then one row per task (RFC 4180), in the dialects of
//! spreadsheets.

use std::io::BufRead;

use super::{
    batches::{Batches, Halt},
    columns::{Columns, is_blank_row},
    dialect::Dialect,
    encoding::Encoding,
    reading::Reading,
    record::from_cells,
    row::Row,
    text::Text,
};
use crate::{app::export::csv::is_header, error::Violations};

/// Reads a whole file into `batches`.
pub(super) fn read(input: &mut Text, batches: &mut Batches, reading: &Reading) -> Result<(), Halt> {
    let start = input.fill_buf();
    let start = start.map_err(|error| batches.unreadable(1, &error))?;
    let mut dialect = Dialect::of(start, reading);
    reading.delimiter.set(Some(dialect.delimiter));
    let mut columns: Option<Columns> = None;
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
        let is_blank = text.trim_ascii().is_empty();
        let cells = row.cells(input.encoding().name());
        let Some(columns) = &columns else {
            if std::mem::take(&mut dialect.has_sep_line) || is_blank {
                continue;
            }
            let found = header(&raw, &cells, input, reading);
            let Some(found) = found.map_err(|why| batches.broken(line, why))? else {
                continue;
            };
            columns = Some(found);
            // Spreadsheets need a mark to open the rejects as UTF-8, which they are in.
            let mark = match input.encoding() == Encoding::UTF_8 {
                true => "",
                false => "\u{feff}",
            };
            batches.header([mark.as_bytes(), text].concat(), dialect.delimiter);
            continue;
        };
        match cells {
            Ok(cells) if is_blank || (!columns.is_own() && is_blank_row(&cells)) => {
                let blank = reading.blank_rows.get() + 1;
                reading.blank_rows.set(blank);
            }
            Ok(cells) => {
                let record = from_cells(columns, &cells, reading);
                batches.push(line, text, record, reading)?;
            }
            Err(violations) => batches.push(line, text, Err(violations), reading)?,
        }
    }
    match columns {
        Some(_) => Ok(()),
        None => Err(batches.broken(1, "the header that names the fields is missing")),
    }
}

/// The columns that a row names as a header; `None` if the row is blank. An error says what is wrong.
fn header(
    raw: &[u8],
    cells: &Result<Vec<&str>, Violations>,
    input: &Text,
    reading: &Reading,
) -> Result<Option<Columns>, String> {
    let cells = match cells {
        Ok(cells) if is_blank_row(cells) => return Ok(None),
        Ok(cells) => cells,
        Err(violations) => {
            let why = violations.iter().map(|v| v.description.as_str());
            return Err(format!("the header {}", why.collect::<String>()));
        }
    };
    let is_own = is_header(raw) && !input.has_mark() && reading.options.map.is_empty();
    match Columns::own(cells).filter(|_| is_own) {
        Some(columns) => Ok(Some(columns)),
        None => Columns::of_header(cells, reading).map(Some),
    }
}
