//! Detects ids that spreadsheets and programs have damaged.
//!
//! A customer id is opaque: any text is valid. An id that a blank, a spreadsheet or a wrong separator has changed is
//! thus a customer that does not exist, which nobody notices until a call is missing. Blanks around cells of CSV are
//! removed and counted; damage that cannot be repaired is a violation. Exports of this service are read literally.

use std::borrow::Cow;

use super::field::quoted;
use crate::{
    app::cell::{is_exponent, unguarded},
    domain::text::{is_blank, is_invisible},
    error::{Fault, Reason},
    redaction::excerpt,
};

/// Separators between customer ids that a person typed or pasted into one cell. No id contains them.
const FOREIGN: [char; 8] = ['；', '，', '、', '｜', '\n', '\r', '\u{2028}', '\u{2029}'];
/// What a spreadsheet shows for a formula that failed.
const FAILED: [&str; 7] = [
    "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!",
];
/// Why a number in exponent form is no id.
pub(super) const ROUNDED: &str = "a spreadsheet rounded the number and its digits are lost: make the column text and enter it again";
/// Adjacent numbers of at least this many digits are separate numbers, such as telephone numbers.
const LONG: usize = 7;

/// A cell without surrounding blanks, which are counted, and without the apostrophe of an export.
pub(super) fn trimmed<'a>(cell: &'a str, trims: &mut u64) -> Cow<'a, str> {
    let outer = cell.trim_matches(is_blank);
    let text = unguarded(outer);
    let inner = text.trim_matches(is_blank);
    // Blanks on both sides of the apostrophe count as one repair.
    *trims += u64::from(outer.len() < cell.len() || inner.len() < text.len());
    match text {
        Cow::Borrowed(text) => text.trim_matches(is_blank).into(),
        Cow::Owned(_) => inner.to_owned().into(),
    }
}

/// An id from a cell without surrounding blanks, and without what keeps a spreadsheet from changing digits: `="138"`,
/// `"138"` after a blank, or an apostrophe before them. Any of this counts as one repair.
pub(super) fn trimmed_id<'a>(cell: &'a str, trims: &mut u64) -> Cow<'a, str> {
    let id = trimmed(cell, trims);
    match unwrapped(&id) {
        None => id,
        Some(inner) => {
            *trims += u64::from(id.len() == cell.len());
            inner.to_owned().into()
        }
    }
}

/// What is in the wrapping of an id; `None` if there is none.
fn unwrapped(id: &str) -> Option<&str> {
    if !id.starts_with(['=', '"', '\'']) {
        return None;
    }
    if let Some(number) = id.strip_prefix('\'') {
        let digits = number.strip_prefix('+').unwrap_or(number);
        return digits
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(number);
    }
    let quoted = id.strip_prefix('=').unwrap_or(id);
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let inner = inner.trim_matches(is_blank);
    (!inner.is_empty() && !inner.contains('"')).then_some(inner)
}

/// The fault of a damaged value, for the reason that one of these functions gave.
pub(super) fn damaged(value: &str, why: String) -> Fault {
    let actual = excerpt(value);
    Fault::new(Reason::Damaged { actual }, why)
}

/// Why a task id is damaged; `None` if it is not.
pub(super) fn spoilt_id(id: &str) -> Option<String> {
    hidden(id).or_else(|| of_spreadsheet(id))
}

/// Why a customer id is damaged; `None` if it is not.
pub(super) fn spoilt_customer(id: &str) -> Option<String> {
    // Fast path for nearly all ids.
    if id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    if id.contains(FOREIGN) || is_several(id) {
        let id = quoted(id);
        return Some(format!(
            "looks like several customer ids in one (CSV separates them by ;), was {id}"
        ));
    }
    if id.trim_matches(is_blank).len() < id.len() {
        return Some(format!(
            "must not begin or end with a blank, was {}",
            quoted(id)
        ));
    }
    spoilt_id(id)
}

/// Why a text for people is damaged; `None` if it is not. It may have several lines.
pub(super) fn spoilt_text(text: &str) -> Option<String> {
    let is_bad = |c: &char| c.is_control() && !matches!(c, '\0' | '\t' | '\n' | '\r');
    text.chars().find(is_bad).map(control)
}

/// Finds control and invisible characters. NUL is reported by the general check of texts.
fn hidden(id: &str) -> Option<String> {
    id.chars().find_map(|c| match c {
        '\0' => None,
        c if c.is_control() => Some(control(c)),
        c if is_invisible(c) => Some(format!(
            "must not contain the invisible character U+{:04X}",
            u32::from(c)
        )),
        _ => None,
    })
}

/// The violation for a control character.
fn control(c: char) -> String {
    format!(
        "must not contain the control character U+{:04X}",
        u32::from(c)
    )
}

