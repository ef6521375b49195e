//! Filters and orders of lists.

use chrono::{DateTime, Utc};

use super::{
    limits::{MAX_ID_CHARS, MAX_IDS, MAX_NAME_CHARS, check_ids, check_text},
    status::{SomeStatuses, StatusSet},
};
use crate::error::{Reason, Violation, Violations};

/// The time of a task that a date range is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum DateField {
    /// The planned start lies in the range.
    #[default]
    StartTime = 1,
    /// The planned end lies in the range.
    EndTime = 2,
    /// The creation lies in the range.
    CreatedAt = 3,
    /// The last change lies in the range.
    UpdatedAt = 4,
    /// The task's `[start_time, end_time)` overlaps the range: `start_time < end` and `end_time > start`.
    Window = 5,
}

impl DateField {
    /// Every field, in the order of its number.
    pub const ALL: [Self; 5] = [
        Self::StartTime,
        Self::EndTime,
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::Window,
    ];

    /// The documented word.
    pub fn word(self) -> &'static str {
        match self {
            Self::StartTime => "start_time",
            Self::EndTime => "end_time",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::Window => "window",
        }
    }
}

/// A half-open range of time with at least one bound, and the field that it applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateFilter {
    /// The time that must lie in the range, or the window that must overlap it.
    pub field: DateField,
    /// The range.
    pub range: DateRange,
}

/// A half-open range of time. Every variant has a bound, so a range always excludes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateRange {
    /// At or after this instant.
    From(DateTime<Utc>),
    /// Before this instant.
    Until(DateTime<Utc>),
    /// At or after the first instant, and before the second.
    Between(DateTime<Utc>, DateTime<Utc>),
}

impl DateRange {
    /// The range between two bounds; `None` if both are absent.
    pub fn new(start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Option<Self> {
        match (start, end) {
            (None, None) => None,
            (Some(start), None) => Some(Self::From(start)),
            (None, Some(end)) => Some(Self::Until(end)),
            (Some(start), Some(end)) => Some(Self::Between(start, end)),
        }
    }

    /// The inclusive lower and the exclusive upper bound.
    pub fn bounds(self) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        match self {
            Self::From(start) => (Some(start), None),
            Self::Until(end) => (None, Some(end)),
            Self::Between(start, end) => (Some(start), Some(end)),
        }
    }
}

/// The filter of a request. Empty and `None` mean that the field is not set.
#[derive(Debug, Clone, Default)]
pub struct FilterRequest {
    /// The statuses.
    pub statuses: StatusSet,
    /// The field that the range applies to.
    pub date_field: DateField,
    /// Inclusive lower bound of the range.
    pub start: Option<DateTime<Utc>>,
    /// Exclusive upper bound of the range.
    pub end: Option<DateTime<Utc>>,
    /// The id of a customer among the tasks' targets: 1 to [`MAX_ID_CHARS`] characters.
    pub customer_id: Option<String>,
    /// A part of the tasks' names: 1 to [`MAX_NAME_CHARS`] characters.
    pub name: Option<String>,
    /// The tasks' ids: at most [`MAX_IDS`].
    pub task_ids: Vec<String>,
}

impl FilterRequest {
    /// The checked filter. Adds a violation for every invalid value. `at` is the prefix of the fields' names: "" or
    /// "filter.".
    pub fn check(self, at: &str, violations: &mut Violations) -> TaskFilter {
        let Self {
            statuses,
            date_field,
            start,
            end,
            customer_id,
            name,
            task_ids,
        } = self;
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            let field = format!("{at}date_range");
            violations.push(Violation::new(field, Reason::RangeReversed));
        }
        if let Some(customer) = &customer_id {
            let field = format!("{at}customer_id");
            check_text(&field, customer, MAX_ID_CHARS, violations);
        }
        if let Some(name) = &name {
            check_text(&format!("{at}name"), name, MAX_NAME_CHARS, violations);
        }
        check_ids(&format!("{at}task_ids"), &task_ids, 0..=MAX_IDS, violations);
        TaskFilter {
            statuses: SomeStatuses::new(statuses),
            date: DateRange::new(start, end).map(|range| DateFilter {
                field: date_field,
                range,
            }),
            customer_id,
            name,
            task_ids: TaskIds::new(task_ids),
        }
    }
}

/// The condition on the tasks of a list: all [`Condition`]s must hold. The default has none and matches all tasks.
///
/// The fields are private, so [`TaskFilter::conditions`] is the only way to apply a filter. Code that applies one
/// matches each [`Condition`], so that a new kind of condition does not compile until SQL, watches and tokens handle
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    statuses: Option<SomeStatuses>,
    date: Option<DateFilter>,
    customer_id: Option<String>,
    name: Option<String>,
    task_ids: Option<TaskIds>,
}

/// One condition of a filter on a task.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    /// The status is one of these.
    Status(SomeStatuses),
    /// One of the times lies in a range, or the window overlaps it.
    Date(DateFilter),
    /// One of the targets is this customer.
    Customer(&'a str),
    /// The name contains this text, regardless of case.
    NamePart(&'a str),
    /// The id is one of these.
    Id(&'a TaskIds),
}

impl TaskFilter {
    /// The conditions, each kind at most once. Their order must not change, because tokens and
    /// idempotency keys contain a hash of them.
    pub fn conditions(&self) -> impl Iterator<Item = Condition<'_>> {
        let Self {
            statuses,
            date,
            customer_id,
            name,
            task_ids,
        } = self;
        let conditions = [
            statuses.map(Condition::Status),
            date.map(Condition::Date),
            customer_id.as_deref().map(Condition::Customer),
            name.as_deref().map(Condition::NamePart),
            task_ids.as_ref().map(Condition::Id),
        ];
        conditions.into_iter().flatten()
    }

    /// The customer that must be among the tasks' targets.
    pub fn customer_id(&self) -> Option<&str> {
        self.customer_id.as_deref()
    }

    /// The text that the tasks' names must contain.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Replaces the ids of the filter.
    pub fn set_ids(&mut self, task_ids: TaskIds) {
        self.task_ids = Some(task_ids);
    }
}

/// Ids of tasks: at least one, sorted, each once. So the same ids in another order are the same filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskIds(Vec<String>);

impl TaskIds {
    /// The set of these ids; `None` if there are none.
    pub fn new(mut task_ids: Vec<String>) -> Option<Self> {
        task_ids.sort_unstable();
        task_ids.dedup();
        (!task_ids.is_empty()).then_some(Self(task_ids))
    }

    /// The ids, sorted.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether the id is one of them.
    pub fn contains(&self, task_id: &str) -> bool {
        let found = self.0.binary_search_by(|id| id.as_str().cmp(task_id));
        found.is_ok()
    }
}

/// The field that orders a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

impl OrderBy {
    /// Every field, in the order of its number.
    pub const ALL: [Self; 7] = [
        Self::StartTime,
        Self::TaskId,
        Self::EndTime,
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::Name,
        Self::Progress,
    ];

    /// The documented word, which is the column's name too.
    pub fn word(self) -> &'static str {
        match self {
            Self::StartTime => "start_time",
            Self::TaskId => "task_id",
            Self::EndTime => "end_time",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::Name => "name",
            Self::Progress => "progress",
        }
    }
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

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Direction {
    /// Smallest or earliest first.
    #[default]
    Ascending = 1,
    /// Largest or latest first.
    Descending = 2,
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Ascending, Self::Descending];

    /// The documented word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

/// A total order: by the field, ties by task_id, both in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskOrder {
    /// The field.
    pub by: OrderBy,
    /// The direction.
    pub direction: Direction,
}
