//! The answers of the GET form.

use serde_json::{Map, Value, json};

use super::{
    parameters::words,
    parts::{object, reference},
};
use crate::domain::{
    action::TaskAction, attention::Attention, fields::TaskField, status::TaskStatus,
    target::TargetState, words::Word,
};

/// The schemas of the answers.
pub(super) fn schemas() -> Map<String, Value> {
    let text = || json!({"type": "string"});
    let number = || json!({"type": "integer", "format": "int32"});
    let numbers = |words: Vec<&'static str>, number: Value| {
        let numbers = object(words.into_iter().map(|word| (word, number.clone())));
        json!({"type": "object", "properties": numbers, "additionalProperties": false})
    };
    let counts = |words: Vec<&'static str>| numbers(words, number());
    let task = TaskField::all().map(|field| {
        let schema = match field {
            TaskField::Target => json!({"type": "array", "items": text()}),
            TaskField::Status => words::<TaskStatus>(),
            TaskField::Progress => json!({"type": "integer", "minimum": 0, "maximum": 100}),
            TaskField::TargetCount => number(),
            TaskField::AllowedActions => {
                json!({"type": "array", "items": words::<TaskAction>()})
            }
            TaskField::TargetCounts => counts(TargetState::words()),
            TaskField::Labels => {
                json!({"type": "object", "additionalProperties": {"type": "string"}})
            }
            TaskField::TaskId
            | TaskField::Name
            | TaskField::StartTime
            | TaskField::EndTime
            | TaskField::CreatedAt
            | TaskField::UpdatedAt
            | TaskField::StatusReason
            | TaskField::StatusChangedAt
            | TaskField::Etag
            | TaskField::CopiedFrom => text(),
            TaskField::LastResultAt => json!({"type": ["string", "null"]}),
        };
        (field.word(), schema)
    });
    let page = |entries: &str, schema: &str| {
        json!({
            "type": "object",
            "required": [entries, "next_page_token", "as_of"],
            "properties": {
                "total": number(),
                entries: {"type": "array", "items": reference("schemas", schema)},
                "next_page_token": {"type": "string", "description": "Empty on the last page."},
                "as_of": {"type": "string", "description": "The instant whose committed state the page shows."},
            },
            "additionalProperties": false,
        })
    };
    let mut tasks = page("tasks", "Task");
    tasks["properties"]["status_counts"] = counts(TaskStatus::words());
    tasks["properties"]["attention_counts"] = counts(Attention::words());
    let mut sums = vec!["total"];
    sums.extend(TargetState::words());
    let large = json!({"type": "integer", "format": "int64"});
    tasks["properties"]["target_sums"] = numbers(sums, large);
    object([
        (
            "Task",
            json!({"type": "object", "description": "A task, or those of its fields that were asked for. The fields are those of \
                OutboundTask, with words in lower case.", "properties": object(task), "additionalProperties": false}),
        ),
        ("TaskPage", tasks),
        ("TargetPage", page("targets", "Target")),
        (
            "Target",
            json!({
                "type": "object",
                "required": ["customer_id", "state", "attempt", "time"],
                "properties": {"customer_id": text(), "state": words::<TargetState>(), "attempt": number(),
                    "time": {"type": ["string", "null"]}},
                "additionalProperties": false,
            }),
        ),
        (
            "Quotas",
            json!({
                "type": "object",
                "required": ["quotas", "key_name"],
                "properties": {"key_name": text(), "quotas": {"type": "array", "items": {
                    "type": "object",
                    "properties": {"name": text(), "unit": {"type": "string", "enum": ["calls", "database_milliseconds"]},
                        "limit": number(), "window_seconds": number(), "remaining": number(), "reset_seconds": number()},
                    "additionalProperties": false,
                }}},
                "additionalProperties": false,
            }),
        ),
        ("Error", error()),
    ])
}

fn error() -> Value {
    let text = || json!({"type": "string"});
    let parameters = || json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "status", "message", "details", "request_id", "reason"],
            "properties": {
                "code": {"type": "integer", "description": "The status of HTTP."},
                "status": {"type": "string", "description": "The code of gRPC, as INVALID_ARGUMENT."},
                "message": text(),
                "details": {"type": "array", "items": {
                    "type": "object",
                    "required": ["field", "description", "reason", "parameters"],
                    "properties": {"field": text(), "description": text(), "reason": text(), "parameters": parameters()},
                }},
                "request_id": text(),
                "trace_id": {"type": "string", "description": "The trace that the call belongs to, if there is one."},
                "reason": {"type": "string", "description": "A name of ErrorReason without its prefix, or the code."},
                "parameters": parameters(),
            },
        }},
    })
}
