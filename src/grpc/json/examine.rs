//! Finds everything that is wrong with a JSON request, since reading it as a message ends at the first error.

use prost_reflect::{DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::mask::MASK;
use crate::{
    domain::{time::Moment, words::is_whole},
    error::{Reason, Violation, Violations},
    redaction::excerpt,
};

pub(super) const TIME: &str = "google.protobuf.Timestamp";
const DURATION: &str = "google.protobuf.Duration";
/// Messages of this package have JSON forms of their own.
const WELL_KNOWN: &str = "google.protobuf";

/// The violations of a request, by the names of the contract.
pub(super) fn request(json: &Value, of: &MessageDescriptor) -> Violations {
    let mut found = Violations::new();
    match json {
        Value::Object(members) => object(members, of, "", &mut found),
        _ => {
            let form = "a JSON object";
            found.push(Violation::new("message", Reason::Malformed { form }));
        }
    }
    found
}

/// `at` stands before the names of the members, as `task.`.
fn object(members: &Map<String, Value>, of: &MessageDescriptor, at: &str, found: &mut Violations) {
    for (name, value) in members {
        let field = (of.get_field_by_json_name(name)).or_else(|| of.get_field_by_name(name));
        let Some(field) = field else {
            let why = Reason::NotAMember {
                of: of.name().to_owned(),
            };
            found.push_with(|| {
                // A name without a character is shown as JSON has it.
                let name = match name.is_empty() {
                    true => "\"\"".to_owned(),
                    false => excerpt(name),
                };
                Violation::new(format!("{at}{name}"), why)
            });
            continue;
        };
        let at = format!("{at}{}", field.name());
        match value {
            Value::Null => {} // the same as no value
            Value::Array(items) if field.is_list() => {
                for (n, item) in items.iter().enumerate() {
                    single(item, &field, &format!("{at}[{n}]"), found);
                }
            }
            _ if field.is_list() => {
                found.push(Violation::new(at, Reason::Malformed { form: "a list" }));
            }
            _ if field.is_map() => map(value, &field, &at, found),
            _ => single(value, &field, &at, found),
        }
    }
}

/// Examines the values of a map. Each is named by its key, as `task.labels.region`.
fn map(value: &Value, field: &FieldDescriptor, at: &str, found: &mut Violations) {
    let kind = field.kind();
    let (Value::Object(entries), Kind::Message(entry)) = (value, &kind) else {
        found.push(Violation::new(at, reason(value, &kind)));
        return;
    };
    let field = entry.map_entry_value_field();
    for (key, value) in entries {
        single(value, &field, &format!("{at}.{}", excerpt(key)), found);
    }
}

/// Examines a value, or an item of a list.
fn single(value: &Value, field: &FieldDescriptor, at: &str, found: &mut Violations) {
    let kind = field.kind();
    if let (Kind::Message(message), Value::Object(members)) = (&kind, value)
        && message.package_name() != WELL_KNOWN
    {
        return object(members, message, &format!("{at}."), found);
    }
    let is_right = match kind {
        Kind::String => value.is_string(),
        Kind::Bool => value.is_boolean(),
        _ => is_readable(value, field),
    };
    if !is_right {
        found.push_with(|| Violation::new(at, reason(value, &kind)));
    }
}

/// Whether a message with this field alone can be read.
fn is_readable(value: &Value, field: &FieldDescriptor) -> bool {
    let value = match field.is_list() {
        true => Value::Array(vec![value.clone()]),
        false => value.clone(),
    };
    let alone = Value::Object(Map::from_iter([(field.name().to_owned(), value)]));
    let options = DeserializeOptions::new();
    DynamicMessage::deserialize_with_options(field.parent_message().clone(), alone, &options)
        .is_ok()
}

fn reason(value: &Value, kind: &Kind) -> Reason {
    let actual = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let shown = excerpt(&actual);
    let form = match kind {
        Kind::Enum(of) => {
            return Reason::NotAName {
                of: of.name().to_owned(),
                actual: shown,
            };
        }
        Kind::Message(message) if message.full_name() == TIME => {
            return match Moment::parse(&actual) {
                Err(why @ Reason::YearOutOfRange { .. }) => why.was(shown),
                _ => Reason::NotRfc3339 { actual: shown },
            };
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 if is_whole(&actual) => {
            return Reason::OutOfAnyRange {
                min: i32::MIN.into(),
                max: i32::MAX.into(),
                actual: shown,
            };
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 if is_whole(&actual) => {
            return Reason::OutOfAnyRange {
                min: i64::MIN,
                max: i64::MAX,
                actual: shown,
            };
        }
        Kind::String => "a text",
        Kind::Bool => "true or false",
        Kind::Bytes => "a text in base64",
        Kind::Message(message) if message.full_name() == MASK => {
            "a text with names of fields and commas between them, such as \"task_id,name\""
        }
        Kind::Message(message) if message.full_name() == DURATION => {
            "a text with a number of seconds, such as \"90s\""
        }
        Kind::Message(_) => "an object",
        _ => return Reason::NotANumber { actual: shown },
    };
    Reason::Malformed { form }
}
