//! The orders of lists.

use chrono::{DateTime, Utc};
use strum::{IntoStaticStr, VariantArray};

use super::fields::OrderBy;

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, IntoStaticStr, VariantArray)]
#[repr(u8)]
pub enum Direction {
    /// Smallest or earliest first.
    #[default]
    #[strum(serialize = "asc")]
    Ascending = 1,
    /// Largest or latest first.
    #[strum(serialize = "desc")]
    Descending = 2,
}

/// A total order: by the field, ties by task_id, both in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct TaskOrder {
    /// The field.
    pub by: OrderBy,
    /// The direction.
    pub direction: Direction,
}

/// The value of the field that orders a list, at one task.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SortValue {
    /// A time, such as start_time.
    Time(DateTime<Utc>),
    /// A text, such as name.
    Text(String),
    /// A number, such as progress.
    Number(i16),
    /// The list is ordered by task_id alone.
    TaskId,
}
