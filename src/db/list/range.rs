//! Ranges of time in statements.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use crate::{
    db::sql::{Part, sql},
    domain::date_range::{DateField, DateFilter, DateRange},
};

/// A range of time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Range {
    /// The value of a column lies in the range.
    Column(ColumnRange),
    /// The window overlaps the range. Only for two bounds: with one, the range is a condition on one column.
    Window(WindowRange),
}

/// `column >= lower AND column < upper`.
///
/// An open side gets a bound beyond all tasks. PostgreSQL estimates that a range with two bounds is narrow and uses its
/// index. It estimates a range with one bound as a third of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnRange {
    pub(super) column: &'static str,
    lower: DateTime<Utc>,
    upper: DateTime<Utc>,
}

/// An inclusive lower and an exclusive upper bound.
pub(super) type TimeBounds = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// Windows that overlap `[start, end)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowRange {
    pub(super) start: DateTime<Utc>,
    pub(super) end: DateTime<Utc>,
}

impl Range {
    pub(super) fn new(filter: DateFilter) -> Self {
        let DateFilter { field, range } = filter;
        let (start, end) = range.bounds();
        let (column, start) = match (field, range) {
            (DateField::Window, DateRange::Between(start, end)) => {
                return Self::Window(WindowRange { start, end });
            }
            // A window does not include its end: it must end after `start`. Times have whole microseconds.
            (DateField::Window, DateRange::From(start)) => {
                ("end_time", Some(start + TimeDelta::microseconds(1)))
            }
            (DateField::Window, DateRange::Until(_)) => ("start_time", None),
            (DateField::StartTime, _) => ("start_time", start),
            (DateField::EndTime, _) => ("end_time", start),
            (DateField::CreatedAt, _) => ("created_at", start),
            (DateField::UpdatedAt, _) => ("updated_at", start),
        };
        Self::Column(ColumnRange {
            column,
            lower: start.unwrap_or(before_all()),
            upper: end.unwrap_or(after_all()),
        })
    }
}

impl ColumnRange {
    /// The bounds that exclude tasks, without those beyond all tasks.
    pub(super) fn bounds(self) -> TimeBounds {
        let Self { lower, upper, .. } = self;
        (
            (lower > before_all()).then_some(lower),
            (upper < after_all()).then_some(upper),
        )
    }
}

/// The condition on a row `t`, beginning with AND.
impl<'b> Part<'b> for &'b Range {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        match self {
            Range::Column(range) => range.push(out),
            Range::Window(WindowRange { start, end }) => {
                sql!(out, " AND t.start_time < " {end} " AND t.end_time > " {start})
            }
        }
    }
}

/// The condition on a row `t`, beginning with AND.
impl<'b> Part<'b> for &'b ColumnRange {
    fn push(self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let ColumnRange {
            column,
            lower,
            upper,
        } = self;
        sql!(out, " AND t." [column] ">=" {lower} " AND t." [column] "<" {upper})
    }
}

/// Requests and imports accept times in the years 1 to 9999 only.
/// An instant before every possible task.
pub(super) fn before_all() -> DateTime<Utc> {
    year(0)
}

/// An instant after every possible task.
fn after_all() -> DateTime<Utc> {
    year(10_001)
}

fn year(year: i32) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(year, 1, 1).expect("every year has a first of January");
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}
