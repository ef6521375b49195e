//! Times as texts of people and other programs, with the year first.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use crate::domain::time::Moment;

/// A time before its zone is known.
pub(super) enum Written {
    Moment(Moment),
    Local(NaiveDateTime),
}

/// Reads a whole text as a time: `2023/3/1 9:00`, `2023-03-01 09:00:00`, `2023年3月1日 9:00`. A zone may follow.
pub(super) fn parse(text: &str) -> Option<Written> {
    Digits(text.trim()).time()
}

/// Whether the text begins with a date whose year comes last, such as `3/1/2023`.
pub(super) fn is_year_last(text: &str) -> bool {
    let mut parts = text.split(['/', '-', '.', ' ']);
    let mut part = |digits: std::ops::RangeInclusive<usize>| {
        let part = parts.next().unwrap_or_default();
        digits.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    part(1..=2) && part(1..=2) && part(4..=4)
}

/// A text that is read from its beginning.
struct Digits<'a>(&'a str);

impl Digits<'_> {
    fn time(mut self) -> Option<Written> {
        let year = self.number(4, 4)?;
        let separator = self.one_of(&['-', '/', '.', '年'])?;
        let month = self.number(1, 2)?;
        self.one_of(match separator {
            '年' => &['月'],
            '-' => &['-'],
            '/' => &['/'],
            _ => &['.'],
        })?;
        let day = self.number(1, 2)?;
        if separator == '年' {
            self.one_of(&['日', '号'])?;
        }
        let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        if self.0.is_empty() {
            return Some(Written::Moment(Moment::Day(day)));
        }
        if self.one_of(&['T', 't']).is_none() {
            let rest = self.0.trim_start();
            // After 日 no blank is needed.
            if rest.len() == self.0.len() && separator != '年' {
                return None;
            }
            self.0 = rest;
        }
        let hour = self.number(1, 2)?;
        self.one_of(&[':', '：'])?;
        let minute = self.number(2, 2)?;
        let (mut second, mut micros) = (0, 0);
        if self.one_of(&[':', '：']).is_some() {
            second = self.number(2, 2)?;
            if self.one_of(&['.']).is_some() {
                micros = self.fraction()?;
            }
        }
        let local = day.and_hms_micro_opt(hour, minute, second, micros)?;
        let zone = self.0.trim_start();
        if zone.is_empty() {
            return Some(Written::Local(local));
        }
        let offset = TimeDelta::minutes(offset(zone)?);
        let instant = local.checked_sub_signed(offset)?.and_utc();
        Some(Written::Moment(Moment::Instant(instant)))
    }

    fn one_of(&mut self, wanted: &[char]) -> Option<char> {
        let first = self.0.chars().next().filter(|c| wanted.contains(c))?;
        self.0 = &self.0[first.len_utf8()..];
        Some(first)
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if !(least..=most).contains(&digits) {
            return None;
        }
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        number.parse().ok()
    }

    /// A fraction of a second, in microseconds; finer digits are cut.
    fn fraction(&mut self) -> Option<u32> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        let number = number.get(..6).unwrap_or(number);
        format!("{number:0<6}").parse().ok().filter(|_| digits > 0)
    }
}

/// The minutes of an offset from UTC: `Z`, `UTC`, `GMT`, `+08:00`, `+0800` or `+08`.
fn offset(text: &str) -> Option<i64> {
    if ["Z", "UTC", "GMT"]
        .iter()
        .any(|z| z.eq_ignore_ascii_case(text))
    {
        return Some(0);
    }
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let mut rest = Digits(&text[1..]);
    let digits = rest.0.bytes().take_while(u8::is_ascii_digit).count();
    let (hours, minutes) = match digits {
        4 => {
            let number = rest.number(4, 4)?;
            (number / 100, number % 100)
        }
        _ => {
            let hours = rest.number(2, 2)?;
            let minutes = match rest.one_of(&[':']) {
                Some(_) => rest.number(2, 2)?,
                None => 0,
            };
            (hours, minutes)
        }
    };
    let is_valid = rest.0.is_empty() && hours < 24 && minutes < 60;
    is_valid.then_some(sign * i64::from(hours * 60 + minutes))
}
