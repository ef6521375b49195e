//! CSV cells that a spreadsheet would run.
//!
//! A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return is a formula to a spreadsheet, and names and
//! customer ids come from anybody. An apostrophe before it makes it text. So that the way back is exact, a cell that
//! begins with apostrophes and such a character gets one more, and an import takes one off; `'tis` stays as it is.

/// The text as a cell that no spreadsheet runs: what to write before it.
pub(super) fn guard(text: &str) -> &'static str {
    if is_formula(text) { "'" } else { "" }
}

/// The text of a cell.
pub(super) fn unguarded(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

/// True for a formula behind any number of apostrophes.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'')
        .starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_made_harmless_and_come_back_whole() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+8613800138000", "'+8613800138000"),
            ("-", "'-"),
            ("@x", "'@x"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("'=1", "''=1"),
            ("''-1", "'''-1"),
            ("'tis", "'tis"),
            ("''", "''"),
            ("'", "'"),
            ("a=b", "a=b"),
            (" =1", " =1"),
            ("", ""),
        ] {
            assert_eq!(format!("{}{text}", guard(text)), cell);
            assert_eq!(unguarded(cell), text);
        }
    }
}
