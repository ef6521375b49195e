//! Finds API keys in the texts of callers, so that no log line and no answer repeats one.
//!
//! [`domain::key`](crate::domain::key) describes the form of a key. What identifies one in a text is here, below
//! everything that writes texts.

use std::collections::BTreeSet;

/// The prefix of every key.
pub(crate) const PREFIX: &str = "otk_";
/// Crockford's Base32 alphabet in lower case, without letters that are easily confused.
pub(crate) const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many random characters a key's secret has.
pub(crate) const SECRET_CHARS: usize = 36;

/// A secret has more different letters than this.
const FEW_LETTERS: usize = 10;

/// A caller's text in a form that is safe to log and to return; replaced if it contains a key.
pub fn redacted(text: &str) -> &str {
    if holds_key(text) { "a key" } else { text }
}

/// A caller's text as part of an answer: at most 64 characters, on one line, and without a key that was sent by
/// mistake.
pub fn excerpt(text: &str) -> String {
    const MOST: usize = 64;
    let text = redacted(text);
    let mut excerpt: String = text
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST).is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// True for a text that holds a key, or so much of one that it gives the key away: the prefix that every key begins
/// with, or the random part of a secret, from which the checksum follows. A run of hexadecimal digits of that length is
/// a digest or a trace's id: one random part of 2³⁶ is made of these alone. A run with few different letters is a text
/// such as `aaaa…`: one random part of 2³⁴ has so few. Upper and lower case count as the same.
pub fn holds_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_letter = |byte: &u8| ALPHABET.contains(&byte.to_ascii_lowercase());
    let different = |run: &[u8]| {
        let letters = run.iter().map(u8::to_ascii_lowercase);
        letters.collect::<BTreeSet<u8>>().len()
    };
    let is_secret = |run: &[u8]| {
        run.len() >= SECRET_CHARS
            && !run.iter().all(u8::is_ascii_hexdigit)
            && different(run) > FEW_LETTERS
    };
    let prefix = PREFIX.as_bytes();
    bytes
        .windows(prefix.len())
        .any(|part| part.eq_ignore_ascii_case(prefix))
        || bytes.split(|byte| !is_letter(byte)).any(is_secret)
}
