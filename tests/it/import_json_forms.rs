//! Random tasks, written as JSON in random shapes, encodings, words and forms of times by a writer that shares nothing with
//! the reader, are read back as they were: a record a line, a bare list, and a list anywhere in a document.

use chrono_tz::Tz;
use fastrand::Rng;

use crate::support::forms::{STATUSES, Task, assert_all_read, customers, pick, time, wide};

const FILES: u64 = 60;

/// Fields with the names under which a file may have them, and the flag that maps the name; dots lead into objects.
const NAMES: [(&str, &[&str]); 7] = [
    (
        "task_id",
        &["task_id", "taskId", "任务ID", "ids.own", "No."],
    ),
    ("name", &["name", "NAME", "任务名称", "about.title"]),
    ("target", &["target", "客户", "about.phones", "to"]),
    (
        "start_time",
        &["start_time", "startTime", "when.from", "when.time.from"],
    ),
    (
        "end_time",
        &["end_time", "结束时间", "when.to", "when.time.to"],
    ),
    ("status", &["status", "当前状态", "about.state"]),
    ("progress", &["progress", "进度", "done"]),
];

/// The names that need no map.
const KNOWN: [&str; 16] = [
    "task_id",
    "taskId",
    "任务ID",
    "name",
    "NAME",
    "任务名称",
    "target",
    "客户",
    "start_time",
    "startTime",
    "end_time",
    "结束时间",
    "status",
    "当前状态",
    "progress",
    "进度",
];

/// Blanks between the parts of a document; `may_break` allows line ends.
fn blank(rng: &mut Rng, may_break: bool) -> &'static str {
    let blanks: &[&str] = match may_break {
        true => &["", "", " ", "\n", "\r\n\t", "  \n"],
        false => &["", "", " ", "\t"],
    };
    pick(rng, blanks)
}

/// A string, with some of its characters escaped.
fn string(rng: &mut Rng, text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        let must = c < ' ' || c == '"' || c == '\\';
        if !must && rng.u8(..6) > 0 {
            json.push(c);
            continue;
        }
        match c {
            '\n' if rng.bool() => json += "\\n",
            '"' | '\\' if rng.bool() => {
                json.push('\\');
                json.push(c);
            }
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    json += &match rng.bool() {
                        true => format!("\\u{unit:04x}"),
                        false => format!("\\u{unit:04X}"),
                    };
                }
            }
        }
    }
    json.push('"');
    json
}

/// The value of a field, as JSON.
fn value(rng: &mut Rng, field: &str, task: &Task, forms: (usize, usize), zone: Tz) -> String {
    let either = |rng: &mut Rng, text: String| match rng.bool() {
        true => text,
        false => string(rng, &text),
    };
    match field {
        "task_id" if task.id.starts_with('t') => string(rng, &task.id),
        "task_id" => either(rng, task.id.clone()),
        "name" => string(rng, &task.name),
        "target" if rng.u8(..3) == 0 => {
            let cell = customers(rng, &task.customers);
            string(rng, &cell)
        }
        "target" => {
            let mut written: Vec<String> = Vec::new();
            for id in &task.customers {
                let is_number = id.starts_with('1');
                written.push(match rng.u8(..4) {
                    0 if is_number => id.clone(),
                    1 => string(rng, &wide(id)),
                    _ => string(rng, id),
                });
            }
            if let Some(first) = written.first().cloned()
                && rng.u8(..4) == 0
            {
                written.push(first);
            }
            format!("[{}]", written.join(","))
        }
        "start_time" | "end_time" => {
            let (form, at) = match field {
                "start_time" => (forms.0, task.start),
                _ => (forms.1, task.end),
            };
            let text = time(form, at, zone);
            match form {
                5.. => either(rng, text),
                _ => string(rng, &text),
            }
        }
        "status" => {
            let word = pick(rng, STATUSES[task.status].1);
            string(rng, word)
        }
        _ => match rng.u8(..4) {
            0 => format!("\"{}%\"", task.progress),
            1 => format!("{}.0", task.progress),
            2 => format!("\"{}\"", task.progress),
            _ => task.progress.to_string(),
        },
    }
}

/// A member of an object: a name and a value, or an object with members.
enum Member {
    Value(String, String),
    Object(String, Vec<Member>),
}