/// Finds numbers and errors as a spreadsheet writes them.
fn of_spreadsheet(id: &str) -> Option<String> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let what = if is_exponent(id) {
        ROUNDED
    } else if FAILED.contains(&id) || (id.len() > 1 && id.bytes().all(|b| b == b'#')) {
        "a spreadsheet wrote this because it had no value to show"
    } else if id.starts_with("=\"") {
        "it is a formula of a spreadsheet"
    } else if let Some((whole, fraction)) = id.split_once('.')
        && is_digits(whole)
        && whole.len() >= LONG
        && is_digits(fraction)
        && fraction.bytes().all(|b| b == b'0')
    {
        "a program wrote the number as a fraction: make the column text"
    } else {
        return None;
    };
    Some(format!("is not an id: {what}; was {}", quoted(id)))
}

/// Whether the text is several ids with a wrong separator: parts that differ only in their digits (`138|139`,
/// `cust1,cust2`; not `tenant1|cust2`), or long numbers side by side. Other separators cannot be distinguished from
/// characters that belong to an id.
fn is_several(id: &str) -> bool {
    let shape = |part: &str| {
        let is_kept = |c: &char| !c.is_ascii_digit() && !is_blank(*c) && *c != '+' && *c != '\'';
        part.chars().filter(is_kept).collect::<String>()
    };
    let alike = || {
        let mut parts = id.split([',', '|', ';', '\t']);
        let first = parts.next().unwrap_or_default();
        let has_digit = |part: &str| part.contains(|c: char| c.is_ascii_digit());
        let mut others = parts.peekable();
        let shape_of_first = shape(first);
        has_digit(first)
            && others.peek().is_some()
            && others.all(|part| has_digit(part) && shape(part) == shape_of_first)
    };
    let long = || {
        let is_long = |part: &str| {
            let digits = part.strip_prefix('+').unwrap_or(part);
            digits.len() >= LONG && digits.bytes().all(|b| b.is_ascii_digit())
        };
        let mut parts = id.split(|c: char| is_blank(c) || matches!(c, '/' | '\\' | ':'));
        parts.clone().count() > 1 && parts.all(is_long)
    };
    alike() || long()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_ids_are_detected() {
        for (id, reported) in [
            ("13800138000；13900139000", "several"),
            ("张三、李四", "several"),
            ("13800138000,13900139000", "several"),
            ("cust1,cust2", "several"),
            ("c1|c2|c3", "several"),
            ("+8613800138000|13900139000", "several"),
            ("13,800,138,000", "several"),
            ("13800138000;13900139000", "several"),
            ("13800138000 13900139000", "several"),
            ("13800138000/13900139000", "several"),
            ("a\nb", "several"),
            (" a", "blank"),
            ("a\u{a0}", "blank"),
            ("a\u{1}b", "control character U+0001"),
            ("138\u{200b}00", "invisible character U+200B"),
            ("1.38E+10", "spreadsheet rounded"),
            ("1e-7", "spreadsheet rounded"),
            ("1,38E+10", "spreadsheet rounded"),
            ("#N/A", "no value"),
            ("########", "no value"),
            ("13800138000.0", "fraction"),
        ] {
            let why = spoilt_customer(id);
            assert!(
                why.as_ref().is_some_and(|w| w.contains(reported)),
                "{id}: {why:?}"
            );
        }
        for id in [
            "13800138000",
            "+86 138 0013 8000",
            "(010) 6552-9988",
            "cust1001",
            "12E5",
            "E+10",
            "tenant1|cust2",
            "Smith, 12",
            "a;b",
            "a|b",
            "a/1",
            "1.0",
            "2023/03/01",
            "#",
            "客户 1",
            "a b",
            "\0",
            "",
        ] {
            assert_eq!(spoilt_customer(id), None, "{id}");
        }
    }

    #[test]
    fn an_id_is_taken_out_of_the_wrapping_for_a_spreadsheet() {
        for (cell, id, count) in [
            ("=\"13800138000\"", "13800138000", 1),
            (" =\"a 1\" ", "a 1", 1),
            ("'13800138000", "13800138000", 1),
            ("'+86138", "+86138", 0),
            (" \"138\"", "138", 1),
            ("'tis", "'tis", 0),
            ("=\"a\"&\"b\"", "=\"a\"&\"b\"", 0),
            ("=\"\"", "=\"\"", 0),
            ("138", "138", 0),
        ] {
            let mut trims = 0;
            let found = trimmed_id(cell, &mut trims);
            assert_eq!((&*found, trims), (id, count), "{cell:?}");
        }
        assert!(spoilt_customer("=\"a\"&\"b\"").is_some());
    }

    #[test]
    fn a_cell_is_trimmed_once_on_either_side_of_its_apostrophe() {
        for (cell, text, count) in [
            ("a", "a", 0),
            (" a\u{3000}", "a", 1),
            ("\u{feff}\u{202d}138\u{202c}", "138", 1),
            ("'=1", "=1", 0),
            (" ' =1 ", "=1", 1),
            ("'tis", "'tis", 0),
            (" \t", "", 1),
            ("", "", 0),
        ] {
            let mut trims = 0;
            assert_eq!(
                (&*trimmed(cell, &mut trims), trims),
                (text, count),
                "{cell:?}"
            );
        }
    }
}
