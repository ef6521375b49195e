//! The names of a record's fields.

use std::borrow::Cow;

use strum::VariantArray;

use crate::{
    domain::{fields::TaskField, labels::check_key, words::Word},
    error::{Reason, Violations},
    redaction::{excerpt, redacted},
};

/// What stands before the key of a label in the names of options.
const OF_LABEL: &str = "labels.";

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

/// What a name in a file or a default stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldOrLabel {
    /// A field.
    Field(Field),
    /// The label with this key, which options name as `labels.KEY`.
    Label(String),
}

impl FieldOrLabel {
    /// Parses the name of a field, or `labels.` with a key.
    pub fn parse(name: &str) -> Result<Self, Reason> {
        if let Some(key) = name.strip_prefix(OF_LABEL) {
            let mut violations = Violations::new();
            check_key(name, key, &mut violations);
            return match violations.into_iter().next() {
                Some(violation) => Err(violation.reason),
                None => Ok(Self::Label(key.to_owned())),
            };
        }
        let field = Field::from_name(name).map(Self::Field);
        field.ok_or_else(|| Reason::UnknownField {
            actual: excerpt(name),
        })
    }

    /// The name in options.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Field(field) => Cow::Borrowed(field.name()),
            Self::Label(key) => Cow::Owned(label_name(key)),
        }
    }
}

/// The name of a label in options and reports.
pub(super) fn label_name(key: &str) -> String {
    format!("{OF_LABEL}{key}")
}

/// Quotes a text for a terminal: at most 40 characters, escaped, with API keys redacted.
pub(super) fn quoted(text: &str) -> String {
    let text = redacted(text);
    let short: String = text.chars().take(40).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", short.escape_debug())
}