/// Adds a value at the end of a path.
fn insert(members: &mut Vec<Member>, path: &str, json: String) {
    let Some((first, rest)) = path.split_once('.').filter(|(_, rest)| !rest.is_empty()) else {
        members.push(Member::Value(path.to_owned(), json));
        return;
    };
    let found = members.iter_mut().find_map(|member| match member {
        Member::Object(name, inner) if name == first => Some(inner),
        _ => None,
    });
    match found {
        Some(inner) => insert(inner, rest, json),
        None => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, json);
            members.push(Member::Object(first.to_owned(), inner));
        }
    }
}

fn object(rng: &mut Rng, mut members: Vec<Member>, may_break: bool) -> String {
    rng.shuffle(&mut members);
    let mut parts = Vec::new();
    for member in members {
        let (name, json) = match member {
            Member::Value(name, json) => (name, json),
            Member::Object(name, inner) => (name, object(rng, inner, may_break)),
        };
        let name = string(rng, &name);
        let mut space = || blank(rng, may_break);
        parts.push(format!(
            "{}{name}{}:{}{json}{}",
            space(),
            space(),
            space(),
            space()
        ));
    }
    format!("{{{}}}", parts.join(","))
}

/// A whole file, its flags, and what its report says.
fn file(rng: &mut Rng, tasks: &[Task], zone: Tz) -> (Vec<u8>, Vec<String>, Vec<String>) {
    let is_lines = rng.u8(..3) == 0;
    let names = NAMES.map(|(field, names)| (field, pick(rng, names)));
    let mapped: Vec<String> = names
        .iter()
        .filter(|(_, name)| !KNOWN.contains(name))
        .map(|(field, name)| format!("{field}={name}"))
        .collect();
    let mut flags = vec![format!("--time-zone={zone}")];
    if !mapped.is_empty() {
        flags.push(format!("--map={}", mapped.join(",")));
    }
    let has_unknown = rng.bool();
    if has_unknown {
        flags.push("--ignore-unknown".to_owned());
    }
    let forms = (rng.usize(..8), rng.usize(..8));
    let mut records = Vec::new();
    for task in tasks {
        let mut members = Vec::new();
        for (field, name) in names {
            let json = value(rng, field, task, forms, zone);
            insert(&mut members, name, json);
        }
        if has_unknown {
            let odd = pick(
                rng,
                &[
                    "[1,{\"name\":\"x\"}]",
                    "{\"when\":{\"to\":1}}",
                    "null",
                    "\"//\"",
                ],
            );
            members.push(Member::Value("备注".to_owned(), odd.to_owned()));
        }
        if rng.bool() {
            members.push(Member::Value("created_at".to_owned(), "null".to_owned()));
        }
        records.push(object(rng, members, !is_lines));
    }
    let mut reported = Vec::new();
    let text = if is_lines {
        flags.push("--format=ndjson".to_owned());
        let end = pick(rng, &["\n", "\r\n", "\n\n"]);
        records.join(end) + pick(rng, &["", "\n"])
    } else {
        flags.push("--format=json".to_owned());
        let between = format!(",{}", blank(rng, true));
        let list = format!("[{}{}]", blank(rng, true), records.join(&between));
        match rng.u8(..3) {
            0 => list,
            1 => format!(
                "{{\"total\":{}, \"tasks\": {list}, \"more\": {{\"tasks\":[7]}}}}",
                tasks.len()
            ),
            _ => {
                flags.push("--root=JobGroups.列表".to_owned());
                format!(
                    "{{\"列表\":[1],\"JobGroups\":{{\"Page\":{{\"列表\":0}},\"列表\":{list},\"n\":null}},\"Code\":\"OK\"}}"
                )
            }
        }
    };
    let marked = format!("\u{feff}{text}");
    let utf16 = |of: fn(u16) -> [u8; 2]| marked.encode_utf16().flat_map(of).collect();
    let (bytes, name): (Vec<u8>, _) = match rng.u8(..5) {
        0 => (text.into_bytes(), "UTF-8"),
        1 => (marked.into_bytes(), "UTF-8"),
        2 => (utf16(u16::to_le_bytes), "UTF-16LE"),
        3 => (utf16(u16::to_be_bytes), "UTF-16BE"),
        _ => {
            flags.push("--encoding=gb18030".to_owned());
            (encoding_rs::GB18030.encode(&text).0.into_owned(), "GB18030")
        }
    };
    reported.push(format!("read {name}"));
    (bytes, flags, reported)
}

#[tokio::test(flavor = "multi_thread")]
async fn random_tasks_are_read_back_from_every_form_of_json() {
    assert_all_read(FILES, true, file).await;
}
