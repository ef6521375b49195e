//! Splits a row of CSV into its cells.
//!
//! The parser is our own and not a library's, because a bad row must be written out unchanged, must be reported with
//! the line on which it starts, and is limited in length, and because a quote that is never closed means a truncated
//! file.

use super::{batches::not_in, delimiter::Delimiter};
use crate::error::{Violation, Violations};

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
#[derive(Debug)]
pub(super) struct Row {
    delimiter: u8,
    line_end: u8,
    state: State,
    /// The text of all cells without separators.
    text: Vec<u8>,
    /// The end of each cell in `text`, and whether the cell was in quotes.
    ends: Vec<(usize, bool)>,
    /// Whether the current cell is in quotes.
    is_quoted: bool,
    /// Whether there is text between a closing quote and the next comma.
    stray: bool,
}

impl Row {
    pub(super) fn new(delimiter: Delimiter, line_end: u8) -> Self {
        Self {
            delimiter: delimiter.byte(),
            line_end,
            state: State::default(),
            text: Vec::new(),
            ends: Vec::new(),
            is_quoted: false,
            stray: false,
        }
    }

    pub(super) fn clear(&mut self) {
        self.state = State::default();
        self.text.clear();
        self.text.shrink_to(1 << 20);
        self.ends.clear();
        self.is_quoted = false;
        self.stray = false;
    }

    /// Whether the row continues on the next line.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Quoted
    }

    /// Adds one line including its line end.
    pub(super) fn add(&mut self, line: &[u8]) {
        let (delimiter, line_end) = (self.delimiter, self.line_end);
        // Where lines end with CR, an LF after it belongs to the line end.
        let line = match line {
            [b'\n', rest @ ..] if line_end == b'\r' && self.state == State::CellStart => rest,
            line => line,
        };
        let mut rest = line;
        while let Some((&byte, after)) = rest.split_first() {
            rest = match self.state {
                State::Quoted => {
                    let end = rest.iter().position(|byte| *byte == b'"');
                    let (text, after) = rest.split_at(end.unwrap_or(rest.len()));
                    self.text.extend_from_slice(text);
                    match after {
                        [_, after @ ..] => {
                            self.state = State::Quote;
                            after
                        }
                        [] => after,
                    }
                }
                State::CellStart if byte == b'"' => {
                    self.state = State::Quoted;
                    self.is_quoted = true;
                    after
                }
                State::Quote if byte == b'"' => {
                    self.text.push(byte);
                    self.state = State::Quoted;
                    after
                }
                // Whatever stands before the delimiter, which nothing should after a quote.
                state => {
                    let is_end = |byte: &u8| *byte == delimiter || *byte == line_end;
                    let end = rest.iter().position(is_end).unwrap_or(rest.len());
                    let (text, after) = rest.split_at(end);
                    let text = match after {
                        [] | [b'\n'] => text.strip_suffix(b"\r").unwrap_or(text),
                        _ => text,
                    };
                    if state == State::Quote {
                        self.stray |= !text.is_empty();
                    } else if !text.is_empty() {
                        self.text.extend_from_slice(text);
                        self.state = State::Plain;
                    }
                    match after {
                        [byte, after @ ..] if *byte == delimiter => {
                            self.end_cell();
                            self.state = State::CellStart;
                            after
                        }
                        [_, after @ ..] => after,
                        [] => after,
                    }
                }
            };
        }
        if self.state != State::Quoted {
            self.end_cell();
        }
    }

    fn end_cell(&mut self) {
        let is_quoted = std::mem::take(&mut self.is_quoted);
        self.ends.push((self.text.len(), is_quoted));
    }

    /// Whether a cell was in quotes.
    pub(super) fn is_quoted(&self, cell: usize) -> bool {
        self.ends.get(cell).is_some_and(|(_, is_quoted)| *is_quoted)
    }

    /// The cells as text; an error if the row is malformed. `encoding` is that of the file, for the message.
    pub(super) fn cells(&self, encoding: &str) -> Result<Vec<&str>, Violations> {
        if self.stray {
            let why = "has text after a closing quote";
            return Err(vec![Violation::of_record("record", why)].into());
        }
        let mut start = 0;
        let cells = self.ends.iter().map(|&(end, _)| {
            // Checked per cell, so that two incomplete characters in adjacent cells do not form a valid one.
            let bytes = &self.text[start..end];
            start = end;
            std::str::from_utf8(bytes).map_err(|error| not_in(encoding, bytes, &error))
        });
        cells.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(lines: &[&str]) -> Vec<String> {
        let mut row = Row::new(Delimiter::default(), b'\n');
        for line in lines {
            row.add(line.as_bytes());
        }
        let cells = row.cells("UTF-8").expect("good cells");
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
            let mut row = Row::new(Delimiter::default(), b'\n');
            row.add(line);
            row.cells("UTF-8").expect_err("a violation")[0]
                .description
                .clone()
        };
        assert_eq!(violation(b"\"a\"b,c"), "has text after a closing quote");
        // The two halves of one character, in two cells.
        assert_eq!(violation(b"\xE4,\xB8\xAD"), "is not UTF-8 at byte 1");
    }
}
