//! Random tasks, written in random dialects, encodings, words and forms of times by a writer that shares nothing with the
//! reader, are read back as they were: CSV.

use chrono_tz::Tz;
use fastrand::Rng;

use crate::support::forms::{COLUMNS, STATUSES, Task, assert_all_read, customers, pick, time};

const FILES: u64 = 60;

/// A whole file, its flags, and what its report says.
fn file(rng: &mut Rng, tasks: &[Task], zone: Tz) -> (Vec<u8>, Vec<String>, Vec<String>) {
    let delimiter = pick(rng, &[',', ';', '\t', '|']);
    let line_end = pick(rng, &["\n", "\r\n", "\r"]);
    let quote_all = rng.bool();
    let cell = |text: &str| {
        let is_special = text.contains([delimiter, '"', '\n', '\r', ',', ';', '\t', '|']);
        match quote_all || is_special {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        }
    };
    let mut columns = COLUMNS;
    rng.shuffle(&mut columns);
    let own_headers = rng.bool();
    let trailing = rng.usize(..3);
    let row = |cells: &[String]| {
        let mut row: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        row.extend(vec![String::new(); trailing]);
        row.join(&delimiter.to_string()) + line_end
    };
    let mut text = String::new();
    if rng.bool() {
        text += &format!("sep={delimiter}{line_end}");
    }
    let headers = columns.map(|(own, others)| match own_headers {
        true => own.to_owned(),
        false => pick(rng, others).to_owned(),
    });
    text += &row(&headers);
    let (start_form, end_form) = (rng.usize(..8), rng.usize(..8));
    let mut blank_rows = 0;
    for task in tasks {
        let cells = columns.map(|(own, _)| match own {
            "task_id" => format!("{}{}", task.id, pick(rng, &["", " ", "\u{a0}"])),
            "name" => task.name.clone(),
            "target" => customers(rng, &task.customers),
            "start_time" => time(start_form, task.start, zone),
            "end_time" => time(end_form, task.end, zone),
            "status" => pick(rng, STATUSES[task.status].1).to_owned(),
            _ => match rng.u8(..3) {
                0 => format!("{}%", task.progress),
                1 => format!("{}.0", task.progress),
                _ => task.progress.to_string(),
            },
        });
        text += &row(&cells);
        if rng.u8(..5) == 0 {
            text += &row(&vec![String::new(); columns.len()]);
            blank_rows += 1;
        }
    }
    let utf16 = |of: fn(u16) -> [u8; 2]| {
        format!("\u{feff}{text}")
            .encode_utf16()
            .flat_map(of)
            .collect()
    };
    let (bytes, name): (Vec<u8>, _) = match rng.u8(..5) {
        0 => (text.into_bytes(), "UTF-8"),
        1 => (format!("\u{feff}{text}").into_bytes(), "UTF-8"),
        2 => (utf16(u16::to_le_bytes), "UTF-16LE"),
        3 => (utf16(u16::to_be_bytes), "UTF-16BE"),
        _ => (encoding_rs::GB18030.encode(&text).0.into_owned(), "GB18030"),
    };
    let mut flags = vec![format!("--time-zone={zone}")];
    let delimiter = match delimiter {
        '\t' => "tab".to_owned(),
        other => other.to_string(),
    };
    if rng.bool() {
        flags.push(format!("--delimiter={delimiter}"));
    }
    // Few characters of rare Chinese can be told from other encodings only by their name.
    if name == "GB18030" {
        flags.push("--encoding=gb18030".to_owned());
    }
    flags.push("--format=csv".to_owned());
    let mut said = vec![format!("read {name}, with {delimiter} between the cells")];
    if blank_rows > 0 {
        said.push(format!("left out {blank_rows} blank row"));
    }
    (bytes, flags, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_tasks_are_read_back_from_every_form() {
    assert_all_read(FILES, false, file).await;
}
