//! The sample tasks of a first start. The file has the tasks as they stand on [`DAY`]. All their times are moved by the days that
//! have passed since, so that whenever `dev` starts, running tasks have begun and not ended, pending tasks begin later, and
//! ended ones lie in the past. Tasks that began have results of calls, as many as their progress says: an ended or paused task
//! from its start on, a running one up to now.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

const TASKS: &str = include_str!("../sample_tasks.ndjson");
/// At every time of this day (UTC) the status of each task of the file fits its times.
const DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 19).expect("a date");
/// From one call of a task to the next.
const CALL: TimeDelta = TimeDelta::seconds(40);
const TIMES: [&str; 4] = ["start_time", "end_time", "created_at", "updated_at"];

/// The sample tasks as NDJSON, as they stand on the day of `now`.
pub(super) fn at(now: DateTime<Utc>) -> String {
    let moved = now.date_naive() - DAY;
    let mut text = String::new();
    for line in TASKS.lines() {
        let mut task: Map<String, Value> = serde_json::from_str(line).expect("a sample task");
        for name in TIMES {
            let time = task[name].as_str().and_then(|time| time.parse().ok());
            let time: DateTime<Utc> = time.expect("a time of a sample task");
            task[name] = text_of(time + moved).into();
        }
        let results = results(&task, now);
        task.insert("target_results".to_owned(), results.into());
        text += &Value::from(task).to_string();
        text.push('\n');
    }
    text
}

/// What came of the calls of a task: of as many customers as its progress says, nothing is left to do. Every other one of the
/// rest was called in vain.
fn results(task: &Map<String, Value>, now: DateTime<Utc>) -> Vec<Value> {
    let customers = task["target"].as_array().expect("a list of customers");
    let progress = task["progress"].as_u64().expect("a number") as usize; // at most 100
    let finished = customers.len() * progress / 100;
    let called = match task["status"].as_str() {
        Some("pending") => 0,
        _ => finished + (customers.len() - finished) / 2,
    };
    let first = match task["status"].as_str() {
        Some("running") => now - CALL * called as i32, // some hundred at most
        _ => {
            let start = task["start_time"].as_str();
            let start = start.and_then(|time| time.parse().ok());
            start.expect("a time of a sample task")
        }
    };
    let of_customer = |(nth, customer): (usize, &Value)| {
        let state = match (nth < finished, nth % 8) {
            (true, 3) => "failed",
            (true, 6) => "skipped",
            (true, _) => "answered",
            (false, 0 | 3 | 6) => "busy",
            (false, _) => "no_answer",
        };
        let time = text_of(first + CALL * nth as i32);
        json!({ "customer_id": customer, "state": state, "attempt": 1, "time": time })
    };
    let called = customers.iter().take(called);
    called.enumerate().map(of_customer).collect()
}

fn text_of(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
