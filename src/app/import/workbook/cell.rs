//! The text of a cell of a workbook.

use calamine::Data;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use crate::{
    app::{
        import::{
            spoilt::damaged,
            times::{SERIALS, not_a_time},
        },
        sheet_date::{FIRST_SERIAL, SERIAL_ZERO, exact},
    },
    error::Fault,
};

/// The digits of a number that spreadsheets keep: whole numbers from 10^15 on are rounded.
const ROUNDED_FROM: f64 = 1e15;
/// One more than the serial number of 9999-12-31, the last date of spreadsheets.
const SERIALS_END: f64 = 2_958_466.0;

/// What the file of rejects has in place of an id that is lost. Every import refuses it.
const LOST: &str = "#N/A";

/// A text for the file of rejects, which is refused again, and what is wrong with the cell.
type Wrong = (String, Fault);

/// The text of a cell with ids. What a spreadsheet takes for another kind of value has lost how it was written: `3-12` has
/// become a date.
pub(super) fn id(cell: &Data, is_own: bool) -> Result<String, Wrong> {
    let what = match cell {
        Data::DateTime(_) | Data::DateTimeIso(_) | Data::DurationIso(_) => "a date or a time",
        Data::Bool(_) => "a truth value",
        Data::Float(number) if number.fract() != 0.0 => "a fraction",
        _ => return text(cell, is_own),
    };
    let was = text(cell, is_own)?;
    let why = format!(
        "is not an id: the spreadsheet has {what} there; make the column text and enter it again, was {was}"
    );
    Err((LOST.to_owned(), damaged(&was, why)))
}

/// The text of a cell, as a CSV file would have it; or what is wrong with it, too. In a sheet of ours, dates have a time
/// of day, in microseconds.
pub(super) fn text(cell: &Data, is_own: bool) -> Result<String, Wrong> {
    Ok(match cell {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::DateTimeIso(text) => return iso(text, is_own),
        Data::DurationIso(text) => return Err(without_date(text)),
        Data::Bool(is_true) => if *is_true { "TRUE" } else { "FALSE" }.to_owned(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) if number.fract() == 0.0 && number.abs() < ROUNDED_FROM => {
            format!("{number:.0}")
        }
        Data::Float(number) if number.abs() >= ROUNDED_FROM => {
            let why = format!(
                "is a number of more than 15 digits, which a spreadsheet rounds: make the column text and enter it \
                again, was {number:.0}"
            );
            let why = damaged(&format!("{number:.0}"), why);
            // As spreadsheets show it, since the digits would be taken for right ones.
            return Err((format!("{number:E}").replace('E', "E+"), why));
        }
        Data::Float(number) => number.to_string(),
        Data::DateTime(time) if time.is_datetime() => {
            let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
            let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
            let of_day = NaiveTime::from_hms_milli_opt(
                hour.into(),
                minute.into(),
                second.into(),
                milli.into(),
            );
            let serial = time.as_f64();
            match date.zip(of_day) {
                Some((_, of_day)) if (0.0..1.0).contains(&serial) => {
                    return Err(without_date(&of_day.format("%H:%M:%S").to_string()));
                }
                Some((date, _)) if serial >= SERIALS_END || !is_date(date, is_own) => {
                    return Err(no_date(&serial.to_string()));
                }
                Some((date, of_day)) if is_own => {
                    let exact = exact(date.and_time(of_day), serial);
                    exact.format("%Y-%m-%d %H:%M:%S%.f").to_string()
                }
                Some((date, NaiveTime::MIN)) => date.to_string(),
                Some((date, of_day)) => to_second(date.and_time(of_day)),
                None => return Err(no_date(&serial.to_string())),
            }
        }
        Data::DateTime(duration) => duration.as_f64().to_string(),
        Data::Error(error) => error.to_string(),
    })
}

/// The text of a percentage, such as `70%`.
pub(super) fn percentage(fraction: f64) -> String {
    // Without the error of a product such as 0.07 * 100.
    let percent = (fraction * 1e8).round() / 1e6;
    format!("{percent}%")
}

/// The text of a date of `.ods`, which is in ISO 8601.
fn iso(text: &str, is_own: bool) -> Result<String, Wrong> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    let Some(day) = date.or(local.map(|local| local.date())) else {
        return Ok(text.to_owned());
    };
    if !is_date(day, is_own) {
        return Err(no_date(text));
    }
    Ok(match local {
        None if is_own => format!("{text} 00:00:00"),
        Some(local) if !is_own => to_second(local),
        _ => text.to_owned(),
    })
}

/// A time rounded to the second, since fractions of a day are inexact.
fn to_second(local: NaiveDateTime) -> String {
    let rounded = local + TimeDelta::milliseconds(500);
    rounded.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Whether a date can be that of a task. Of our own sheets, spreadsheets agree about all dates from March 1900 on.
fn is_date(date: NaiveDate, is_own: bool) -> bool {
    let serial = date.signed_duration_since(SERIAL_ZERO).num_days();
    match is_own {
        true => serial >= FIRST_SERIAL,
        false => SERIALS.contains(&(serial as f64)),
    }
}

fn without_date(text: &str) -> Wrong {
    let why = format!("is a time of day without a date, was {text}");
    (text.to_owned(), not_a_time(text, why))
}

fn no_date(text: &str) -> Wrong {
    let why = format!(
        "is formatted as a date, but is no date of the years 1954 to 2201: give the cell the format of its value, was \
        {text}"
    );
    (text.to_owned(), not_a_time(text, why))
}
