//! Values of messages as domain types, and back.

use std::fmt;

use chrono::{DateTime, Utc};
use prost_types::{FieldMask, Timestamp};

use crate::{
    domain::{
        fields::TaskField,
        get::{Shown, View},
        own_reason::OwnReason,
        time,
        words::Word,
    },
    error::{Reason, Violation, Violations},
    redaction::excerpt,
};

/// Reads which fields of each task a request asks for.
pub(super) fn read_shown(
    target_limit: Option<i32>,
    read_mask: Option<FieldMask>,
    violations: &mut Violations,
) -> Shown {
    let mut fields = Vec::new();
    let paths = read_mask.unwrap_or_default().paths;
    for (index, path) in paths.iter().enumerate() {
        match TaskField::from_word(path) {
            Some(field) => fields.push(field),
            None => violations.push_with(|| {
                let actual = excerpt(path);
                let field = format!("read_mask.paths[{index}]");
                Violation::new(field, Reason::UnknownField { actual })
            }),
        }
    }
    Shown {
        target_limit: target_limit.map(i64::from),
        fields: fields.into_iter().collect(),
    }
}

/// Takes out of a message which parts of the task it asks a write to return. A write is the same whatever it returns, and
/// older services do not know these fields, so this precedes the hash of the message.
pub(super) fn take_view(
    target_limit: &mut Option<i32>,
    read_mask: &mut Option<FieldMask>,
    violations: &mut Violations,
) -> View {
    read_shown(target_limit.take(), read_mask.take(), violations).view(violations)
}

/// A text of a message, in which an absent text and an empty one mean the same.
pub(super) fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|t| !t.is_empty())
}

/// The value with this number. 0 means the default.
pub(super) fn known<T: Word + Default>(
    field: &str,
    number: i32,
    number_of: fn(T) -> i32,
    violations: &mut Violations,
) -> T {
    if number == 0 {
        return T::default();
    }
    T::all()
        .find(|v| number_of(*v) == number)
        .unwrap_or_else(|| {
            let why = Reason::OutOfRange {
                min: 0,
                max: Some(T::VARIANTS.len() as i64), // an enum has few values
                actual: number.into(),
            };
            violations.push(Violation::new(field, why));
            T::default()
        })
}

/// The time of a field; `None` if the message has none, or one that is a violation.
pub(super) fn instant(
    field: impl fmt::Display,
    timestamp: Option<Timestamp>,
    violations: &mut Violations,
) -> Option<DateTime<Utc>> {
    let Timestamp { seconds, nanos } = timestamp?;
    time::from_unix(seconds, nanos)
        .map_err(|why| violations.push_with(|| Violation::new(field.to_string(), why)))
        .ok()
}

/// The number of the service's own reason; 0 for a reason from a person.
pub(super) fn own_reason(sentence: &str) -> i32 {
    OwnReason::of(sentence).map_or(0, |reason| reason as i32)
}

/// A time as a message has it.
pub(crate) fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        // Less than 1,000,000,000, so it fits an i32.
        nanos: instant.timestamp_subsec_nanos() as i32,
    }
}

/// A time that a message must have; `None` if it has none, or one that no task has.
pub(crate) fn read_time(at: Option<Timestamp>) -> Option<DateTime<Utc>> {
    let Timestamp { seconds, nanos } = at?;
    time::from_unix(seconds, nanos).ok()
}
