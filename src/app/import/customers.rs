//! Customer ids in a cell that a person wrote: separators, blanks and full-width digits.

use super::{report::Repairs, spoilt::trimmed_id, words::half_width};
use crate::domain::text::is_blank;

/// Separators that no id contains, besides `;`.
const SEPARATORS: [char; 5] = ['；', '、', '|', '\n', '\r'];
/// Separators if every part is a number.
const OF_NUMBERS: [char; 2] = [',', '，'];

/// The customer ids of a cell, separated by `separator` if it is given.
pub(super) fn split(cell: &str, separator: Option<&str>, repairs: &mut Repairs) -> Vec<String> {
    if let Some(separator) = separator {
        return cell
            .split(separator)
            .map(|id| repaired(id, repairs))
            .collect();
    }
    // Fast path for cells as our own files have them.
    if !cell.contains(|c| SEPARATORS.contains(&c) || OF_NUMBERS.contains(&c)) {
        return cell.split(';').map(|id| repaired(id, repairs)).collect();
    }
    let mut ids = Vec::new();
    let mut others = cell.contains(SEPARATORS);
    // Lines may end with a separator, or with CRLF.
    let has_lines = cell.contains(['\n', '\r']);
    for part in cell.split(|c| c == ';' || SEPARATORS.contains(&c)) {
        match part {
            part if has_lines && part.trim_matches(is_blank).is_empty() => {}
            part if numbers(part) => {
                others = true;
                ids.extend(part.split(OF_NUMBERS).map(|id| repaired(id, repairs)));
            }
            part => ids.push(repaired(part, repairs)),
        }
    }
    repairs.separators += u64::from(others);
    ids
}

/// Whether a text is several numbers with commas between them. `13,800,138,000` is one number with its digits in groups: one
/// to three, and then always three. So `138,139` is none either.
fn numbers(text: &str) -> bool {
    if !text.contains(OF_NUMBERS) {
        return false;
    }
    let parts = text.split(OF_NUMBERS).map(|part| {
        let part = part.trim_matches(is_blank);
        part.strip_prefix(['+', '＋']).unwrap_or(part)
    });
    let is_digit = |c| half_width(c).is_ascii_digit();
    let is_number = |part: &str| !part.is_empty() && part.chars().all(is_digit);
    let mut lengths = parts.clone().map(|part| part.chars().count());
    let is_grouped = lengths.next().is_some_and(|first| first <= 3) && lengths.all(|n| n == 3);
    !is_grouped && parts.clone().all(is_number)
}

/// An id without surrounding blanks and with half-width digits.
fn repaired(id: &str, repairs: &mut Repairs) -> String {
    let id = trimmed_id(id, &mut repairs.trimmed);
    match half_width_digits(&id) {
        Some(id) => {
            repairs.digits += 1;
            id
        }
        None => id.into_owned(),
    }
}

/// The text with half-width digits, if it has full-width ones. A full-width plus at its beginning goes with them.
pub(super) fn half_width_digits(id: &str) -> Option<String> {
    let is_wide = |c: char| ('０'..='９').contains(&c);
    if id.is_ascii() || !id.contains(is_wide) {
        return None;
    }
    let chars = id.chars().enumerate();
    let chars = chars.map(|(at, c)| match c {
        '＋' if at == 0 => '+',
        c if is_wide(c) => half_width(c),
        c => c,
    });
    Some(chars.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(cell: &str) -> (Vec<String>, Repairs) {
        let mut repairs = Repairs::default();
        (split(cell, None, &mut repairs), repairs)
    }

    #[test]
    fn ids_are_split_at_what_people_write_between_them() {
        for cell in [
            "1380;1390",
            "1380；1390",
            "1380,1390",
            "1380，1390",
            "1380、1390",
            "1380|1390",
            "1380\n1390",
            "1380\r\n1390\r\n",
            "1380; \n1390\n\n",
            " 1380 , 1390 ",
            "１３８０,1390",
        ] {
            let (found, repairs) = ids(cell);
            assert_eq!(found, ["1380", "1390"], "{cell:?}");
            assert_eq!(
                repairs.separators,
                u64::from(cell != "1380;1390"),
                "{cell:?}"
            );
        }
        for cell in [
            "13,800,138,000",
            "138,139",
            "Smith, 12",
            "c1,c2",
            "1380,",
            "a b",
            "a,b",
        ] {
            assert_eq!(ids(cell), (vec![cell.to_owned()], Repairs::default()));
        }
        assert_eq!(ids("1001,102").0, ["1001", "102"]);
        assert_eq!(ids("c1|Smith, 12;1,2").0, ["c1", "Smith, 12", "1", "2"]);
        // An empty id is for the check of ids to report.
        assert_eq!(ids("1380;;1390").0, ["1380", "", "1390"]);
    }

    #[test]
    fn a_separator_that_is_given_is_the_only_one() {
        let mut repairs = Repairs::default();
        let found = split("a|b;c//１d // e", Some("//"), &mut repairs);
        assert_eq!(found, ["a|b;c", "1d", "e"]);
        assert_eq!(
            (repairs.separators, repairs.digits, repairs.trimmed),
            (0, 1, 2)
        );
    }
}
