//! Times, and the forms in which callers write them.
//!
//! Times have microseconds, as PostgreSQL stores them, and years 1 to 9999, as RFC 3339 can represent them.

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono::{Offset, SecondsFormat, TimeZone};
use chrono_tz::Tz;

use crate::error::Reason;
pub use crate::error::TIME_FORMS as FORMS;

/// A time as written: an instant, or a whole day in some time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// One instant.
    Instant(DateTime<Utc>),
    /// A bare date.
    Day(NaiveDate),
}

impl Moment {
    /// Parses RFC 3339, the compact form `20230301T10:00:00Z`, or a bare date (`2023-03-01`, `20230301`).
    pub fn parse(text: &str) -> Result<Self, Reason> {
        // chrono interprets a form for each text, which took a fifth of an import's processor time: the length tells
        // first whether the text can be a date.
        let form = match text.len() {
            10 => "%Y-%m-%d",
            8 => "%Y%m%d",
            _ => return parse_instant(text).map(Self::Instant),
        };
        match NaiveDate::parse_from_str(text, form) {
            // chrono's %Y and %m accept other numbers of digits than ISO 8601.
            Ok(day) if day.format(form).to_string() == text && in_years(day) => Ok(Self::Day(day)),
            _ => parse_instant(text).map(Self::Instant),
        }
    }

    /// The time as the start of a range; for a day, its first instant.
    pub fn as_start(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Instant(instant) => instant,
            Self::Day(day) => first_instant(day, zone),
        }
    }

    /// The time as the end of a half-open range; a day is included completely.
    pub fn as_end(self, zone: Tz) -> DateTime<Utc> {
        match self {
            Self::Instant(instant) => instant,
            // Year 10000 is valid as a bound, because no task is later. A NaiveDate can represent it.
            Self::Day(day) => first_instant(day + Days::new(1), zone),
        }
    }
}

/// The first instant of a range, and the first one after it; `None` means unbounded.
pub type Bounds = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// The bounds of the half-open range between two times, each of which may be absent. An error if it ends before it
/// starts.
pub fn bounds(start: Option<Moment>, end: Option<Moment>, zone: Tz) -> Result<Bounds, Reason> {
    // A bare end includes its day, so an end on the day before the start would look like an empty range.
    let is_reversed = match (start, end) {
        (Some(Moment::Day(start)), Some(Moment::Day(end))) => end < start,
        (Some(start), Some(end)) => end.as_end(zone) < start.as_start(zone),
        _ => false,
    };
    match is_reversed {
        true => Err(Reason::RangeReversed),
        false => Ok((start.map(|m| m.as_start(zone)), end.map(|m| m.as_end(zone)))),
    }
}

/// Parses RFC 3339 or the compact form `20230301T10:00:00Z`.
fn parse_instant(text: &str) -> Result<DateTime<Utc>, Reason> {
    let instant = DateTime::parse_from_rfc3339(text)
        .map(|t| t.to_utc())
        .or_else(|_| {
            let compact = text.strip_suffix('Z').unwrap_or_default();
            NaiveDateTime::parse_from_str(compact, "%Y%m%dT%H:%M:%S%.f").map(|t| t.and_utc())
        })
        .map_err(|_| Reason::NotATime { actual: None })?;
    checked(instant).ok_or(Reason::YearOutOfRange { actual: None })
}

/// Converts a protobuf `Timestamp`.
pub fn from_unix(seconds: i64, nanos: i32) -> Result<DateTime<Utc>, Reason> {
    u32::try_from(nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000)
        .and_then(|n| DateTime::from_timestamp(seconds, n))
        .and_then(checked)
        .ok_or(Reason::TimestampOutOfRange)
}

