//! Random tasks, and the words and forms in which other programs write them. It shares nothing with the reader of imports.

use chrono::{DateTime, SecondsFormat, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use fastrand::Rng;

use super::{database::Database, tasks::Json};

/// Each status with other words for it.
pub const STATUSES: [(&str, &[&str]); 6] = [
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

/// The columns of a table, each with other headers for it.
pub const COLUMNS: [(&str, &[&str]); 7] = [
    ("task_id", &["任务ID", "Task ID", "TASK-ID", "任务编号"]),
    ("name", &["任务名称", " Name ", "名称"]),
    ("target", &["手机号", "客户", "Target", "目标客户群"]),
    ("start_time", &["开始时间", "Start Time", "预计开始时间"]),
    ("end_time", &["结束时间", "endTime"]),
    ("status", &["当前状态", "STATUS", "状态"]),
    ("progress", &["进度(%)", "Progress [%]", "进度"]),
];

/// The tasks of a file.
const TASKS: usize = 12;

pub struct Task {
    pub id: String,
    pub name: String,
    pub customers: Vec<String>,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub status: usize,
    pub progress: u8,
}

pub fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

/// A random task. Its id is `t07`, or with `is_number` 1007.
fn task(rng: &mut Rng, number: usize, is_number: bool) -> Task {
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
        id: match is_number {
            true => (1000 + number).to_string(),
            false => format!("t{number:02}"),
        },
        name,
        customers,
        start,
        end: start + TimeDelta::seconds(rng.i64(0..6 * 3600)),
        status: rng.usize(..6),
        progress: rng.u8(..=100),
    }
}

/// A time in one of the forms. `local` is the wall clock of the zone.
pub fn time(form: usize, at: DateTime<Utc>, zone: Tz) -> String {
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

pub fn wide(text: &str) -> String {
    let digit = |c: char| {
        c.to_digit(10)
            .map_or(c, |n| char::from_u32(0xff10 + n).unwrap())
    };
    text.chars().map(digit).collect()
}

/// The customers of a task in one text.
pub fn customers(rng: &mut Rng, ids: &[String]) -> String {
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

/// Writes random tasks as this many files, and checks that an import reads each of them back. `file` returns the bytes of a
/// file, its flags, and what the report says. The customers of some files are numbers if they may be.
pub async fn assert_all_read(
    files: u64,
    may_be_numbers: bool,
    file: impl Fn(&mut Rng, &[Task], Tz) -> (Vec<u8>, Vec<String>, Vec<String>),
) {
    let database = Database::demo().await;
    for seed in 0..files {
        let mut rng = Rng::with_seed(seed);
        let zone = pick(
            &mut rng,
            &[Tz::UTC, Tz::Asia__Shanghai, Tz::America__New_York],
        );
        let are_numbers = may_be_numbers && rng.bool();
        let tasks: Vec<Task> = (0..TASKS)
            .map(|number| task(&mut rng, number, are_numbers))
            .collect();
        let (bytes, flags, reported) = file(&mut rng, &tasks, zone);
        let what = format!("seed {seed}");
        assert_read(&database, &what, &tasks, &flags, &bytes, &reported).await;
    }
}

/// Imports a file, and checks that the stored tasks are those, and that the messages say what they should.
async fn assert_read(
    database: &Database,
    what: &str,
    tasks: &[Task],
    flags: &[String],
    input: &[u8],
    reported: &[String],
) {
    let mut import = vec!["import", "-", "--tenant=demo"];
    import.extend(flags.iter().map(String::as_str));
    let output = database.run(&import, input).await;
    let said = String::from_utf8(output.stderr).unwrap();
    let text = String::from_utf8_lossy(input);
    let shown: String = text.chars().take(4000).collect();
    assert!(
        output.status.success(),
        "{what}, {flags:?}: {said}\n{shown:?}"
    );
    for part in reported {
        assert!(said.contains(part), "{what}: {part} is not in {said}");
    }
    let export = ["export", "--tenant=demo", "--order-by=task_id"];
    let lines = database.succeed(&export, b"").await;
    assert_eq!(lines.lines().count(), tasks.len(), "{what}");
    for (line, task) in lines.lines().zip(tasks) {
        let stored: Json = serde_json::from_str(line).unwrap();
        let at = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let wanted = serde_json::json!({
            "task_id": task.id, "name": task.name, "target": task.customers,
            "start_time": at(task.start), "end_time": at(task.end),
            "status": STATUSES[task.status].0, "progress": task.progress,
        });
        for (field, value) in wanted.as_object().unwrap() {
            assert_eq!(&stored[field], value, "{what}: {field}\n{shown:?}");
        }
    }
    database.execute("DELETE FROM tasks").await;
}
