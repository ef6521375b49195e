//! The list's words as values of flags.

use crate::domain::{
    filter::{DateField, Direction, OrderBy},
    list::CountMode,
    words::of_word,
};

pub(super) fn date_field(word: &str) -> Result<DateField, String> {
    of_word(word, &DateField::ALL, DateField::word)
}

pub(super) fn order_by(word: &str) -> Result<OrderBy, String> {
    of_word(word, &OrderBy::ALL, OrderBy::word)
}

pub(super) fn direction(word: &str) -> Result<Direction, String> {
    of_word(word, &Direction::ALL, Direction::word)
}

pub(super) fn count(word: &str) -> Result<CountMode, String> {
    of_word(word, &CountMode::ALL, CountMode::word)
}
