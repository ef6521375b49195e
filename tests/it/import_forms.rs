//! Random tasks, written in random dialects, encodings, words and forms of times by a writer that shares nothing with the
//! reader, are read back as they were.

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use fastrand::Rng;

use crate::support::{database::Database, tasks::Json};

const FILES: u64 = 60;
const TASKS: usize = 12;

/// Each status with other words for it.
const STATUSES: [(&str, &[&str]); 6] = [
    (
        "pending",
        &["待启动", "未开始", "Draft", "TASK_STATUS_PENDING"],
    ),
    ("running", &["进行中", "RUNNING", "In Progress", "执行中"]),
    ("paused", &["暂停", "Paused", "已暂停"]),
    ("completed", &["已结束", "finished", "Done", "完成"]),
    ("stopped", &["已取消", "Cancelled", "canceled", "停止"]),
    ("failed", &["执行失败", "ERROR", "失败"]),
];

/// The columns, each with other headers for it.
const COLUMNS: [(&str, &[&str]); 7] = [
    ("task_id", &["任务ID", "Task ID", "TASK-ID", "任务编号"]),
    ("name", &["任务名称", " Name ", "名称"]),
    ("target", &["手机号", "客户", "Target", "目标客户群"]),
    ("start_time", &["开始时间", "Start Time", "预计开始时间"]),
    ("end_time", &["结束时间", "endTime"]),
    ("status", &["当前状态", "STATUS", "状态"]),
    ("progress", &["进度(%)", "Progress [%]", "进度"]),
];

struct Task {
    id: String,
    name: String,
    customers: Vec<String>,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    status: usize,
    progress: u8,
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

fn task(rng: &mut Rng, number: usize) -> Task {
    let parts = [
        "三月",
        "活动",
        "a b",
        "x\"y",
        "1,2",
        "p;q",
        "u|v",
        "t\tt",
        "（一）",
        "é",
        "𠀀",
    ];
    let name: Vec<&str> = (0..rng.usize(1..4)).map(|_| pick(rng, &parts)).collect();
    let name = name.join(if rng.u8(..4) == 0 { "\n" } else { "-" });
    // Of one kind, so that any separator may stand between them.
    let prefix = pick(rng, &["138", "+86138", "cust"]);
    let count = rng.usize(..5);
    let customers = (0..count).map(|n| format!("{prefix}{:07}{n}", rng.u32(..9_999_999)));
    let customers: Vec<String> = customers.collect();
    // Between 9 and 20 o'clock, when no clock changes.
    let day = Utc.with_ymd_and_hms(2023, 1, 1, 0, 0, 0).unwrap() + TimeDelta::days(rng.i64(0..900));
    let start = day + TimeDelta::seconds(rng.i64(9 * 3600..14 * 3600));
    Task {
        id: format!("t{number:02}"),
        name,
        customers,
        start,
        end: start + TimeDelta::seconds(rng.i64(0..6 * 3600)),
        status: rng.usize(..6),
        progress: rng.u8(..=100),
    }
}

/// A time in one of the forms. `local` is the wall clock of the zone.
fn time(form: usize, at: DateTime<Utc>, zone: Tz) -> String {
    let local = at.with_timezone(&zone).naive_local();
    match form {
        0 => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        1 => at.format("%Y%m%dT%H:%M:%SZ").to_string(),
        2 => local.format("%Y-%m-%d %H:%M:%S").to_string(),
        3 => local.format("%Y/%-m/%-d %-H:%M:%S").to_string(),
        4 => local.format("%Y年%-m月%-d日 %H:%M:%S").to_string(),
        5 => at.timestamp().to_string(),
        6 => at.timestamp_millis().to_string(),
        // 25569 is 1970-01-01.
        _ => format!(
            "{:.9}",
            local.and_utc().timestamp() as f64 / 86_400.0 + 25_569.0
        ),
    }
}

fn wide(text: &str) -> String {
    let digit = |c: char| {
        c.to_digit(10)
            .map_or(c, |n| char::from_u32(0xff10 + n).unwrap())
    };
    text.chars().map(digit).collect()
}

fn customers(rng: &mut Rng, ids: &[String]) -> String {
    let is_number = ids.iter().all(|id| !id.starts_with('c'));
    let separators: &[&str] = match is_number {
        true => &[";", "；", "、", "|", "\n", ",", "，", " ; ", ",\u{a0}"],
        false => &[";", "；", "、", "|", "\r\n", "; \n"],
    };
    let mut written: Vec<String> = ids.to_vec();
    for id in &mut written {
        match rng.u8(..8) {
            0 => *id = format!(" {id}\u{200b}"),
            1 => *id = wide(id),
            _ => {}
        }
    }
    if let Some(first) = written.first().cloned()
        && rng.u8(..6) == 0
    {
        written.push(first);
    }
    written.join(pick(rng, separators))
}

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
    let mut said = vec![format!("read {name}, with {delimiter} between the cells")];
    if blank_rows > 0 {
        said.push(format!("left out {blank_rows} blank row"));
    }
    (bytes, flags, said)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_tasks_are_read_back_from_every_form() {
    let database = Database::new().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    for seed in 0..FILES {
        let mut rng = Rng::with_seed(seed);
        let zone = pick(
            &mut rng,
            &[Tz::UTC, Tz::Asia__Shanghai, Tz::America__New_York],
        );
        let tasks: Vec<Task> = (0..TASKS).map(|number| task(&mut rng, number)).collect();
        let (bytes, flags, reported) = file(&mut rng, &tasks, zone);
        let mut import = vec!["import", "-", "--tenant=demo", "--format=csv"];
        import.extend(flags.iter().map(String::as_str));
        let output = database.run(&import, &bytes).await;
        let said = String::from_utf8(output.stderr).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            output.status.success(),
            "seed {seed}, {flags:?}: {said}\n{text:?}"
        );
        for part in reported {
            assert!(said.contains(&part), "seed {seed}: {part} is not in {said}");
        }
        let export = ["export", "--tenant=demo", "--order-by=task_id"];
        let lines = database.succeed(&export, b"").await;
        assert_eq!(lines.lines().count(), TASKS);
        for (line, task) in lines.lines().zip(&tasks) {
            let stored: Json = serde_json::from_str(line).unwrap();
            let at = |at: DateTime<Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
            let wanted = serde_json::json!({
                "task_id": task.id, "name": task.name, "target": task.customers,
                "start_time": at(task.start), "end_time": at(task.end),
                "status": STATUSES[task.status].0, "progress": task.progress,
            });
            for (field, value) in wanted.as_object().unwrap() {
                assert_eq!(&stored[field], value, "seed {seed}: {field}\n{text:?}");
            }
        }
        database.execute("DELETE FROM tasks").await;
    }
}
