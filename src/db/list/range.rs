//! Ranges of time, as statements have them.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{QueryResult, pg::Pg, query_builder::AstPass};

use crate::{
    db::sql::{Part, sql},
    domain::filter::{DateField, DateFilter, DateRange},
};

/// A range of time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Range {
    /// A column lies in it.
    Column(ColumnRange),
    /// Windows overlap it. Only those with both bounds: with one, the other holds for every task, and a column is left.
    Window(WindowRange),
}

/// `column >= lower AND column < upper`; `>` where the end of a window is compared, which is not a part of it.
///
/// An open side is a bound beyond all tasks: PostgreSQL takes a range with two bounds for a narrow one and uses its index,
/// and takes one with a single bound for a third of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnRange {
    pub(super) column: &'static str,
    lower_operator: &'static str,
    lower: DateTime<Utc>,
    upper: DateTime<Utc>,
}

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
        let (column, lower_operator) = match (field, range) {
            (DateField::Window, DateRange::Between(start, end)) => {
                return Self::Window(WindowRange { start, end });
            }
            (DateField::Window, DateRange::From(_)) => ("end_time", ">"),
            (DateField::Window, DateRange::Until(_)) => ("start_time", ">="),
            (DateField::StartTime, _) => ("start_time", ">="),
            (DateField::EndTime, _) => ("end_time", ">="),
            (DateField::CreatedAt, _) => ("created_at", ">="),
            (DateField::UpdatedAt, _) => ("updated_at", ">="),
        };
        Self::Column(ColumnRange {
            column,
            lower_operator,
            lower: start.unwrap_or(before_all()),
            upper: end.unwrap_or(after_all()),
        })
    }
}

impl ColumnRange {
    /// The bounds that exclude tasks.
    pub(super) fn bounds(self) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
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
            lower_operator,
            lower,
            upper,
        } = self;
        sql!(out, " AND t." [column] [lower_operator] {lower} " AND t." [column] "<" {upper})
    }
}

/// Before every task there can be.
pub(super) fn before_all() -> DateTime<Utc> {
    year(0)
}

/// After every task there can be.
fn after_all() -> DateTime<Utc> {
    year(10_001)
}

fn year(year: i32) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(year, 1, 1).expect("every year has a first of January");
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}
