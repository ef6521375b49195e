//! Writes tasks as JSON in the form that an import reads. Derived fields such as the etag are left out.

use serde::Serialize;

use crate::{
    app::json::{OutboundTask, Time, TimeFormat, push_line},
    domain::{
        export::ExportedTask,
        fields::TaskFields,
        labels::Labels,
        target::{TargetResult, TargetState},
        text::is_blank,
        words::Word,
    },
};

#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    task: OutboundTask<'a>,
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

impl<'a> ResultRecord<'a> {
    fn new(result: &'a TargetResult, times: TimeFormat) -> Self {
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
            time: Time(*time, times),
        }
    }
}

/// Appends a task as one line.
pub(super) fn write(exported: &ExportedTask, times: TimeFormat, out: &mut Vec<u8>) {
    let ExportedTask { task, results } = exported;
    let record = Record {
        task: OutboundTask::new(task, TaskFields::EXPORTED, times),
        target_results: records(results, times),
    };
    push_line(&record, out);
}

/// The results as JSON for a single cell of CSV.
pub(super) fn results_json(results: &[TargetResult]) -> String {
    json_text(&records(results, TimeFormat::Rfc3339))
}

fn records(results: &[TargetResult], times: TimeFormat) -> Vec<ResultRecord<'_>> {
    let records = results
        .iter()
        .map(|result| ResultRecord::new(result, times));
    records.collect()
}

/// The labels for a single cell: `region=east;tier=gold`, or a JSON object if an import would read that otherwise.
pub(super) fn labels_text(labels: &Labels) -> String {
    let is_plain = |value: &str| {
        !value.contains([';', '；', '\n', '\r']) && value.trim_matches(is_blank) == value
    };
    if labels.iter().all(|(_, value)| is_plain(value)) {
        let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        return labels.collect::<Vec<_>>().join(";");
    }
    json_text(labels)
}

/// A value as JSON.
pub(super) fn json_text(value: &impl Serialize) -> String {
    serde_json::to_string(value)
        .expect("these types have no fallible part and no map keys but strings")
}
