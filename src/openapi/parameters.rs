//! The parameters of the GET form.

use serde_json::{Value, json};

use crate::{
    app::json::TimeFormat,
    domain::{
        attention::Attention,
        date_range::DateField,
        fields::{OrderBy, TaskField},
        labels::MAX_LABELS,
        limits::{INLINE_TARGETS, MAX_ID_CHARS, MAX_IDS, MAX_LIMIT, MAX_NAME_CHARS},
        order::Direction,
        status::TaskStatus,
        words::Word,
    },
};

/// One of the words of an enum.
pub(super) fn words<T: Word>() -> Value {
    json!({"type": "string", "enum": T::words()})
}

pub(super) fn with_default(mut schema: Value, default: impl Into<Value>) -> Value {
    schema["default"] = default.into();
    schema
}

pub(super) fn id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS})
}

/// A time, or a bare date.
fn time() -> Value {
    json!({"type": "string"})
}

/// A list that is given by repeating the parameter.
pub(super) fn repeated(items: Value, most: Option<usize>) -> Value {
    let mut schema = json!({"type": "array", "items": items});
    if let Some(most) = most {
        schema["maxItems"] = most.into();
    }
    schema
}

pub(super) fn parameter(name: &str, schema: Value, about: &str, example: Value) -> Value {
    let mut parameter = json!({"name": name, "in": "query", "required": false, "schema": schema, "description": about});
    if !example.is_null() {
        parameter["example"] = example;
    }
    parameter
}

/// The parameters that choose tasks.
pub(super) fn filter() -> Vec<Value> {
    let statuses = TaskStatus::all().flat_map(|status| [status.word(), status.chinese()]);
    let statuses: Vec<&str> = statuses.chain(["active"]).collect();
    vec![
        parameter(
            "status",
            repeated(json!({"type": "string", "enum": statuses}), None),
            "Only tasks with one of these statuses. `active` means pending, running and paused. Words may also stand in one \
                parameter with commas between them.",
            json!(["running", "paused"]),
        ),
        parameter(
            "date_range",
            repeated(time(), Some(2)),
            "Only tasks whose `date_field` lies in the range: START and END, or `START,END` in one parameter; either may be \
                empty. A time of RFC 3339 or a date; an END that is a date includes its day.",
            json!(["2023-03-01", "2023-03-31"]),
        ),
        parameter(
            "start_date",
            time(),
            "The start of the range, instead of `date_range`.",
            json!("2023-03-01"),
        ),
        parameter(
            "end_date",
            time(),
            "The end of the range, instead of `date_range`.",
            json!("2023-03-31"),
        ),
        parameter(
            "date_field",
            with_default(words::<DateField>(), DateField::default().word()),
            "The time that the range applies to. `window`: the task starts before END and ends after START.",
            json!("start_time"),
        ),
        parameter(
            "customer_id",
            id(),
            "Only tasks that call this customer; the whole id.",
            json!("c-1001"),
        ),
        parameter(
            "name",
            json!({"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS}),
            "Only tasks whose name contains this text, in upper or lower case. No character is special.",
            json!("March"),
        ),
        parameter(
            "task_ids",
            repeated(id(), Some(MAX_IDS)),
            "Only these tasks. One id in each parameter, since an id may hold a comma.",
            json!(["march-1", "march-2"]),
        ),
        parameter(
            "label",
            repeated(json!({"type": "string"}), Some(MAX_LABELS)),
            "Only tasks with this label: its key, or `key=value`. One label in each parameter; a task must have all of them.",
            json!(["region=east", "vip"]),
        ),
        parameter(
            "attention",
            repeated(words::<Attention>(), None),
            "Only tasks that have not ended and need attention for one of these reasons. Words may also stand in one parameter \
                with commas between them.",
            json!(["overdue", "stalled"]),
        ),
        parameter(
            "stalled_after",
            with_default(json!({"type": "string"}), "15m"),
            "How long a running task must be without a result to be stalled: whole seconds, up to 30 days.",
            json!("900s"),
        ),
        parameter(
            "time_zone",
            json!({"type": "string"}),
            "The IANA name of the time zone of dates; by default that of the service.",
            json!("Asia/Shanghai"),
        ),
    ]
}

pub(super) fn order() -> Vec<Value> {
    vec![
        parameter(
            "order_by",
            with_default(words::<OrderBy>(), OrderBy::default().word()),
            "The field that orders the tasks. Equal values are ordered by task_id.",
            json!("progress"),
        ),
        parameter(
            "order",
            with_default(words::<Direction>(), Direction::default().word()),
            "The direction.",
            json!("desc"),
        ),
    ]
}

pub(super) fn target_limit() -> Value {
    parameter(
        "target_limit",
        json!({"type": "integer", "minimum": 0, "maximum": INLINE_TARGETS, "default": INLINE_TARGETS}),
        "The most customer ids in each task; `target_count` is the number of all.",
        json!(10),
    )
}

/// The parameters that choose what is shown of a task.
pub(super) fn shown() -> Vec<Value> {
    let fields = json!({"type": "array", "items": words::<TaskField>()});
    let mut fields = parameter(
        "fields",
        fields,
        "The fields of each task, with commas between them; by default all.",
        json!(["task_id", "name", "status"]),
    );
    fields["explode"] = false.into();
    vec![target_limit(), fields]
}

pub(super) fn time_format() -> Value {
    parameter(
        "time_format",
        with_default(words::<TimeFormat>(), TimeFormat::default().word()),
        "How times are written; `compact` as 20230301T10:00:00Z.",
        json!("compact"),
    )
}

pub(super) fn flag(name: &str, about: &str) -> Value {
    let schema = json!({"type": "string", "enum": ["true", "false"], "default": "false"});
    parameter(name, schema, about, json!("true"))
}

pub(super) fn limit(default: i64) -> Value {
    parameter(
        "limit",
        json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": default}),
        "The most entries of a page.",
        json!(7),
    )
}

pub(super) fn page_token() -> Value {
    let about = "The `next_page_token` of the page before, with the same filter and order. Cannot be combined with `page`.";
    parameter("page_token", json!({"type": "string"}), about, Value::Null)
}

pub(super) fn in_path() -> Value {
    json!({"name": "task_id", "in": "path", "required": true, "schema": id(), "description": "The id of the task.",
        "example": "march-1"})
}
