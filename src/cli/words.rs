//! Parsers of the words that flags share with the API.

use crate::{
    domain::{
        date_range::DateField, fields::OrderBy, list::CountMode, order::Direction, words::of_word,
    },
    error::Reason,
};

pub(super) fn date_field(word: &str) -> Result<DateField, Reason> {
    of_word(word, &DateField::ALL, DateField::word)
}

pub(super) fn order_by(word: &str) -> Result<OrderBy, Reason> {
    of_word(word, &OrderBy::ALL, OrderBy::word)
}

pub(super) fn direction(word: &str) -> Result<Direction, Reason> {
    of_word(word, &Direction::ALL, Direction::word)
}

pub(super) fn count(word: &str) -> Result<CountMode, Reason> {
    of_word(word, &CountMode::ALL, CountMode::word)
}
