//! Reads a sheet of a workbook: `.xlsx`, `.xlsm`, `.xlsb`, `.xls` or `.ods`. Each row becomes the cells of a CSV row.
//!
//! A workbook is an archive whose parts refer to each other, so all of it is in memory; its size is limited, before and
//! after decompression. Of its cells, only one row is in memory, because one cell in the last row and column of a sheet
//! would otherwise make a table of 17 billion. Only the library's reader of `.xls` makes such a table, whose size is computed
//! before. Its reader of `.xlsb` cannot be bounded so, and a service refuses these files.

mod cell;
mod ods;
mod parts;
mod rows;
mod xls;

use std::{
    io::{Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use calamine::{DataRef, Reader, Style, Xls, Xlsb, Xlsx};
use zip::ZipArchive;

use self::{
    parts::{Archive, COMPOUND_FILE, damaged, no_sheet},
    rows::{Rows, borrowed},
};
use super::{
    batches::{Batches, Halt},
    reading::Reading,
    source::Limits,
    table::Table,
};

const ARCHIVE: &[u8] = b"PK\x03\x04";

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
    let file = File::of(&bytes, limits).map_err(|what| batches.broken(1, what))?;
    let mut rows = Rows::new(batches, reading, table);
    match file {
        File::Xlsx => xlsx(&bytes, reading, &mut rows)?,
        File::Xlsb => xlsb(&bytes, reading, &mut rows)?,
        File::Xls => xls(&bytes, reading, &mut rows)?,
        File::Ods(mut archive) => ods::read(&mut archive, reading, &mut rows)?,
    }
    rows.end_row(1)?;
    match rows.is_begun() {
        true => Ok(()),
        false => Err(batches.broken(1, "the header that names the fields is missing")),
    }
}

/// The kind of a file by its content, because names lie.
enum File<'b> {
    Xlsx,
    Xlsb,
    Xls,
    Ods(Archive<'b>),
}

impl<'b> File<'b> {
    /// Finds out the kind, and checks the size; an error says why the file cannot be read.
    fn of(bytes: &'b [u8], limits: Limits) -> Result<Self, String> {
        if bytes.starts_with(COMPOUND_FILE) {
            return match is_encrypted(bytes) {
                true => Err(ENCRYPTED.to_owned()),
                false => Ok(Self::Xls),
            };
        }
        if !bytes.starts_with(ARCHIVE) {
            return Err(no_workbook(bytes));
        }
        let archive = ZipArchive::new(Cursor::new(bytes));
        let mut archive = archive
            .map_err(|_| format!("{NO_WORKBOOK}: the file is damaged, or only its beginning"))?;
        parts::check(&mut archive, limits)?;
        let has = |name| archive.index_for_name(name).is_some();
        match () {
            () if has("content.xml") && has("mimetype") => match ods::is_encrypted(&mut archive) {
                true => Err(ENCRYPTED.to_owned()),
                false => Ok(Self::Ods(archive)),
            },
            () if has("xl/workbook.bin") && limits.is_strict => Err(UNBOUNDED.to_owned()),
            () if has("xl/workbook.bin") => Ok(Self::Xlsb),
            () => Ok(Self::Xlsx),
        }
    }
}

const NO_WORKBOOK: &str = "it is not a workbook (.xlsx, .xlsm, .xlsb, .xls or .ods)";
const ENCRYPTED: &str =
    "the workbook is protected by a password; save it without one (Save As, then no password)";
const UNBOUNDED: &str = "a service does not read .xlsb files, whose memory cannot be limited; save the workbook as .xlsx";

/// Whether a compound file holds an encrypted workbook: its directory has the name of that stream.
fn is_encrypted(bytes: &[u8]) -> bool {
    let name: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    bytes.windows(name.len()).any(|part| part == name)
}

/// Why bytes are no workbook. Programs like to call other files `.xls`, which spreadsheets open.
fn no_workbook(bytes: &[u8]) -> String {
    let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let start = start.trim_ascii_start();
    let start = &start[..start.len().min(512)];
    let why = match start {
        [] => ": it is empty",
        [b'<', ..] => ": it is HTML or XML; open it in a spreadsheet program and save it as .xlsx",
        _ if start.is_ascii() && !start.contains(&0) => ": it is text; import it as CSV",
        _ => "",
    };
    format!("{NO_WORKBOOK}{why}")
}

/// Calls a library's reader, of which damaged files can cause a panic.
fn guarded<R, E: std::fmt::Display>(read: impl FnOnce() -> Result<R, E>) -> Result<R, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(damaged(error)),
        Err(_) => Err(damaged("its parts contradict each other")),
    }
}

