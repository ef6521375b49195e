//! Guards CSV cells against being run as formulas by a spreadsheet.
//!
//! Names and customer ids come from anybody, and spreadsheets run a cell that begins with `=`, `+`, `-` or `@` as a
//! formula. An apostrophe before it makes it text. These beginnings are guarded (OWASP, "CSV Injection"):
//!
//! - the full-width signs `＝ ＋ － ＠` too, and a tab, CR or LF at the beginning of a cell;
//! - a sign after blanks. Excel treats such a cell as text, but Google Sheets, converters to XLSX
//!   and people who clean up columns remove the blanks. Quotes are skipped too, because a reader
//!   that splits elsewhere takes them as its own;
//! - each part of a cell after `;`, a tab or a line break. A spreadsheet of a locale that writes
//!   0,5 splits at `;`, others at tabs if configured so, and then they ignore quotes inside of
//!   cells. So every customer id of a target cell and every line of a name is guarded.
//!
//! Guarding is reversible: a part that already has apostrophes before such a beginning gets one more, and an import
//! removes one; `'tis` stays unchanged. Older versions guarded only the first character of a cell, and neither LF nor
//! full-width signs. Their files are read correctly, except for a text that itself has an apostrophe before a beginning
//! that was not guarded then (a second customer id `'=1`, a name `'＝1`): it loses that apostrophe.

use std::borrow::Cow;

use crate::domain::text::is_blank;

/// The characters at which a spreadsheet may split a cell, besides the comma, which quotes protect.
const SEPARATORS: [char; 4] = [';', '\t', '\n', '\r'];
const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// The parts of a text, each with whether it needs an apostrophe.
pub(super) fn guarded(text: &str) -> impl Iterator<Item = (bool, &str)> {
    parts(text).map(|(rest, part)| (is_run(rest, part), part))
}

/// Whether the cell needs quotes.
pub(super) fn needs_quotes(text: &str) -> bool {
    text.contains(['"', ',', ';', '\t', '\n', '\r'])
}

/// Whether the text is a number in the exponent form of spreadsheets, such as `1.38E+10`. Spreadsheets always write the
/// sign of the exponent; people do not (`12E5`).
pub(super) fn is_exponent(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    // Fast path for nearly all texts.
    if !digits.bytes().next().is_some_and(|b| is_digit(&b)) {
        return false;
    }
    let Some((number, exponent)) = digits.split_once(['e', 'E']) else {
        return false;
    };
    let is_signed = exponent.strip_prefix(['+', '-']);
    is_signed.is_some_and(|e| !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()))
        && number
            .bytes()
            .all(|b| is_digit(&b) || b == b'.' || b == b',')
}

/// The original text of a guarded cell.
pub(super) fn unguarded(cell: &str) -> Cow<'_, str> {
    if !cell.contains('\'') || parts(cell).all(|(whole, part)| stripped(whole, part).is_none()) {
        return cell.into();
    }
    let parts = parts(cell).map(|(whole, part)| stripped(whole, part).unwrap_or(part));
    parts.collect::<String>().into()
}

/// The text as a cell that spreadsheets do not run, as those of workbooks: guarded only where [`unguarded`] would otherwise
/// change it.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if let Cow::Borrowed(same) = unguarded(text) {
        return same.into();
    }
    let mut cell = String::with_capacity(text.len() + 2);
    for (is_run, part) in guarded(text) {
        if is_run {
            cell.push('\'');
        }
        cell.push_str(part);
    }
    cell.into()
}

/// A guarded part without its apostrophe; `None` if it is not guarded.
fn stripped<'a>(whole: Option<&str>, part: &'a str) -> Option<&'a str> {
    let inner = part.strip_prefix('\'')?;
    let whole = whole.and_then(|cell| cell.strip_prefix('\''));
    is_run(whole, inner).then_some(inner)
}

/// Adds the missing apostrophes to a row of foreign CSV and leaves the rest unchanged. An import reads both rows alike,
/// unless the row is malformed.
pub(super) fn guarded_row(row: &[u8], delimiter: u8) -> Vec<u8> {
    #[derive(PartialEq)]
    enum At {
        Cell,
        Part,
        Inside,
    }
    let (mut at, mut is_quoted_cell, mut is_quoted) = (At::Cell, false, false);
    let mut out = Vec::with_capacity(row.len());
    for (index, &byte) in row.iter().enumerate() {
        if at == At::Cell && !is_quoted_cell && byte == b'"' {
            (is_quoted_cell, is_quoted) = (true, true);
            out.push(byte);
            continue;
        }
        if at != At::Inside && byte != b'\'' {
            let rest = &row[index..];
            let is_end = |b: &u8| match at {
                At::Cell => *b == delimiter || *b == b';',
                _ => *b == delimiter || matches!(b, b';' | b'\t' | b'\n' | b'\r'),
            };
            let part = &rest[..rest.iter().position(is_end).unwrap_or(rest.len())];
            // Signs are valid UTF-8, so an invalid rest cannot begin with one.
            let part = part.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            if is_run((at == At::Cell).then_some(part), part) {
                out.push(b'\'');
            }
        }
        out.push(byte);
        at = match byte {
            b'"' if is_quoted_cell => {
                is_quoted = !is_quoted;
                At::Inside
            }
            byte if byte == delimiter && !is_quoted => {
                is_quoted_cell = false;
                At::Cell
            }
            b';' | b'\t' | b'\n' | b'\r' => At::Part,
            _ => At::Inside,
        };
    }
    out
}

