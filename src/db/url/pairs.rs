//! The form `host=… user=…` (PostgreSQL, "Keyword/Value Connection Strings").

use std::{iter::Peekable, str::Chars};

/// The pairs of a text; `None` if it has another form.
pub(super) fn split(text: &str) -> Option<Vec<(String, String)>> {
    let mut rest = text.chars().peekable();
    let mut pairs = Vec::new();
    loop {
        skip_space(&mut rest);
        if rest.peek().is_none() {
            return Some(pairs);
        }
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(c);
        }
        skip_space(&mut rest);
        rest.next_if_eq(&'=')?;
        skip_space(&mut rest);
        let is_quoted = rest.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        while let Some(c) = rest.next_if(|c| match is_quoted {
            true => *c != '\'',
            false => !c.is_whitespace(),
        }) {
            match c {
                '\\' => value.extend(rest.next()),
                _ => value.push(c),
            }
        }
        if is_quoted {
            rest.next_if_eq(&'\'')?;
        } else if value.is_empty() {
            return None;
        }
        pairs.push((name, value));
    }
}

fn skip_space(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

/// A text with these pairs.
pub(super) fn join<'a>(pairs: impl Iterator<Item = &'a (String, String)>) -> String {
    let quote = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}='{}'", quote(value)))
        .collect();
    pairs.join(" ")
}
