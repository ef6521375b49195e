//! Times of other programs: local times, the serial numbers of spreadsheets, and seconds or milliseconds since 1970.
//!
//! A number is a time only if its whole column has numbers of that one form, because each form has its own range of
//! digits and a column that mixes them is damaged. A local time that the zone skips, or has twice, is an error.

use chrono::{DateTime, Datelike, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::{
    field::quoted,
    time_text::{self, Written},
};
use crate::{
    app::sheet_date::SERIAL_ZERO,
    domain::time::{FORMS, Moment, from_unix, to_rfc3339},
    error::{Fault, Reason},
    redaction::excerpt,
};

/// The serial numbers of 1954-10-03 and 2201-02-28: smaller and larger numbers are no dates of tasks.
pub(super) const SERIALS: std::ops::Range<f64> = 20_000.0..110_000.0;

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As our own files have it: RFC 3339, the compact form, or a bare date.
    Own,
    /// Another text.
    Text,
    /// Days since 1899-12-30.
    Serial,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

impl Form {
    /// The name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own | Self::Text => "dates",
            Self::Serial => "serial numbers of a spreadsheet",
            Self::Seconds => "seconds since 1970",
            Self::Millis => "milliseconds since 1970",
        }
    }

    pub(super) fn is_number(self) -> bool {
        !matches!(self, Self::Own | Self::Text)
    }

    /// Whether both are the same kind of number, or both are texts.
    pub(super) fn is_like(self, other: Self) -> bool {
        self.name() == other.name()
    }
}

/// A time as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) instant: DateTime<Utc>,
    pub(super) form: Form,
    /// Whether the time zone decided about the instant.
    pub(super) is_local: bool,
}

/// Reads a time of our own files: RFC 3339, the compact form, a bare date, or a local time.
pub(super) fn own(text: &str, zone: Tz, is_end: bool) -> Result<Read, Fault> {
    let written = match Moment::parse(text) {
        Ok(moment) => Written::Moment(moment),
        Err(_) => time_text::parse(text).ok_or_else(|| wrong(text))?,
    };
    written.place(zone, is_end, text, Form::Own)
}

/// Reads a time in any form. A bare date is its first instant in `zone`, or as an end the first one after it. Otherwise
/// says what is wrong.
pub(super) fn read(text: &str, zone: Tz, is_end: bool) -> Result<Read, Fault> {
    let (written, form) = match Moment::parse(text) {
        Ok(moment) => (Written::Moment(moment), Form::Own),
        Err(_) if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
            number(text).ok_or_else(|| wrong(text))?
        }
        Err(_) => match time_text::parse(text) {
            Some(written) => (written, Form::Text),
            None if time_text::is_year_last(text) => {
                let why = format!(
                    "does not tell the day from the month: write the year first, as 2023-03-01; was {}",
                    quoted(text)
                );
                return Err(not_a_time(text, why));
            }
            None => return Err(wrong(text)),
        },
    };
    written.place(zone, is_end, text, form)
}

/// What a time must be, and what it was.
fn expected(text: &str) -> String {
    format!("{FORMS}, of years 1 to 9999, was {}", quoted(text))
}

fn wrong(text: &str) -> Fault {
    not_a_time(text, expected(text))
}

/// The fault of a text that is no time.
pub(super) fn not_a_time(text: &str, why: String) -> Fault {
    let actual = Some(excerpt(text));
    Fault::new(Reason::NotATime { actual }, why)
}

impl Written {
    /// The instant in a time zone; `text` and `form` are as written.
    fn place(self, zone: Tz, is_end: bool, text: &str, form: Form) -> Result<Read, Fault> {
        let (instant, is_local) = match self {
            Self::Moment(moment) => {
                let instant = match is_end {
                    true => moment.as_end(zone),
                    false => moment.as_start(zone),
                };
                (instant, matches!(moment, Moment::Day(_)))
            }
            Self::Local(local) => (resolved(local, zone, text)?, true),
        };
        let read = Read {
            instant,
            form,
            is_local,
        };
        let in_years = (1..=9999).contains(&instant.year());
        in_years.then_some(read).ok_or_else(|| {
            let actual = Some(excerpt(text));
            Fault::new(Reason::YearOutOfRange { actual }, expected(text))
        })
    }
}

/// The instant of a local time.
fn resolved(local: NaiveDateTime, zone: Tz, text: &str) -> Result<DateTime<Utc>, String> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(instant) => Ok(instant.to_utc()),
        LocalResult::Ambiguous(first, second) => Err(format!(
            "is twice in {zone}, where clocks go back: as {} and as {}; write one of these, was {}",
            to_rfc3339(first.to_utc()),
            to_rfc3339(second.to_utc()),
            quoted(text)
        )),
        LocalResult::None => Err(format!(
            "does not exist in {zone}, where clocks go forward past it, was {}",
            quoted(text)
        )),
    }
}

