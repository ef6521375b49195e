//! Random tasks, written as workbooks in random kinds of cells by a writer that shares nothing with the reader, are read
//! back as they were: numbers stored as texts and texts stored as numbers, dates, times, serial numbers and words.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use fastrand::Rng;

use crate::support::{
    forms::{COLUMNS, STATUSES, Task, assert_all_read, customers, pick, time},
    workbook::{Cell, workbook},
};

const FILES: u64 = 40;

/// A cell that owns its text.
#[derive(Clone)]
enum Written {
    Text(String),
    Number(String),
    Time(String),
    Empty,
}

/// The serial number of a wall clock's time, exact to a fraction of a second, as spreadsheets store it.
fn serial(at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone).naive_local();
    let zero = NaiveDate::from_ymd_opt(1899, 12, 30).unwrap();
    let days = (local.date() - zero).num_days() as f64;
    let seconds = f64::from(chrono::Timelike::num_seconds_from_midnight(&local));
    (days + seconds / 86_400.0).to_string()
}

fn xml(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('\r', "&#13;")
}

/// The cell of a field. `form` is that of the column: below 8 a text or number, else a cell with a format of times.
fn cell(rng: &mut Rng, field: &str, task: &Task, form: usize, zone: Tz) -> Written {
    match field {
        "task_id" if task.id.starts_with('t') => Written::Text(task.id.clone()),
        "task_id" => pick_kind(rng, &task.id),
        "name" => Written::Text(task.name.clone()),
        "target" => match task.customers.as_slice() {
            [] => Written::Empty,
            [one] if one.starts_with('1') => pick_kind(rng, one),
            many => Written::Text(customers(rng, many)),
        },
        "start_time" | "end_time" => {
            let at = if field == "start_time" {
                task.start
            } else {
                task.end
            };
            match form {
                5..=7 => pick_kind(rng, &time(form, at, zone)),
                8.. => Written::Time(serial(at, zone)),
                _ => Written::Text(time(form, at, zone)),
            }
        }
        "status" => Written::Text(pick(rng, STATUSES[task.status].1).to_owned()),
        _ => match rng.u8(..3) {
            0 => Written::Text(format!("{}%", task.progress)),
            _ => pick_kind(rng, &task.progress.to_string()),
        },
    }
}

/// Digits as a number or as a text.
fn pick_kind(rng: &mut Rng, digits: &str) -> Written {
    match rng.bool() {
        true => Written::Number(digits.to_owned()),
        false => Written::Text(digits.to_owned()),
    }
}

/// A whole workbook and its flags.
fn file(rng: &mut Rng, tasks: &[Task], zone: Tz) -> (Vec<u8>, Vec<String>, Vec<String>) {
    let mut columns = COLUMNS;
    rng.shuffle(&mut columns);
    let mut rows: Vec<Vec<Written>> = vec![Vec::new(); rng.usize(..3)];
    rows.push(
        columns
            .iter()
            .map(|(own, others)| match rng.bool() {
                true => Written::Text((*own).to_owned()),
                false => Written::Text(pick(rng, others).to_owned()),
            })
            .collect(),
    );
    let forms = (rng.usize(..10), rng.usize(..10));
    let mut blank_rows = 0;
    for task in tasks {
        if rng.u8(..5) == 0 {
            rows.push(vec![Written::Empty, Written::Text(" ".to_owned())]);
            blank_rows += 1;
        }
        let mut row: Vec<Written> = columns
            .iter()
            .map(|(own, _)| {
                let form = if *own == "end_time" { forms.1 } else { forms.0 };
                cell(rng, own, task, form, zone)
            })
            .collect();
        row.extend(vec![Written::Empty; rng.usize(..3)]);
        rows.push(row);
    }
    let texts: Vec<Vec<Written>> = rows
        .into_iter()
        .map(|row| {
            row.into_iter()
                .map(|cell| match cell {
                    Written::Text(text) => Written::Text(xml(&text)),
                    cell => cell,
                })
                .collect()
        })
        .collect();
    let cells: Vec<Vec<Cell<'_>>> = texts
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| match cell {
                    Written::Text(text) => Cell::Text(text),
                    Written::Number(number) => Cell::Number(number),
                    Written::Time(number) => Cell::Time(number),
                    Written::Empty => Cell::Empty,
                })
                .collect()
        })
        .collect();
    let flags = vec![
        format!("--time-zone={zone}"),
        "--format=workbook".to_owned(),
        "--sheet=tasks".to_owned(),
    ];
    let mut reported = vec!["read the sheet \"tasks\"".to_owned()];
    if blank_rows > 0 {
        reported.push(format!("left out {blank_rows} blank row"));
    }
    (workbook(&cells), flags, reported)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_tasks_are_read_back_from_every_kind_of_cell() {
    assert_all_read(FILES, true, file).await;
}
