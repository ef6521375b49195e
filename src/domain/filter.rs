//! Which tasks a list holds and in which order.

use chrono::{DateTime, Utc};

use super::{
    limits::{MAX_ID_CHARS, MAX_IDS, MAX_NAME_CHARS, check_ids, check_text},
    status::StatusSet,
};
use crate::error::{Reason, Violation, Violations};

/// What a date range is held against.
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

/// A half-open range of time with at least one bound, and what it is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateFilter {
    /// What must lie in the range, or overlap it.
    pub field: DateField,
    /// The range.
    pub range: DateRange,
}

/// A half-open range of time; the variants leave no way to write one without a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateRange {
    /// From this instant on.
    From(DateTime<Utc>),
    /// Before this instant.
    Until(DateTime<Utc>),
    /// From the first instant on, before the second.
    Between(DateTime<Utc>, DateTime<Utc>),
}

impl DateRange {
    /// The range between two bounds; `None` where both sides are open.
    pub fn new(start: Option<DateTime<Utc>>, end: Option<DateTime<Utc>>) -> Option<Self> {
        match (start, end) {
            (None, None) => None,
            (Some(start), None) => Some(Self::From(start)),
            (None, Some(end)) => Some(Self::Until(end)),
            (Some(start), Some(end)) => Some(Self::Between(start, end)),
        }
    }

    /// The bounds, first the one that is in the range.
    pub fn bounds(self) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
        match self {
            Self::From(start) => (Some(start), None),
            Self::Until(end) => (None, Some(end)),
            Self::Between(start, end) => (Some(start), Some(end)),
        }
    }
}

/// A filter as a caller asks for it; empty and `None` mean that it said nothing.
#[derive(Debug, Clone, Default)]
pub struct FilterRequest {
    /// The statuses.
    pub statuses: StatusSet,
    /// What the range is held against.
    pub date_field: DateField,
    /// First instant of the range.
    pub start: Option<DateTime<Utc>>,
    /// First instant after the range.
    pub end: Option<DateTime<Utc>>,
    /// The customer that the tasks call.
    pub customer_id: Option<String>,
    /// What the tasks' names contain.
    pub name: Option<String>,
    /// The tasks' ids.
    pub task_ids: Vec<String>,
}

impl FilterRequest {
    /// The filter; what is wrong with the values goes into `faults`, the fields named below `at`, as "" or "filter.".
    pub fn check(self, at: &str, faults: &mut Violations) -> TaskFilter {
        if let (Some(start), Some(end)) = (self.start, self.end)
            && end < start
        {
            let field = format!("{at}date_range");
            faults.push(Violation::new(field, Reason::RangeReversed));
        }
        if let Some(customer) = &self.customer_id {
            check_text(&format!("{at}customer_id"), customer, MAX_ID_CHARS, faults);
        }
        if let Some(name) = &self.name {
            check_text(&format!("{at}name"), name, MAX_NAME_CHARS, faults);
        }
        let mut task_ids = self.task_ids;
        check_ids(&format!("{at}task_ids"), &task_ids, 0..=MAX_IDS, faults);
        // Ids are a set: another order of them is the same filter, to a token too.
        task_ids.sort_unstable();
        task_ids.dedup();
        TaskFilter {
            statuses: self.statuses,
            date: DateRange::new(self.start, self.end).map(|range| DateFilter {
                field: self.date_field,
                range,
            }),
            customer_id: self.customer_id,
            name: self.name,
            task_ids,
        }
    }
}

/// Which tasks of a tenant a list holds. A query destructures it in full, so that no part can be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskFilter {
    /// The statuses; the empty set means all.
    pub statuses: StatusSet,
    /// The range of time; `None` means any.
    pub date: Option<DateFilter>,
    /// A customer that the task calls; `None` means any.
    pub customer_id: Option<String>,
    /// What the name contains, whatever its case; `None` means any name.
    pub name: Option<String>,
    /// The ids, in order, each once; none means all.
    pub task_ids: Vec<String>,
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
    /// By percent done.
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
