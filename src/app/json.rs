//! A task in the JSON form of the specification: its fields, their order and its words. The gateway responds with it,
//! and the commands that call a service print it.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use strum::{IntoStaticStr, VariantArray};

use crate::domain::{
    attention::Attention,
    fields::{FieldValue, TaskField, TaskFields},
    micros::Micros,
    status::TaskStatus,
    target::TargetState,
    task::Task,
    time,
    view::TaskView,
    words::Word,
};

/// The format of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum TimeFormat {
    /// `2023-03-01T10:00:00Z`
    #[default]
    Rfc3339,
    /// `20230301T10:00:00Z`, as in the specification
    Compact,
}

impl TimeFormat {
    /// The function that formats a time.
    pub fn write(self) -> fn(DateTime<Utc>) -> String {
        match self {
            Self::Rfc3339 => time::to_rfc3339,
            Self::Compact => time::to_compact,
        }
    }
}

/// A time with its format.
#[derive(Debug, Clone, Copy)]
pub struct Time(pub DateTime<Utc>, pub TimeFormat);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(instant, format) = self;
        serializer.serialize_str(&format.write()(*instant))
    }
}

/// The JSON form of a task: its requested fields.
#[derive(Debug, Clone, Copy)]
pub struct OutboundTask<'a> {
    task: &'a Task,
    fields: TaskFields,
    format: TimeFormat,
}

impl<'a> OutboundTask<'a> {
    /// The requested fields of a task.
    pub fn new(task: &'a Task, fields: TaskFields, format: TimeFormat) -> Self {
        Self {
            task,
            fields,
            format,
        }
    }
}

impl Serialize for OutboundTask<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            task,
            fields,
            format,
        } = *self;
        let members = fields.iter().map(|field| {
            let value = task.value(field);
            (field.word(), JsonValue { value, format })
        });
        serializer.collect_map(members)
    }
}

/// The JSON form of a field's value.
#[derive(Debug, Clone)]
pub struct JsonValue<'a> {
    /// The value.
    pub value: FieldValue<'a>,
    /// The format of times.
    pub format: TimeFormat,
}

impl Serialize for JsonValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            FieldValue::Word(word) => serializer.serialize_str(word),
            FieldValue::Words(words) => words.serialize(serializer),
            FieldValue::Text(text) => serializer.serialize_str(text),
            FieldValue::Ids(ids) => ids.serialize(serializer),
            FieldValue::Time(at) => Time(*at, self.format).serialize(serializer),
            FieldValue::Number(number) | FieldValue::Percent(number) => {
                serializer.serialize_i32(*number)
            }
            FieldValue::Counts(counts) => counts.serialize(serializer),
            FieldValue::Labels(labels) => labels.serialize(serializer),
            FieldValue::Absent => serializer.serialize_unit(),
        }
    }
}

/// The names of the fields as JSON has them, `"name":`, by the numbers of the fields.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let keys = TaskField::all().map(|field| format!("\"{}\":", field.word()));
    keys.collect()
});

/// Appends a task of a list, as [`OutboundTask`] is serialized, without a text for each time.
pub fn push_task(task: &TaskView<'_>, fields: TaskFields, format: TimeFormat, out: &mut Vec<u8>) {
    let text = |text: &str, out: &mut Vec<u8>| push_value(text, out);
    let number = |number: i32, out: &mut Vec<u8>| push_value(&number, out);
    let time = |at: Micros, out: &mut Vec<u8>| {
        out.push(b'"');
        match format {
            TimeFormat::Rfc3339 => at.push_rfc3339(out),
            TimeFormat::Compact => at.push_compact(out),
        }
        out.push(b'"');
    };
    let mut before = b'{';
    for field in fields.iter() {
        out.push(before);
        out.extend_from_slice(KEYS[field as usize].as_bytes());
        before = b',';
        match field {
            TaskField::TaskId => text(task.task_id, out),
            TaskField::Name => text(task.name, out),
            TaskField::Target => push_value(task.target, out),
            TaskField::StartTime => time(task.start_time, out),
            TaskField::EndTime => time(task.end_time, out),
            TaskField::Status => {
                out.push(b'"');
                out.extend_from_slice(task.status.word().as_bytes());
                out.push(b'"');
            }
            TaskField::Progress => number(task.progress.into(), out),
            TaskField::CreatedAt => time(task.created_at, out),
            TaskField::UpdatedAt => time(task.updated_at, out),
            TaskField::TargetCount => number(task.target_count, out),
            TaskField::AllowedActions => {
                let mut before: &[u8] = b"[\"";
                for action in task.allowed_actions() {
                    out.extend_from_slice(before);
                    out.extend_from_slice(action.word().as_bytes());
                    out.push(b'"');
                    before = b",\"";
                }
                let end: &[u8] = if before == b"[\"" { b"[]" } else { b"]" };
                out.extend_from_slice(end);
            }
            TaskField::StatusReason => text(task.status_reason, out),
            TaskField::StatusChangedAt => time(task.status_changed_at, out),
            TaskField::TargetCounts => {
                let mut before: &[u8] = b"{\"";
                for state in TargetState::all() {
                    out.extend_from_slice(before);
                    out.extend_from_slice(state.word().as_bytes());
                    out.extend_from_slice(b"\":");
                    number(task.target_counts.of(state), out);
                    before = b",\"";
                }
                out.push(b'}');
            }
            TaskField::Etag => {
                out.push(b'"');
                task.push_etag(out);
                out.push(b'"');
            }
            TaskField::Labels => {
                let mut before = b'{';
                for (key, value) in task.labels {
                    out.push(before);
                    push_value(key, out);
                    out.push(b':');
                    push_value(value, out);
                    before = b',';
                }
                if task.labels.is_empty() {
                    out.push(b'{');
                }
                out.push(b'}');
            }
            TaskField::CopiedFrom => text(task.copied_from, out),
            TaskField::LastResultAt => match task.last_result_at {
                Some(at) => time(at, out),
                None => out.extend_from_slice(b"null"),
            },
        }
    }
    out.push(b'}');
}

/// Appends a value.
pub fn push_value(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value)
        .expect("these types have only strings as map keys, and writing to a Vec cannot fail");
}

/// The number of tasks per status, as one object in the order of the statuses.
#[derive(Debug, Clone, Copy)]
pub struct StatusCounts<'a>(pub &'a [(TaskStatus, i32)]);

impl StatusCounts<'_> {
    /// Whether the counts were not requested.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for StatusCounts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(status, count)| (status.word(), count)))
    }
}

/// The number of tasks of each kind of attention, as one object in the order of the kinds.
#[derive(Debug, Clone, Copy)]
pub struct AttentionCounts<'a>(pub &'a [(Attention, i32)]);

impl AttentionCounts<'_> {
    /// Whether the counts were not requested.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for AttentionCounts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(kind, count)| (kind.word(), count)))
    }
}

/// Appends a value as one line.
pub fn push_line(value: &impl Serialize, out: &mut Vec<u8>) {
    push_value(value, out);
    out.push(b'\n');
}