fn xlsx<T: Table>(bytes: &[u8], reading: &Reading, rows: &mut Rows<'_, T>) -> Result<(), Halt> {
    let book = guarded(|| Xlsx::new(Cursor::new(bytes)));
    let mut book = book.map_err(|what| rows.batches.broken(1, what))?;
    let sheet = sheet(&book.sheet_names(), reading).map_err(|what| rows.batches.broken(1, what))?;
    reading.is_1904.set(book.has_1904_epoch());
    let cells = guarded(|| book.worksheet_cells_reader(&sheet));
    let mut cells = cells.map_err(|what| rows.batches.broken(1, in_sheet(&sheet, &what)))?;
    let percentages: Vec<bool> = cells.styles().iter().map(is_percentage).collect();
    let mut line = 1;
    loop {
        let next = guarded(|| cells.next_cell_with_style_id());
        let next = next.map_err(|what| rows.batches.broken(line, in_sheet(&sheet, &what)))?;
        let Some((cell, style)) = next else {
            return Ok(());
        };
        line = u64::from(cell.get_position().0) + 1;
        let value = match cell.get_value() {
            DataRef::Float(number) if percentages.get(style) == Some(&true) => {
                DataRef::String(cell::percentage(*number))
            }
            value => value.clone(),
        };
        rows.cell(cell.get_position(), value)?;
    }
}

/// The library does not tell how a cell shows its number.
fn xlsb<T: Table>(bytes: &[u8], reading: &Reading, rows: &mut Rows<'_, T>) -> Result<(), Halt> {
    let book = guarded(|| Xlsb::new(Cursor::new(bytes)));
    let mut book = book.map_err(|what| rows.batches.broken(1, what))?;
    let sheet = sheet(&book.sheet_names(), reading).map_err(|what| rows.batches.broken(1, what))?;
    reading.hides_percentages.set(true);
    reading.is_1904.set(book.has_1904_epoch());
    let cells = guarded(|| book.worksheet_cells_reader(&sheet));
    let mut cells = cells.map_err(|what| rows.batches.broken(1, in_sheet(&sheet, &what)))?;
    loop {
        let next = guarded(|| cells.next_cell());
        let next = next.map_err(|what| rows.batches.broken(1, in_sheet(&sheet, &what)))?;
        let Some(cell) = next else { return Ok(()) };
        rows.cell(cell.get_position(), cell.get_value().clone())?;
    }
}

/// The library makes a table of all cells of each sheet, and does not tell how they show their numbers.
fn xls<T: Table>(bytes: &[u8], reading: &Reading, rows: &mut Rows<'_, T>) -> Result<(), Halt> {
    let most = rows.batches.limits.unpacked_mib << 20;
    let bytes = xls::checked(bytes, most).map_err(|what| rows.batches.broken(1, what))?;
    let book = guarded(|| Xls::new(Cursor::new(bytes.as_slice())));
    let mut book = book.map_err(|what| rows.batches.broken(1, what))?;
    let sheet = sheet(&book.sheet_names(), reading).map_err(|what| rows.batches.broken(1, what))?;
    reading.hides_percentages.set(true);
    reading.is_1904.set(book.has_1904_epoch());
    let range = guarded(|| book.worksheet_range(&sheet));
    let range = range.map_err(|what| rows.batches.broken(1, in_sheet(&sheet, &what)))?;
    let (top, left) = range.start().unwrap_or_default();
    for (row, number) in range.rows().zip(top..) {
        for (value, column) in row.iter().zip(left..) {
            rows.cell((number, column), borrowed(value))?;
        }
    }
    Ok(())
}

/// The sheet to read: the one that the options name, or the first.
fn sheet(names: &[String], reading: &Reading) -> Result<String, String> {
    let found = match &reading.options.sheet {
        Some(wanted) => names.iter().find(|name| *name == wanted),
        None => names.first(),
    };
    let found = found.ok_or_else(|| no_sheet(names, reading))?;
    reading.sheet.replace(Some(found.clone()));
    Ok(found.clone())
}

fn in_sheet(sheet: &str, what: &str) -> String {
    format!("the sheet {sheet:?} cannot be read: {what}")
}

/// Whether a cell shows its number as a percentage: the first part of its format has a percent sign outside of quotes.
fn is_percentage(style: &Style) -> bool {
    let Some(format) = &style.number_format else {
        return false;
    };
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in format.format_code.chars() {
        match c {
            _ if std::mem::take(&mut is_escaped) => {}
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '\\' | '_' | '*' => is_escaped = true,
            '%' => return true,
            ';' => return false,
            _ => {}
        }
    }
    false
}
