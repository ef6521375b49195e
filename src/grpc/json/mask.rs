//! Field masks of JSON requests.
//!
//! ProtoJSON writes the paths of a mask in lowerCamelCase, which has no form for some: `labels.a_1` would become the path
//! of the label `a1`. Requests may write a path as the contract does, so such masks are read here and not by the library.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

pub(super) const MASK: &str = "google.protobuf.FieldMask";
const PATHS: &str = "paths";

/// A mask of a request, and the field that holds it.
pub(super) struct Mask {
    field: FieldDescriptor,
    paths: Vec<String>,
}

impl Mask {
    /// Takes the masks out of the JSON of a request. What is no text stays, and is a violation.
    pub(super) fn take_all(json: &mut Value, of: &MessageDescriptor) -> Vec<Self> {
        let Value::Object(members) = json else {
            return Vec::new();
        };
        let mut taken = Vec::new();
        for field in of.fields().filter(is_mask) {
            for name in [field.name(), field.json_name()] {
                if let Some(Value::String(text)) = members.get(name) {
                    let paths = text.split(',').filter(|path| !path.is_empty());
                    let paths = paths.map(path).collect();
                    taken.push(Self {
                        field: field.clone(),
                        paths,
                    });
                    members.remove(name);
                }
            }
        }
        taken
    }

    /// Sets the field in the message that was read from the rest.
    pub(super) fn put(self, request: &mut DynamicMessage) {
        if let Kind::Message(of) = self.field.kind() {
            let mut mask = DynamicMessage::new(of);
            let paths = self.paths.into_iter().map(prost_reflect::Value::String);
            mask.set_field_by_name(PATHS, prost_reflect::Value::List(paths.collect()));
            request.set_field(&self.field, prost_reflect::Value::Message(mask));
        }
    }
}

fn is_mask(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(message) if message.full_name() == MASK)
}

/// A path as the contract writes it: `taskId` becomes `task_id`. One with an underscore is written so already.
fn path(text: &str) -> String {
    if text.contains('_') {
        return text.to_owned();
    }
    let mut path = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_uppercase() {
            path.push('_');
        }
        path.push(c.to_ascii_lowercase());
    }
    path
}