/// Reads a number: the digits before the point tell its form.
fn number(text: &str) -> Option<(Written, Form)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let is_whole = fraction.bytes().all(|b| b == b'0');
    let instant = |instant| Written::Moment(Moment::Instant(instant));
    match whole.len() {
        5 | 6 => {
            let serial: f64 = text.parse().ok().filter(|days| SERIALS.contains(days))?;
            let seconds = TimeDelta::seconds((serial * 86_400.0).round() as i64);
            let local = SERIAL_ZERO.and_time(chrono::NaiveTime::MIN) + seconds;
            let written = match is_whole {
                true => Written::Moment(Moment::Day(local.date())),
                false => Written::Local(local),
            };
            Some((written, Form::Serial))
        }
        9 | 10 => {
            let nanos = format!("{fraction:0<9}")[..9].parse().ok()?;
            let time = from_unix(whole.parse().ok()?, nanos).ok()?;
            Some((instant(time), Form::Seconds))
        }
        12 | 13 if is_whole => {
            let time = DateTime::from_timestamp_millis(whole.parse().ok()?)?;
            Some((instant(time), Form::Millis))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, zone: Tz, is_end: bool) -> String {
        match read(text, zone, is_end) {
            Ok(read) => to_rfc3339(read.instant),
            Err(why) => why.to_string(),
        }
    }

    #[test]
    fn local_times_lie_in_the_zone() {
        for text in [
            "2023/3/1 9:00",
            "2023-03-01 09:00:00",
            "2023-03-01T09:00",
            "2023.3.1  9:00:00.0000009",
            "2023年3月1日 9:00",
            "2023年03月01日09：00",
            "44986.375",
            "44986.37499999",
            "2023-03-01 02:00:00+01:00",
            "2023-3-1 1:00 UTC",
            "2023/03/01 09:00:00 +0800",
            "1677632400",
            "1677632400000",
        ] {
            assert_eq!(
                utc(text, Tz::Asia__Shanghai, false),
                "2023-03-01T01:00:00Z",
                "{text}"
            );
        }
        for (text, end) in [
            ("2023/3/1", "2023-03-01T16:00:00Z"),
            ("44986", "2023-03-01T16:00:00Z"),
            ("44986.0", "2023-03-01T16:00:00Z"),
            ("20230301", "2023-03-01T16:00:00Z"),
            ("44986.99999999", "2023-03-01T16:00:00Z"),
            ("2023/3/1 0:00", "2023-02-28T16:00:00Z"),
            ("1677661200.25", "2023-03-01T09:00:00.250Z"),
        ] {
            assert_eq!(utc(text, Tz::Asia__Shanghai, true), end, "{text}");
        }
    }

    #[test]
    fn skipped_and_repeated_times_are_errors_that_say_so() {
        let zone = Tz::America__New_York;
        let skipped = utc("2023-03-12 02:30:00", zone, false);
        assert!(
            skipped.contains("does not exist in America/New_York"),
            "{skipped}"
        );
        let twice = utc("2023/11/5 1:30", zone, false);
        assert!(
            twice.contains("is twice in America/New_York")
                && twice.contains("2023-11-05T05:30:00Z and as 2023-11-05T06:30:00Z"),
            "{twice}"
        );
        assert_eq!(
            utc("2023-03-12 02:30:00-05:00", zone, false),
            "2023-03-12T07:30:00Z"
        );
        // 2023-11-05 01:30 as a serial number.
        assert!(utc("45235.0625", zone, false).contains("is twice"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            ".",
            "1",
            "7",
            "123456",
            "19999",
            "110000",
            "44986.3.1",
            "12345678901",
            "1e5",
            "2023-3",
            "2023/13/1",
            "2023/2/30",
            "2023-03/01",
            "2023-03-01 9",
            "2023-03-01 25:00",
            "2023-03-01 09:00:00 PM",
            "2023-03-0109:00",
            "2023-03-01 09:00:00 +8",
            "９：００",
            "2023-03-01 09:00:00.",
            "2023-03-01 09:00 +24:00",
            "0000-01-01 00:00",
            "tomorrow",
        ] {
            assert!(read(text, Tz::UTC, false).is_err(), "{text}");
        }
        for text in ["3/1/2023", "01.03.2023 09:00", "1-3-2023 9:00"] {
            assert!(
                utc(text, Tz::UTC, false).contains("day from the month"),
                "{text}"
            );
        }
    }
}
