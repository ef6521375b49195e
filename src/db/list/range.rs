//! Ranges of time, as the list's statement has them.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::domain::filter::{DateField, DateFilter, DateRange};

/// A range of time as the database is asked for it. An open side is a bound beyond all tasks: PostgreSQL takes a range
/// with two bounds for a narrow one and uses its index, and takes one with a single bound for a third of the table.
#[derive(Debug)]
pub(super) enum Range {
    /// `column operator lower AND column < upper`; `>` for the window's own end.
    Column(&'static str, &'static str, DateTime<Utc>, DateTime<Utc>),
    /// Windows that overlap `[start, end)`: the values of `window_class` to look at, and for each the start that a
    /// window must lie after to be open still.
    Window(DateTime<Utc>, DateTime<Utc>, Vec<i16>, Vec<DateTime<Utc>>),
}

impl Range {
    /// `statuses` are all that the list wants, named one by one.
    pub(super) fn new(filter: DateFilter, statuses: &[i16]) -> Self {
        let DateFilter { field, range } = filter;
        let (start, end) = range.bounds();
        let (lower, upper) = (start.unwrap_or(before_all()), end.unwrap_or(after_all()));
        let column = match (field, range) {
            (DateField::Window, DateRange::Between(start, end)) => {
                let (classes, earliest) = classes(statuses, start);
                return Self::Window(start, end, classes, earliest);
            }
            // One bound of the window's overlap: the other holds for every task.
            (DateField::Window, DateRange::From(_)) => {
                return Self::Column("end_time", ">", lower, upper);
            }
            (DateField::Window, DateRange::Until(_)) => "start_time",
            (DateField::StartTime, _) => "start_time",
            (DateField::EndTime, _) => "end_time",
            (DateField::CreatedAt, _) => "created_at",
            (DateField::UpdatedAt, _) => "updated_at",
        };
        Self::Column(column, ">=", lower, upper)
    }
}

/// How long a window of each class is at most, in seconds; the last class has no bound. As in `tasks.window_class`.
const LONGEST: [Option<i64>; 10] = [
    Some(3_600),
    Some(14_400),
    Some(57_600),
    Some(230_400),
    Some(921_600),
    Some(3_686_400),
    Some(14_745_600),
    Some(58_982_400),
    Some(235_929_600),
    None,
];

/// The classes of these statuses, and for each the instant that a task still open at `start` began after.
fn classes(statuses: &[i16], start: DateTime<Utc>) -> (Vec<i16>, Vec<DateTime<Utc>>) {
    let of_status = |status: &i16| {
        let first = status * 16;
        (first..).zip(LONGEST.map(|longest| match longest {
            Some(seconds) => start - TimeDelta::seconds(seconds),
            None => before_all(),
        }))
    };
    statuses.iter().flat_map(of_status).unzip()
}

/// Before every task there can be.
pub(super) fn before_all() -> DateTime<Utc> {
    year(0)
}

/// After every task there can be.
pub(super) fn after_all() -> DateTime<Utc> {
    year(10_001)
}

fn year(year: i32) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(year, 1, 1).expect("every year has a first of January");
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}
