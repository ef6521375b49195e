//! The names of a record's fields.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Visitor};

use crate::redaction::redacted;

/// The fields of a record: the nine of the specification, those that lists and exports of this service add, and derived
/// ones, which are accepted but not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    TaskId,
    Name,
    Target,
    StartTime,
    EndTime,
    Status,
    Progress,
    CreatedAt,
    UpdatedAt,
    TargetCount,
    StatusReason,
    StatusChangedAt,
    TargetResults,
    AllowedActions,
    TargetCounts,
    Etag,
}

impl Field {
    pub(super) const ALL: [Self; 16] = [
        Self::TaskId,
        Self::Name,
        Self::Target,
        Self::StartTime,
        Self::EndTime,
        Self::Status,
        Self::Progress,
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::TargetCount,
        Self::StatusReason,
        Self::StatusChangedAt,
        Self::TargetResults,
        Self::AllowedActions,
        Self::TargetCounts,
        Self::Etag,
    ];
    pub(super) const REQUIRED: [Self; 3] = [Self::Name, Self::StartTime, Self::EndTime];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TaskId => "task_id",
            Self::Name => "name",
            Self::Target => "target",
            Self::StartTime => "start_time",
            Self::EndTime => "end_time",
            Self::Status => "status",
            Self::Progress => "progress",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::TargetCount => "target_count",
            Self::StatusReason => "status_reason",
            Self::StatusChangedAt => "status_changed_at",
            Self::TargetResults => "target_results",
            Self::AllowedActions => "allowed_actions",
            Self::TargetCounts => "target_counts",
            Self::Etag => "etag",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
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
