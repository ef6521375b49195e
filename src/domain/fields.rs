//! The fields of a task by their names: what each holds, sets of them, their values, and those that
//! order lists.
//!
//! Code that treats all fields alike goes by [`TaskField::kind`] and [`FieldValue`] and names no
//! field: the JSON form, both formats of exports, the reader of imports, the tables of commands.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use strum::{IntoStaticStr, VariantArray};

use super::{labels::Labels, target::TargetCounts, words::Word};
use crate::error::Reason;

/// A field of a task in the API. JSON and files have the fields in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
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
    /// The labels.
    Labels,
    /// The id of the task that it was copied from.
    CopiedFrom,
    /// When a result was last stored.
    LastResultAt,
}

/// How files hold a field: exports write it so, and imports read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A text, a word or a time.
    Text,
    /// A whole number from 0 to this one.
    Number(i32),
    /// The customer ids.
    Targets,
    /// The labels.
    Labels,
    /// The service derives the field from others. Exports leave it out, and imports do not read it.
    Derived,
}

/// The value of a field.
#[derive(Debug, Clone)]
pub enum FieldValue<'a> {
    /// An id, or a word of the API.
    Word(Cow<'a, str>),
    /// Several words of the API.
    Words(Vec<&'static str>),
    /// A text of people.
    Text(&'a str),
    /// Customer ids.
    Ids(&'a [String]),
    /// A time.
    Time(DateTime<Utc>),
    /// A number.
    Number(i32),
    /// A number of percent.
    Percent(i32),
    /// The number of customers per state.
    Counts(TargetCounts),
    /// Labels.
    Labels(Cow<'a, Labels>),
    /// No value.
    Absent,
}

impl<'a> FieldValue<'a> {
    /// An id, or a word of the API.
    pub fn word(word: &'a str) -> Self {
        Self::Word(Cow::Borrowed(word))
    }
}

impl TaskField {
    /// How files hold the field.
    pub const fn kind(self) -> FieldKind {
        match self {
            Self::TaskId
            | Self::Name
            | Self::StartTime
            | Self::EndTime
            | Self::Status
            | Self::CreatedAt
            | Self::UpdatedAt
            | Self::StatusReason
            | Self::StatusChangedAt
            | Self::CopiedFrom => FieldKind::Text,
            Self::Progress => FieldKind::Number(100),
            Self::TargetCount => FieldKind::Number(i32::MAX),
            Self::Target => FieldKind::Targets,
            Self::Labels => FieldKind::Labels,
            Self::AllowedActions | Self::TargetCounts | Self::Etag | Self::LastResultAt => {
                FieldKind::Derived
            }
        }
    }

    /// The field with this name; the error lists the names.
    pub fn parse(word: &str) -> Result<Self, Reason> {
        Self::from_word(word).ok_or_else(|| Reason::UnknownWord {
            lead: "of",
            allowed: Self::words(),
            actual: None,
        })
    }
}

/// A set of fields. The empty set means all fields, because a response without any field would be useless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct TaskFields(u32);

impl TaskFields {
    /// The fields of an export: all but those that are derived from others.
    pub const EXPORTED: Self = {
        let (mut set, mut index) = (0, 0);
        while index < TaskField::VARIANTS.len() {
            let field = TaskField::VARIANTS[index];
            if !matches!(field.kind(), FieldKind::Derived) {
                set |= bit(field);
            }
            index += 1;
        }
        Self(set)
    };

    /// The fields of the set, in the order of [`TaskField`].
    pub fn iter(self) -> impl Iterator<Item = TaskField> {
        TaskField::all().filter(move |field| self.contains(*field))
    }

    /// Whether the set contains the field.
    pub fn contains(self, field: TaskField) -> bool {
        self.0 == 0 || self.0 & bit(field) != 0
    }

    /// The value if the set contains the field.
    pub fn pick<T>(self, field: TaskField, value: T) -> Option<T> {
        self.contains(field).then_some(value)
    }
}

const fn bit(field: TaskField) -> u32 {
    1 << (field as u8)
}

impl FromIterator<TaskField> for TaskFields {
    fn from_iter<I: IntoIterator<Item = TaskField>>(fields: I) -> Self {
        Self(fields.into_iter().fold(0, |set, f| set | bit(f)))
    }
}

/// The field that orders a list. Its word is the column's name too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum OrderBy {
    /// By planned start.
    #[default]
    StartTime = 1,
    /// By id.
    TaskId = 2,
    /// By planned end.
    EndTime = 3,
    /// By creation.
    CreatedAt = 4,
    /// By last change.
    UpdatedAt = 5,
    /// By name.
    Name = 6,
    /// By progress, in percent.
    Progress = 7,
}

/// What kind of values a field that orders a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKind {
    /// Times.
    Time,
    /// Texts.
    Text,
    /// Small numbers.
    Number,
    /// The ids of the tasks, which need no second field for ties.
    TaskId,
}

impl OrderBy {
    /// What kind of values the field has.
    pub fn kind(self) -> SortKind {
        match self {
            Self::StartTime | Self::EndTime | Self::CreatedAt | Self::UpdatedAt => SortKind::Time,
            Self::Name => SortKind::Text,
            Self::Progress => SortKind::Number,
            Self::TaskId => SortKind::TaskId,
        }
    }
}
