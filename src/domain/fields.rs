//! The fields of a task, and sets of them.

use crate::error::Reason;

/// A field of a task in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum TaskField {
    /// The id.
    TaskId,
    /// The name for people.
    Name,
    /// The first customer ids.
    Target,
    /// The planned start.
    StartTime,
    /// The planned end.
    EndTime,
    /// The status.
    Status,
    /// The progress in percent.
    Progress,
    /// The time of creation.
    CreatedAt,
    /// The time of the last change of any field.
    UpdatedAt,
    /// The number of customers.
    TargetCount,
    /// The actions that the status allows.
    AllowedActions,
    /// The reason of the status.
    StatusReason,
    /// The time of the last change of the status.
    StatusChangedAt,
    /// The number of customers per state.
    TargetCounts,
    /// The version of the task.
    Etag,
}

impl TaskField {
    /// All fields, in the order in which a task has them.
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

    /// The name of the field in the API.
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

    /// The field with this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.word() == word)
    }

    /// The field with this name; the error lists the names.
    pub fn parse(word: &str) -> Result<Self, Reason> {
        Self::from_word(word).ok_or_else(|| Reason::UnknownWord {
            lead: "of",
            allowed: Self::ALL.map(Self::word).to_vec(),
            actual: None,
        })
    }
}

/// A set of fields. The empty set means all fields, because a response without any field would be useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskFields(u16);

impl TaskFields {
    /// Whether the set contains the field.
    pub fn contains(self, field: TaskField) -> bool {
        self.0 == 0 || self.0 & bit(field) != 0
    }

    /// The value if the set contains the field.
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
