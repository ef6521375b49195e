//! The names of a record's fields.

use strum::VariantArray;

use crate::{
    domain::{fields::TaskField, words::Word},
    redaction::redacted,
};

/// A field of a record: one of a task's, as lists and exports of this service have them, or the
/// results of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A field of a task.
    Task(TaskField),
    /// The results of the calls.
    TargetResults,
}

impl Field {
    /// The number of fields.
    pub(super) const COUNT: usize = TaskField::VARIANTS.len() + 1;
    pub(super) const REQUIRED: [TaskField; 3] =
        [TaskField::Name, TaskField::StartTime, TaskField::EndTime];

    /// All fields.
    pub fn all() -> impl Iterator<Item = Self> {
        TaskField::all()
            .map(Self::Task)
            .chain([Self::TargetResults])
    }

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task(field) => field.word(),
            Self::TargetResults => "target_results",
        }
    }

    /// The field with exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
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

/// Quotes a text for a terminal: at most 40 characters, escaped, with API keys redacted.
pub(super) fn quoted(text: &str) -> String {
    let text = redacted(text);
    let short: String = text.chars().take(40).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", short.escape_debug())
}