/// Formats as RFC 3339 in UTC, with as many fractional digits as needed.
pub fn to_rfc3339(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Formats as in the specification, `20230301T10:00:00Z`, with a fraction if needed.
pub fn to_compact(instant: DateTime<Utc>) -> String {
    instant.format("%Y%m%dT%H:%M:%S%.fZ").to_string()
}

/// Formats as a time without a zone, `2023-03-01 18:00:00`, with a fraction if needed. A time that clocks in `zone` show
/// twice, or whose local year is not between 1 and 9999, is formatted as RFC 3339, so that no time is ambiguous.
pub fn to_local(instant: DateTime<Utc>, zone: Tz) -> String {
    match local(instant, zone) {
        Some(local) => local.format("%Y-%m-%d %H:%M:%S%.f").to_string(),
        None => to_rfc3339(instant),
    }
}

/// What clocks in `zone` show at an instant; `None` if they show it twice, or if its year is not between 1 and 9999.
pub fn local(instant: DateTime<Utc>, zone: Tz) -> Option<NaiveDateTime> {
    let local = instant.with_timezone(&zone).naive_local();
    let is_single = matches!(zone.from_local_datetime(&local), LocalResult::Single(_));
    (is_single && in_years(local.date())).then_some(local)
}

fn in_years(day: NaiveDate) -> bool {
    (1..=9999).contains(&day.year())
}

/// Truncates to microseconds (a leap second becomes the following second) and checks the year.
fn checked(instant: DateTime<Utc>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(instant.timestamp_micros()).filter(|t| in_years(t.date_naive()))
}

/// The first instant of `day` in `zone`. Clocks may skip midnight or a whole day.
fn first_instant(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    match zone.from_local_datetime(&midnight) {
        LocalResult::Single(t) | LocalResult::Ambiguous(t, _) => t.to_utc(),
        // Clocks skipped midnight, so the day begins at the jump. All zones are within 26 hours of UTC, so the jump is
        // between these bounds, and the local date only increases there.
        LocalResult::None => {
            let reaches_day = |second: i64| {
                let utc = midnight + TimeDelta::seconds(second);
                let offset = zone.offset_from_utc_datetime(&utc).fix();
                (utc + offset).date() >= day
            };
            let (mut before, mut after) = (-26 * 3600, 26 * 3600);
            while after - before > 1 {
                let middle = (before + after) / 2;
                if reaches_day(middle) {
                    after = middle;
                } else {
                    before = middle;
                }
            }
            (midnight + TimeDelta::seconds(after)).and_utc()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str, zone: &str) -> String {
        let zone: Tz = zone.parse().expect("a zone of the tz database");
        to_rfc3339(Moment::parse(text).expect(text).as_start(zone))
    }

    #[test]
    fn a_day_begins_where_its_zone_says() {
        assert_eq!(start("2023-03-01", "UTC"), "2023-03-01T00:00:00Z");
        assert_eq!(start("20230301", "Asia/Shanghai"), "2023-02-28T16:00:00Z");
        // Midnight does not exist: clocks went from 00:00 to 01:00.
        assert_eq!(
            start("2018-11-04", "America/Sao_Paulo"),
            "2018-11-04T03:00:00Z"
        );
        // The whole of 30 December 2011 does not exist in Apia; the 31st began at 10:00Z.
        assert_eq!(start("2011-12-30", "Pacific/Apia"), "2011-12-30T10:00:00Z");
        // Clocks went from 23:30 on the 30th to 00:30 on the 31st: the day begins at half past midnight.
        assert_eq!(
            start("1919-03-31", "America/Toronto"),
            "1919-03-31T04:30:00Z"
        );
    }

    #[test]
    fn a_bare_end_takes_its_day_in() {
        let end = |t: &str| Moment::parse(t).expect(t).as_end(Tz::UTC);
        assert_eq!(to_rfc3339(end("2023-02-28")), "2023-03-01T00:00:00Z");
        assert_eq!(
            to_rfc3339(end("2023-02-28T12:00:00Z")),
            "2023-02-28T12:00:00Z"
        );
        assert_eq!(end("9999-12-31").year(), 10000);
    }

    #[test]
    fn both_forms_name_the_same_instant() {
        for text in [
            "2023-03-01T10:00:00.123456Z",
            "2023-03-01T18:00:00.1234569+08:00",
            "20230301T10:00:00.123456Z",
        ] {
            let instant = parse_instant(text).expect(text);
            assert_eq!(to_rfc3339(instant), "2023-03-01T10:00:00.123456Z");
            assert_eq!(to_compact(instant), "20230301T10:00:00.123456Z");
        }
        assert_eq!(
            to_compact(parse_instant("20230301T10:00:00Z").expect("compact")),
            "20230301T10:00:00Z"
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2023",
            "2023-02-30",
            "20230230",
            "2023-3-1",
            "+2023-03-01",
            "300000-01-01",
            "0000-01-01",
            "300000-01-01T00:00:00Z",
            "0000-12-31T23:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "2023-03-01T10:00:00",
            "20230301T10:00:00",
            "2023-03-01T25:00:00Z",
            "2023-03-01 ",
            "tomorrow",
            "１２３",
        ] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }
}
