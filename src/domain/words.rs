//! Enums whose values have words, and numbers in decimal digits.

use std::{iter::Copied, slice::Iter};

use strum::VariantArray;

use crate::error::Reason;

/// An enum whose values have words, which callers use and the database stores. strum derives the
/// words from the names of the variants, so a variant that is renamed needs its old word as an
/// attribute.
pub trait Word: VariantArray + Copy + Into<&'static str> {
    /// The word of the value.
    fn word(self) -> &'static str {
        self.into()
    }

    /// All values, in the order of the enum.
    fn all() -> Copied<Iter<'static, Self>> {
        Self::VARIANTS.iter().copied()
    }

    /// The words of all values, in the order of the enum.
    fn words() -> Vec<&'static str> {
        Self::all().map(Self::word).collect()
    }

    /// The value with this word.
    fn from_word(word: &str) -> Option<Self> {
        Self::all().find(|value| value.word() == word)
    }

    /// The value with this word; the error lists the allowed words.
    fn parse(word: &str) -> Result<Self, Reason> {
        Self::from_word(word).ok_or_else(|| Reason::UnknownWord {
            lead: "one of",
            allowed: Self::words(),
            actual: None,
        })
    }
}

impl<T: VariantArray + Copy + Into<&'static str>> Word for T {}

/// Whether the text is a whole number in decimal digits, of any size.
pub fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
