//! Ranges of time, and which time of a task must lie in one.

use chrono::{DateTime, Utc};
use strum::{IntoStaticStr, VariantArray};

/// The time of a task that a date range is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
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
    /// The task's `[start_time, end_time)` overlaps the range: `start_time < end` and `end_time >
    /// start`.
    Window = 5,
}

/// A half-open range of time with at least one bound, and the field that it applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateFilter {
    /// The time that must lie in the range, or the window that must overlap it.
    pub field: DateField,
    /// The range.
    pub range: DateRange,
}

/// A half-open range of time. Every variant has a bound, so a range always excludes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
