//! Writes tasks as JSON in the form that an import reads. Derived fields such as the etag are left out.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use crate::domain::{
    export::ExportedTask,
    target::{TargetResult, TargetState},
    task::Task,
    time,
};

#[derive(Serialize)]
struct Record<'a> {
    task_id: &'a str,
    name: &'a str,
    target: &'a [String],
    start_time: Time,
    end_time: Time,
    status: &'a str,
    progress: i16,
    created_at: Time,
    updated_at: Time,
    target_count: i32,
    status_reason: &'a str,
    status_changed_at: Time,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    target_results: Vec<ResultRecord<'a>>,
}

#[derive(Serialize)]
struct ResultRecord<'a> {
    customer_id: &'a str,
    state: &'static str,
    attempt: i32,
    time: Time,
}

struct Time(DateTime<Utc>);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time::to_rfc3339(self.0))
    }
}

impl<'a> From<&'a TargetResult> for ResultRecord<'a> {
    fn from(result: &'a TargetResult) -> Self {
        let TargetResult {
            customer_id,
            state,
            attempt,
            time,
        } = result;
        Self {
            customer_id,
            state: TargetState::word(*state),
            attempt: *attempt,
            time: Time(*time),
        }
    }
}

/// Appends a task as one line.
pub(super) fn write(exported: &ExportedTask, out: &mut Vec<u8>) {
    let ExportedTask {
        task:
            Task {
                task_id,
                name,
                target,
                start_time,
                end_time,
                status,
                progress,
                created_at,
                updated_at,
                target_count,
                status_reason,
                status_changed_at,
                target_counts: _,
                revision: _,
            },
        results,
    } = exported;
    let record = Record {
        task_id,
        name,
        target,
        start_time: Time(*start_time),
        end_time: Time(*end_time),
        status: status.word(),
        progress: *progress,
        created_at: Time(*created_at),
        updated_at: Time(*updated_at),
        target_count: *target_count,
        status_reason,
        status_changed_at: Time(*status_changed_at),
        target_results: results.iter().map(ResultRecord::from).collect(),
    };
    serde_json::to_writer(&mut *out, &record)
        .expect("these types have no map and no fallible part, and writing to a Vec cannot fail");
    out.push(b'\n');
}

/// The results as JSON for a single cell of CSV.
pub(super) fn results_json(results: &[TargetResult]) -> String {
    let records: Vec<ResultRecord<'_>> = results.iter().map(ResultRecord::from).collect();
    serde_json::to_string(&records).expect("these types have no map and no fallible part")
}
