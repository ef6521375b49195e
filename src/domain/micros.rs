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
        let at = self.in_range();
        match date(at) {
            Some(date) => {
                out.extend_from_slice(&date);
                push_time(at, out);
            }
            None => out.extend_from_slice(time::to_rfc3339(at).as_bytes()),
        }
    }

    /// Appends the time as [`time::to_compact`] formats it.
    pub fn push_compact(self, out: &mut Vec<u8>) {
        let at = self.in_range();
        match date(at) {
            Some([a, b, c, d, _, e, f, _, g, h]) => {
                out.extend_from_slice(&[a, b, c, d, e, f, g, h]);
                push_time(at, out);
            }
            None => out.extend_from_slice(time::to_compact(at).as_bytes()),
        }
    }

    /// The time, or the nearest that chrono can represent.
    fn in_range(self) -> DateTime<Utc> {
        self.time().unwrap_or(match self.0 {
            ..0 => DateTime::<Utc>::MIN_UTC,
            _ => DateTime::<Utc>::MAX_UTC,
        })
    }
}

/// The date as `2026-01-31`; `None` before the year 0 and after the year 9999.
fn date(at: DateTime<Utc>) -> Option<[u8; 10]> {
    let date = at.date_naive();
    let year = u32::try_from(date.year())
        .ok()
        .filter(|year| *year <= 9999)?;
    let ([a, b], [c, d]) = (two(year / 100), two(year % 100));
    let ([e, f], [g, h]) = (two(date.month()), two(date.day()));
    Some([a, b, c, d, b'-', e, f, b'-', g, h])
}

/// Appends the time of the day as `T09:30:00Z`, with as many digits after the second as it needs, by threes.
fn push_time(at: DateTime<Utc>, out: &mut Vec<u8>) {
    let time = at.time();
    let ([a, b], [c, d], [e, f]) = (two(time.hour()), two(time.minute()), two(time.second()));
    out.extend_from_slice(&[b'T', a, b, b':', c, d, b':', e, f]);
    let micros = time.nanosecond() / 1_000;
    if micros != 0 {
        let (thousands, rest) = (micros / 1_000, micros % 1_000);
        out.push(b'.');
        out.extend_from_slice(&three(thousands));
        if rest != 0 {
            out.extend_from_slice(&three(rest));
        }
    }
    out.push(b'Z');
}

/// The two digits of a number below 100.
fn two(number: u32) -> [u8; 2] {
    [digit(number / 10), digit(number % 10)]
}

/// The three digits of a number below 1000.
fn three(number: u32) -> [u8; 3] {
    let [b, c] = two(number % 100);
    [digit(number / 100), b, c]
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
