//! Reads CSV: a header that names the fields in any order, then one row per task (RFC 4180).
//!
//! The parser is our own and not a library's, because a bad row must be written out unchanged, must be reported with
//! the line on which it starts, and is limited in length, and because a quote that is never closed means a truncated
//! file.

use std::io::BufRead;

use super::{
    batches::{Batches, Halt, not_utf8, without_mark},
    field::{Field, quoted},
    record::{Record, from_cells},
};
use crate::{
    app::export::csv::is_header,
    domain::words::Word,
    error::{Violation, Violations},
};

/// Reads a whole file into `batches`.
pub(super) fn read(mut input: impl BufRead, batches: &mut Batches) -> Result<(), Halt> {
    let mut header: Option<Vec<Field>> = None;
    let mut is_own = false;
    let mut row = Row::default();
    let (mut raw, mut next) = (Vec::new(), 1);
    loop {
        let line = next;
        raw.clear();
        raw.shrink_to(1 << 20);
        row.clear();
        loop {
            let from = raw.len();
            if !batches.read_line(&mut input, &mut raw, line)? {
                break;
            }
            row.add(match from {
                0 => without_mark(&raw, line),
                _ => &raw[from..],
            });
            next += 1;
            if row.state != State::Quoted {
                break;
            }
        }
        if raw.is_empty() {
            break;
        }
        if row.state == State::Quoted {
            return Err(batches.broken(line, "a quote is never closed"));
        }
        let text = raw.strip_suffix(b"\n").unwrap_or(&raw);
        let text = without_mark(text, line);
        if text.trim_ascii().is_empty() {
            continue;
        }
        let Some(header) = &header else {
            is_own = is_header(&raw);
            header = Some(row.header().map_err(|why| batches.broken(line, why))?);
            batches.header(text);
            continue;
        };
        batches.push(line, text, row.record(header, is_own))?;
    }
    match header {
        Some(_) => Ok(()),
        None => Err(batches.broken(1, "the header that names the fields is missing")),
    }
}

/// The state of the parser within a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    CellStart,
    Plain,
    Quoted,
    /// After a quote inside quotes: either the end of the cell, or the first of two quotes that stand for one.
    Quote,
}

/// The cells of one row. The buffers are reused for all rows.
#[derive(Debug, Default)]
struct Row {
    state: State,
    /// The text of all cells without separators.
    text: Vec<u8>,
    /// The end of each cell in `text`.
    ends: Vec<usize>,
    /// Whether there is text between a closing quote and the next comma.
    stray: bool,
}

impl Row {
    fn clear(&mut self) {
        self.state = State::default();
        self.text.clear();
        self.text.shrink_to(1 << 20);
        self.ends.clear();
        self.stray = false;
    }

    /// Adds one line including its line end. Afterwards the state is `Quoted` if the row continues on the next line.
    fn add(&mut self, line: &[u8]) {
        for (at, &byte) in line.iter().enumerate() {
            let last = matches!(&line[at + 1..], b"" | b"\n");
            self.state = match (self.state, byte) {
                (State::Quoted, b'"') => State::Quote,
                (State::Quote, b'"') => self.keep(byte, State::Quoted),
                (State::Quoted, _) => self.keep(byte, State::Quoted),
                (State::CellStart, b'"') => State::Quoted,
                (_, b',') => {
                    self.ends.push(self.text.len());
                    State::CellStart
                }
                (state, b'\n') => state,
                (state, b'\r') if last => state,
                (State::Quote, _) => {
                    self.stray = true;
                    State::Quote
                }
                (_, _) => self.keep(byte, State::Plain),
            };
        }
        if self.state != State::Quoted {
            self.ends.push(self.text.len());
        }
    }

    fn keep(&mut self, byte: u8, state: State) -> State {
        self.text.push(byte);
        state
    }

    /// The cells as text; an error if the row is malformed.
    fn cells(&self) -> Result<Vec<&str>, Violations> {
        if self.stray {
            let why = "has text after a closing quote";
            return Err(vec![Violation::of_record("record", why)].into());
        }
        let mut start = 0;
        let cells = self.ends.iter().map(|&end| {
            // Checked per cell, so that two incomplete characters in adjacent cells do not form a valid one.
            let cell = std::str::from_utf8(&self.text[start..end]);
            start = end;
            cell.map_err(|error| not_utf8(&error))
        });
        cells.collect()
    }

    fn record(&self, header: &[Field], is_own: bool) -> Result<Record, Violations> {
        from_cells(header, &self.cells()?, is_own)
    }

    /// The fields that the header names; an error that lists unknown, repeated and missing fields.
    fn header(&self) -> Result<Vec<Field>, String> {
        let cells = self.cells().map_err(|violations| {
            let why = violations.into_iter().map(|f| f.description);
            format!("the header {}", why.collect::<String>())
        })?;
        let (mut fields, mut wrong) = (Vec::new(), Vec::new());
        for cell in cells {
            match Field::from_name(cell) {
                None => wrong.push(format!("{} is not a field of a task", quoted(cell))),
                Some(f) if fields.contains(&f) => {
                    wrong.push(format!("{} is given twice", f.name()))
                }
                Some(field) => fields.push(field),
            }
        }
        for field in Field::REQUIRED {
            if !fields.contains(&Field::Task(field)) {
                wrong.push(format!("{} is missing", field.word()));
            }
        }
        match wrong.is_empty() {
            true => Ok(fields),
            false => Err(format!("in the header {}", wrong.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(lines: &[&str]) -> Vec<String> {
        let mut row = Row::default();
        for line in lines {
            row.add(line.as_bytes());
        }
        let cells = row.cells().expect("good cells");
        cells.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn cells_are_split_as_rfc_4180_says() {
        assert_eq!(cells(&["a,b,,c\n"]), ["a", "b", "", "c"]);
        assert_eq!(cells(&["a,\r\n"]), ["a", ""]);
        assert_eq!(cells(&["\"a,\"\"b\"\"\",c\r"]), ["a,\"b\"", "c"]);
        assert_eq!(cells(&["\"one\r\n", "two\",\"\"\n"]), ["one\r\ntwo", ""]);
        assert_eq!(cells(&["5\" pipe,x"]), ["5\" pipe", "x"]);
    }

    #[test]
    fn malformed_cells_are_rejected() {
        let violation = |line: &[u8]| {
            let mut row = Row::default();
            row.add(line);
            row.cells().expect_err("a violation")[0].description.clone()
        };
        assert_eq!(violation(b"\"a\"b,c"), "has text after a closing quote");
        // The two halves of one character, in two cells.
        assert_eq!(violation(b"\xE4,\xB8\xAD"), "is not UTF-8 at byte 1");
    }
}
