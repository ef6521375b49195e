//! Dates in spreadsheets: days since 1899-12-30, as a floating-point number.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::domain::time::local;

/// The date with the serial number 0, for all dates after February 1900.
pub(super) const SERIAL_ZERO: NaiveDate = NaiveDate::from_ymd_opt(1899, 12, 30).expect("a date");
/// 1900-03-01. Spreadsheets disagree about the dates before it.
pub(super) const FIRST_SERIAL: i64 = 61;
/// The microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// The time of day of a serial number in microseconds, 0 to [`DAY`]. LibreOffice saves 15 digits, which are exact to 5
/// µs, so such a number next to a whole millisecond is that.
fn micros_of_day(serial: f64) -> i64 {
    let micros = (serial.fract() * DAY as f64).round() as i64;
    let millis = (micros + 500) / 1000 * 1000;
    let is_shortened = || {
        let digits = serial
            .to_string()
            .bytes()
            .filter(u8::is_ascii_digit)
            .count();
        digits <= 15
    };
    match (millis - micros).abs() <= 5 && is_shortened() {
        true => millis,
        false => micros,
    }
}

/// A date and time in microseconds, from one in milliseconds and its serial number.
pub(super) fn exact(in_millis: NaiveDateTime, serial: f64) -> NaiveDateTime {
    let of_day = TimeDelta::microseconds(micros_of_day(serial));
    let mut more = of_day - (in_millis.time() - NaiveTime::MIN);
    // The milliseconds may have been rounded across midnight.
    let day = TimeDelta::microseconds(DAY);
    if more > day / 2 {
        more -= day;
    } else if more < -day / 2 {
        more += day;
    }
    in_millis + more
}

/// A time as the serial number of a date in `zone`; `None` if an import would not read the same time from it.
pub(super) fn serial(at: DateTime<Utc>, zone: Tz) -> Option<f64> {
    let local = local(at, zone)?;
    let days = local.date().signed_duration_since(SERIAL_ZERO).num_days();
    let micros = (local.time() - NaiveTime::MIN).num_microseconds()?;
    let serial = days as f64 + micros as f64 / DAY as f64;
    let is_exact = serial.trunc() as i64 == days && micros_of_day(serial) == micros;
    (is_exact && days >= FIRST_SERIAL).then_some(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_exact_time_or_there_is_none() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut dates, mut all) = (0, 0);
        for zone in [
            Tz::UTC,
            Tz::Asia__Shanghai,
            Tz::America__New_York,
            Tz::Asia__Kathmandu,
        ] {
            for step in [1, 1_000, 1_000_000, 900_000_000] {
                for _ in 0..5_000 {
                    // 1890 to 2100.
                    let micros = random.i64(-2_524_608_000..4_102_444_800) * 1_000_000 / step
                        * step
                        + random.i64(0..1_000_000) / step * step;
                    let at = DateTime::from_timestamp_micros(micros).expect("a time");
                    all += 1;
                    let Some(serial) = serial(at, zone) else {
                        continue;
                    };
                    dates += 1;
                    let local = local(at, zone).expect("a local time");
                    for off in [-400, 0, 400] {
                        let near = local + TimeDelta::microseconds(off);
                        assert_eq!(exact(near, serial), local, "{at} in {zone}");
                    }
                    if step >= 1_000 {
                        // As LibreOffice saves it.
                        let digits = 14 - serial.trunc().to_string().len().saturating_sub(1);
                        let saved: f64 = format!("{serial:.digits$}").parse().expect("a number");
                        assert_eq!(exact(local, saved), local, "{at} in {zone}");
                    }
                }
            }
        }
        assert!(dates * 100 > all * 90, "{dates} of {all}");
    }
}
