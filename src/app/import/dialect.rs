//! The dialect of a CSV file: its delimiter and its line ends, from the options or from the beginning of the file.

use super::{columns::is_blank_row, delimiter::Delimiter, row::Row, table::Table};

/// How rows and cells are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: Delimiter,
    /// The last byte of a line: LF, also after CR, or CR alone.
    pub(super) line_end: u8,
    /// Whether the first line is Excel's `sep=;`, which is no row.
    pub(super) has_sep_line: bool,
}

impl Dialect {
    /// Finds out the dialect of a table from the beginning of a file.
    pub(super) fn of(start: &[u8], wanted: Option<Delimiter>, table: &impl Table) -> Self {
        let line_end = line_end(start);
        let first = start.split(|byte| *byte == line_end).next();
        let said = first.and_then(sep_line);
        let delimiter = wanted.or(said).unwrap_or_else(|| {
            let rank = |delimiter: &Delimiter| header_rank(start, line_end, *delimiter, table);
            // The first of equally good delimiters.
            let best = Delimiter::DETECTED.into_iter().rev().max_by_key(rank);
            best.unwrap_or_default()
        });
        Self {
            delimiter,
            line_end,
            has_sep_line: said.is_some(),
        }
    }
}

/// The line end of a file: the first one outside of quotes decides.
fn line_end(start: &[u8]) -> u8 {
    let mut is_quoted = false;
    for (at, byte) in start.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\r' if !is_quoted && start.get(at + 1).is_some_and(|next| *next != b'\n') => {
                return b'\r';
            }
            b'\n' if !is_quoted => return b'\n',
            _ => {}
        }
    }
    b'\n'
}

/// The delimiter that a line like `sep=;` names.
fn sep_line(line: &[u8]) -> Option<Delimiter> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let bare = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""));
    let (word, delimiter) = bare.unwrap_or(line).split_at_checked(4)?;
    if !word.eq_ignore_ascii_case(b"sep=") {
        return None;
    }
    Delimiter::parse(std::str::from_utf8(delimiter).ok()?).ok()
}

/// How well the first row that is not blank fits as a header, if cells are delimited like this.
fn header_rank(
    start: &[u8],
    line_end: u8,
    delimiter: Delimiter,
    table: &impl Table,
) -> (usize, usize) {
    let mut row = Row::new(delimiter, line_end);
    for line in start.split_inclusive(|byte| *byte == line_end) {
        row.add(line);
        if row.is_open() {
            continue;
        }
        match row.cells("") {
            Ok(cells) if is_blank_row(&cells) => row.clear(),
            Ok(cells) => {
                return table.fitness(&cells);
            }
            Err(_) => break,
        }
    }
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::import::{reading::Reading, table::Tasks};

    #[test]
    fn the_delimiter_is_that_which_makes_the_most_fields() {
        let reading = Reading::default();
        for (start, name) in [
            ("task_id,name,target\na;b,c,d\n", ","),
            ("task_id;name;target\n", ";"),
            ("task_id\tname\n", "tab"),
            ("\n|||\n\"task|id\"|name|x,y,z,u,v\n", "|"),
            ("任务ID;任务名称\n", ";"),
            ("\"任务;ID\",\"任务\n名称\",a\n", ","),
            ("号码;姓;名;地址\n", ";"),
            ("号码\n", ","),
            ("", ","),
            ("sep=;\r\na,b,c\r\n", ";"),
            ("\"SEP=\t\"\nname\n", "tab"),
        ] {
            let dialect = Dialect::of(start.as_bytes(), None, &Tasks::new(&reading));
            assert_eq!(dialect.delimiter.name(), name, "{start:?}");
            assert_eq!(dialect.has_sep_line, start.to_lowercase().contains("sep="));
        }
    }

    #[test]
    fn a_lone_cr_ends_lines_if_the_first_line_ends_so() {
        for (start, line_end) in [
            ("a,b\r1,2\r", b'\r'),
            ("a,b\r\n1\r2", b'\n'),
            ("a,b\n", b'\n'),
            ("a,\"x\ry\"\n", b'\n'),
            ("a,\"x\ny\"\r1", b'\r'),
            ("a,b\r", b'\n'),
        ] {
            assert_eq!(super::line_end(start.as_bytes()), line_end, "{start:?}");
        }
    }
}
