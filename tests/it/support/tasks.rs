//! Tasks as records of an import file.

use std::io::Read;

pub type Json = serde_json::Value;

pub fn to_ndjson(tasks: &[Json]) -> String {
    tasks.iter().map(|t| format!("{t}\n")).collect()
}

/// The 3,898 tasks of the real campaign, unchanged.
pub fn bank_tasks() -> Vec<Json> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/bank_tasks.ndjson.gz"
    );
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn task(id: &str, start: &str, end: &str, status: &str) -> Json {
    serde_json::json!({"task_id": id, "name": id, "start_time": start, "end_time": end, "status": status})
}

/// A task of an answer without the fields that were added after the specification's nine and `target_count`.
pub fn documented(task: &Json) -> Json {
    let mut task = task.clone();
    let fields = task.as_object_mut().unwrap();
    for further in [
        "allowed_actions",
        "status_reason",
        "status_changed_at",
        "target_counts",
        "etag",
        "labels",
        "copied_from",
        "last_result_at",
    ] {
        assert!(fields.remove(further).is_some(), "{further} is missing");
    }
    task
}
