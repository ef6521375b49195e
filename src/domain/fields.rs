//! Which fields of a task an answer holds.

use crate::error::Reason;

/// A field of a task, as callers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum TaskField {
    /// The id.
    TaskId,
    /// What people call it.
    Name,
    /// The first customer ids.
    Target,
    /// Planned start.
    StartTime,
    /// Planned end.
    EndTime,
    /// Where it is in its life.
    Status,
    /// Percent done.
    Progress,
    /// When it was made.
    CreatedAt,
    /// When anything in it last changed.
    UpdatedAt,
    /// How many customers there are.
    TargetCount,
    /// What can be done with it.
    AllowedActions,
    /// Why the status is what it is.
    StatusReason,
    /// When the status last changed.
    StatusChangedAt,
    /// How many customers were called, and with what result.
    TargetCounts,
    /// The version.
    Etag,
}

impl TaskField {
    /// Every field, in the order in which a task shows them.
    pub const ALL: [Self; 15] = [
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
        Self::AllowedActions,
        Self::StatusReason,
        Self::StatusChangedAt,
        Self::TargetCounts,
        Self::Etag,
    ];

    /// The documented name.
    pub fn word(self) -> &'static str {
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
            Self::AllowedActions => "allowed_actions",
            Self::StatusReason => "status_reason",
            Self::StatusChangedAt => "status_changed_at",
            Self::TargetCounts => "target_counts",
            Self::Etag => "etag",
        }
    }

    /// The field of a documented name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.word() == word)
    }

    /// The same; the error tells which names there are.
    pub fn parse(word: &str) -> Result<Self, Reason> {
        Self::from_word(word).ok_or_else(|| Reason::UnknownWord {
            lead: "of",
            allowed: Self::ALL.map(Self::word).to_vec(),
            actual: None,
        })
    }
}

/// A set of fields. The default is all of them, and so is the empty set: an answer without a field is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskFields(u16);

impl TaskFields {
    /// True where an answer holds the field.
    pub fn contains(self, field: TaskField) -> bool {
        self.0 == 0 || self.0 & bit(field) != 0
    }

    /// The value where an answer holds the field.
    pub fn pick<T>(self, field: TaskField, value: T) -> Option<T> {
        self.contains(field).then_some(value)
    }
}

fn bit(field: TaskField) -> u16 {
    1 << (field as u8)
}

impl FromIterator<TaskField> for TaskFields {
    fn from_iter<I: IntoIterator<Item = TaskField>>(fields: I) -> Self {
        Self(fields.into_iter().fold(0, |set, f| set | bit(f)))
    }
}
