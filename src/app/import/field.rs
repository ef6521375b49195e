//! The names of a record's fields.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Visitor};
use strum::VariantArray;

use crate::{
    domain::{fields::TaskField, words::Word},
    redaction::redacted,
};

/// A field of a record: one of a task's, as lists and exports of this service have them, or the
/// results of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Task(TaskField),
    TargetResults,
}

impl Field {
    /// The number of fields.
    pub(super) const COUNT: usize = TaskField::VARIANTS.len() + 1;
    pub(super) const REQUIRED: [TaskField; 3] =
        [TaskField::Name, TaskField::StartTime, TaskField::EndTime];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Task(field) => field.word(),
            Self::TargetResults => "target_results",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        let results = Some(Self::TargetResults).filter(|field| field.name() == name);
        results.or_else(|| TaskField::from_word(name).map(Self::Task))
    }

    /// The ordinal of the field, below [`Self::COUNT`].
    pub(super) fn ordinal(self) -> usize {
        match self {
            Self::Task(field) => field as usize,
            Self::TargetResults => TaskField::VARIANTS.len(),
        }
    }
}

/// Deserializes a field name; `Err` holds the quoted unknown name.
pub(super) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Result<Field, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Result<Field, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Field::from_name(name).ok_or_else(|| quoted(name)))
    }
}

/// Quotes a text for a terminal: at most 40 characters, escaped, with API keys redacted.
pub(super) fn quoted(text: &str) -> String {
    let text = redacted(text);
    let short: String = text.chars().take(40).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", short.escape_debug())
}
