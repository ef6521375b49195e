//! Values by their documented words, and numbers as they are written.

/// True for a whole number in decimal digits, of whatever size.
pub fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

use crate::error::Reason;

/// The value of a word; the error tells which words there are.
pub fn of_word<T: Copy>(
    word: &str,
    all: &[T],
    word_of: fn(T) -> &'static str,
) -> Result<T, Reason> {
    let found = all.iter().find(|value| word_of(**value) == word);
    found.copied().ok_or_else(|| Reason::UnknownWord {
        lead: "one of",
        allowed: all.iter().map(|value| word_of(*value)).collect(),
        actual: None,
    })
}
