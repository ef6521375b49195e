//! The sample tasks of a first start. The file has the tasks as they stand on [`DAY`]. All their times are moved by the days that
//! have passed since, so that whenever `dev` starts, running tasks have begun and not ended, pending tasks begin later, and
//! ended ones lie in the past.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value};

const TASKS: &str = include_str!("../sample_tasks.ndjson");
/// At every time of this day (UTC) the status of each task of the file fits its times.
const DAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 19).expect("a date");
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
            task[name] = (time + moved)
                .to_rfc3339_opts(SecondsFormat::Secs, true)
                .into();
        }
        text += &Value::from(task).to_string();
        text.push('\n');
    }
    text
}
