//! Leap seconds: 23:59:60 is the second that follows, as in queries and imports. The reader of messages would take the one
//! before.

use prost_reflect::{Kind, MessageDescriptor};
use serde_json::Value;

use super::examine::TIME;
use crate::domain::time::{Moment, to_rfc3339};

/// Whether a request may have one; quick, since nearly none has.
pub(super) fn is_in(json: &[u8]) -> bool {
    json.windows(3).any(|bytes| bytes == b":60")
}

/// Writes the leap seconds in times of a message as the seconds that follow.
pub(super) fn resolve(json: &mut Value, of: &MessageDescriptor) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, of)),
        Value::String(text) if of.full_name() == TIME && text.contains(":60") => {
            if let Ok(Moment::Instant(instant)) = Moment::parse(text) {
                *text = to_rfc3339(instant);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let field =
                    (of.get_field_by_json_name(name)).or_else(|| of.get_field_by_name(name));
                if let Some(Kind::Message(message)) = field.map(|field| field.kind()) {
                    resolve(value, &message);
                }
            }
        }
        _ => {}
    }
}
