//! Values by their words, and numbers in decimal digits.

/// Whether the text is a whole number in decimal digits, of any size.
pub fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

use crate::error::Reason;

/// The value with this word; the error lists the allowed words.
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
