//! Converts a task of a response to the output form.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use serde::{Serialize, Serializer};

use crate::{
    app::json::{JsonValue, TimeFormat},
    cli::terminal::failed,
    domain::{
        fields::{FieldValue, TaskField, TaskFields},
        status::TaskStatus,
        words::Word,
    },
    error::{Error, Result},
    grpc::{read_time, task_value},
    pb,
};

/// The requested fields of a task in a response.
pub(in crate::cli) struct Record<'a>(Vec<(TaskField, FieldValue<'a>)>);

impl<'a> Record<'a> {
    /// `fields` are the requested ones, because a message does not distinguish an empty field from
    /// an absent one. An error if a newer version of the API defines one of them differently.
    pub(in crate::cli) fn new(task: &'a pb::OutboundTask, fields: TaskFields) -> Result<Self> {
        let values = fields
            .iter()
            .map(|field| Some((field, task_value(task, field)?)));
        values.collect::<Option<_>>().map(Self).ok_or_else(unknown)
    }

    /// The value of a requested field.
    pub(super) fn value(&self, field: TaskField) -> Option<&FieldValue<'a>> {
        let found = self.0.iter().find(|(of, _)| *of == field);
        found.map(|(_, value)| value)
    }
}

/// As the JSON form of the gateway.
impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.0.iter().map(|(field, value)| {
            let value = JsonValue {
                value: value.clone(),
                format: TimeFormat::Rfc3339,
            };
            (field.word(), value)
        });
        serializer.collect_map(members)
    }
}

/// The status with this number.
pub(in crate::cli) fn task_status(number: i32) -> Result<TaskStatus> {
    TaskStatus::from_number(number).ok_or_else(unknown)
}

/// A time that the API guarantees to be present.
pub(in crate::cli) fn instant(at: Option<Timestamp>) -> Result<DateTime<Utc>> {
    read_time(at).ok_or_else(unknown)
}

/// The error for a value that this program does not know; leaving the value out would be misleading.
pub(in crate::cli) fn unknown() -> Error {
    failed(
        "the response cannot be read",
        "the service uses another version of the API than this program",
    )
}
