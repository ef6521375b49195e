//! A time as PostgreSQL stores it, and its forms as texts, written without an intermediate text.

use chrono::{DateTime, Datelike, Timelike, Utc};

use super::time;

/// Microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Micros(pub i64);

impl From<DateTime<Utc>> for Micros {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_micros())
    }
}

impl Micros {
    /// The time; `None` if it is out of chrono's range.
    pub fn time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }

    /// Seconds since 1970, and nanoseconds after the second.
    pub fn seconds_and_nanos(self) -> (i64, i32) {
        let nanos = self.0.rem_euclid(1_000_000) * 1_000; // less than a second, so it fits
        (self.0.div_euclid(1_000_000), nanos as i32)
    }

    /// Appends the time as [`time::to_rfc3339`] formats it.
    pub fn push_rfc3339(self, out: &mut Vec<u8>) {
        self.push(b"-", b":", time::to_rfc3339, out);
    }

    /// Appends the time as [`time::to_compact`] formats it.
    pub fn push_compact(self, out: &mut Vec<u8>) {
        self.push(b"", b":", time::to_compact, out);
    }

    /// Appends a time of the years 0 to 9999, or one of another year as `other` formats it.
    fn push(
        self,
        of_date: &[u8],
        of_time: &[u8],
        other: fn(DateTime<Utc>) -> String,
        out: &mut Vec<u8>,
    ) {
        let at = self.time().unwrap_or(match self.0 {
            ..0 => DateTime::<Utc>::MIN_UTC,
            _ => DateTime::<Utc>::MAX_UTC,
        });
        let (date, time) = (at.date_naive(), at.time());
        let Ok(year @ 0..=9999) = u32::try_from(date.year()) else {
            out.extend_from_slice(other(at).as_bytes());
            return;
        };
        push_two(year / 100, out);
        push_two(year % 100, out);
        out.extend_from_slice(of_date);
        push_two(date.month(), out);
        out.extend_from_slice(of_date);
        push_two(date.day(), out);
        out.push(b'T');
        push_two(time.hour(), out);
        out.extend_from_slice(of_time);
        push_two(time.minute(), out);
        out.extend_from_slice(of_time);
        push_two(time.second(), out);
        let micros = time.nanosecond() / 1_000;
        if micros != 0 {
            out.push(b'.');
            let (thousands, rest) = (micros / 1_000, micros % 1_000);
            push_three(thousands, out);
            if rest != 0 {
                push_three(rest, out);
            }
        }
        out.push(b'Z');
    }
}

/// Appends a number below 100 as two digits.
fn push_two(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[digit(number / 10), digit(number % 10)]);
}

/// Appends a number below 1000 as three digits.
fn push_three(number: u32, out: &mut Vec<u8>) {
    out.push(digit(number / 100));
    push_two(number % 100, out);
}

fn digit(number: u32) -> u8 {
    b'0' + number as u8 // below 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_chrono() {
        let mut random = fastrand::Rng::with_seed(7);
        let some = [
            0,
            -1,
            1,
            999,
            1_000,
            -1_000,
            999_999,
            1_000_000,
            -62_167_219_200_000_000,
            -62_167_219_200_000_001,
            253_402_300_799_999_999,
            253_402_300_800_000_000,
        ];
        let any = (0..20_000).map(|n| {
            // Years 0 to 9999, and some others; whole seconds, milliseconds and microseconds.
            let seconds = random.i64(-70_000_000_000..260_000_000_000);
            let part = [0, random.i64(0..1_000) * 1_000, random.i64(0..1_000_000)];
            seconds * 1_000_000 + part[n % 3]
        });
        for micros in some.into_iter().chain(any) {
            let (at, mut text) = (Micros(micros), Vec::new());
            let time = at.time().expect("in chrono's range");
            at.push_rfc3339(&mut text);
            assert_eq!(String::from_utf8_lossy(&text), time::to_rfc3339(time));
            text.clear();
            at.push_compact(&mut text);
            assert_eq!(String::from_utf8_lossy(&text), time::to_compact(time));
            let parts = (time.timestamp(), time.timestamp_subsec_nanos() as i32);
            assert_eq!(at.seconds_and_nanos(), parts);
        }
    }
}