/// The parts of a text. The first one comes with the whole text, because the rule for beginnings of cells needs it.
fn parts(text: &str) -> impl Iterator<Item = (Option<&str>, &str)> {
    let parts = text.split_inclusive(SEPARATORS).enumerate();
    parts.map(move |(number, part)| ((number == 0).then_some(text), part))
}

/// Whether a spreadsheet would run the part; `whole` is the cell that the part begins.
fn is_run(whole: Option<&str>, part: &str) -> bool {
    let is_skipped = |c: char| is_blank(c) || c.is_control() || matches!(c, '\'' | '"');
    let begins = |text: &str| text.trim_start_matches(is_skipped).starts_with(SIGNS);
    match whole {
        None => begins(part),
        Some(cell) => {
            let plain = cell.trim_start_matches('\'');
            plain.starts_with(['\t', '\r', '\n']) || begins(cell)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut cell = String::new();
        for (is_run, part) in guarded(text) {
            cell.push_str(if is_run { "'" } else { "" });
            cell.push_str(part);
        }
        cell
    }

    #[test]
    fn formulas_are_made_harmless_and_come_back_whole() {
        for (text, wanted) in [
            ("=1+1", "'=1+1"),
            ("+8613800138000", "'+8613800138000"),
            ("-", "'-"),
            ("@x", "'@x"),
            ("＝1", "'＝1"),
            ("＠x", "'＠x"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("\nx", "'\nx"),
            (" =1", "' =1"),
            ("\u{3000}\u{200b}=1", "'\u{3000}\u{200b}=1"),
            ("\"=1", "'\"=1"),
            ("'=1", "''=1"),
            ("''-1", "'''-1"),
            ("a;=1;b;'+2", "a;'=1;b;''+2"),
            ("one\n- two\r\n\n= three", "one\n'- two\r\n\n'= three"),
            ("'tis", "'tis"),
            ("''", "''"),
            ("'", "'"),
            ("a=b", "a=b"),
            (" a", " a"),
            ("", ""),
        ] {
            assert_eq!(cell(text), wanted);
            assert_eq!(unguarded(wanted), text);
        }
    }

    /// All texts of these characters with up to six characters.
    fn texts() -> Vec<String> {
        let mut texts = vec![String::new()];
        let mut from = 0;
        for _ in 0..6 {
            let to = texts.len();
            for at in from..to {
                for char in ['\'', '=', ';', '\n', '"', 'a'] {
                    texts.push(format!("{}{char}", texts[at]));
                }
            }
            from = to;
        }
        texts
    }

    #[test]
    fn every_text_comes_back_and_no_part_of_a_cell_is_run() {
        for text in texts() {
            let cell = cell(&text);
            assert_eq!(unguarded(&cell), text);
            assert_eq!(unguarded(&kept(&text)), text);
            for part in cell.split([';', '\n']) {
                let bare = part.trim_start_matches(is_blank);
                assert!(
                    !bare.starts_with(['=', '"']) || !begins_run(part),
                    "{cell:?}"
                );
            }
        }
        fn begins_run(part: &str) -> bool {
            is_run(None, part)
        }
    }

    /// Older versions guarded a cell by its first character only.
    #[test]
    fn older_cells_read_as_they_were_meant() {
        let mut others = 0;
        for text in texts() {
            let is_guarded = text.trim_start_matches('\'').starts_with('=');
            let older = format!("{}{text}", if is_guarded { "'" } else { "" });
            let is_odd = text
                .split_inclusive(SEPARATORS)
                .any(|part| part.starts_with('\'') && part.contains(['=', '\n']));
            match unguarded(&older) == text {
                true => {}
                false if is_odd => others += 1,
                false => panic!("{text:?}"),
            }
        }
        assert!(others > 0);
    }

    #[test]
    fn a_row_is_guarded_where_it_stands() {
        for (row, wanted) in [
            ("a,b;c,1", "a,b;c,1"),
            ("=1,a,+2", "'=1,a,'+2"),
            ("'=1,'tis,''-1", "'=1,'tis,''-1"),
            ("\"=1\",\"a,=b\",\"\"", "\"'=1\",\"a,=b\",\"\""),
            ("\"\"\"=1\"", "\"'\"\"=1\""),
            ("\"a\n=1\",x;-2", "\"a\n'=1\",x;'-2"),
            ("5\" =,=1", "5\" =,'=1"),
            ("\"\"=1,a", "\"'\"=1,a"),
            (" =1,\u{a0}＝", "' =1,'\u{a0}＝"),
        ] {
            assert_eq!(
                guarded_row(row.as_bytes(), b','),
                wanted.as_bytes(),
                "{row}"
            );
        }
        assert_eq!(guarded_row(b"\xc8\xfd=1,=\xc8", b','), b"\xc8\xfd=1,'=\xc8");
    }
}
