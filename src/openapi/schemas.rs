//! The schemas of the contract's messages and enums, in their JSON form.

use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use serde_json::{Map, Value, json};

use super::parts::{Comments, object, reference};

/// The numbers of fields in `google/protobuf/descriptor.proto`, from which paths of comments are made.
const MESSAGES: i32 = 4;
const ENUMS: i32 = 5;
const FIELDS_OR_VALUES: i32 = 2;

/// All messages and enums by their names.
pub(super) fn of(files: &[FileDescriptorProto]) -> Map<String, Value> {
    let mut schemas = Map::new();
    for file in files {
        let comments = Comments::of(file);
        for (n, message) in (0..).zip(&file.message_type) {
            let path = [MESSAGES, n];
            schemas.insert(
                message.name().to_owned(),
                of_message(message, &comments, path),
            );
        }
        for (n, values) in (0..).zip(&file.enum_type) {
            let names = values.value.iter().map(|value| value.name());
            let meanings = (0..).zip(&values.value).map(|(v, value)| {
                let meaning = comments.at(&[ENUMS, n, FIELDS_OR_VALUES, v]);
                format!("- `{}`: {meaning}", value.name())
            });
            let about = comments.at(&[ENUMS, n]);
            let meanings: Vec<String> = meanings.collect();
            let schema = json!({
                "type": "string",
                "description": format!("{about}\n\n{}", meanings.join("\n")),
                "enum": names.collect::<Vec<_>>(),
            });
            schemas.insert(values.name().to_owned(), schema);
        }
    }
    schemas
}

fn of_message(message: &DescriptorProto, comments: &Comments, path: [i32; 2]) -> Value {
    let [kind, at] = path;
    let fields = (0..).zip(&message.field).map(|(n, field)| {
        let mut schema = of_field(field, message);
        let about = comments.at(&[kind, at, FIELDS_OR_VALUES, n]);
        if let Some(schema) = schema.as_object_mut() {
            // In OpenAPI 3.1, a description may stand beside a reference.
            schema.insert("description".to_owned(), about.into());
        }
        (field.name().to_owned(), schema)
    });
    json!({
        "type": "object",
        "description": comments.at(&path),
        "properties": object(fields),
        "additionalProperties": false,
    })
}

fn of_field(field: &FieldDescriptorProto, of: &DescriptorProto) -> Value {
    let name = field.type_name().rsplit('.').next().unwrap_or_default();
    let entry = of.nested_type.iter().find(|nested| nested.name() == name);
    if let Some(value) = entry.and_then(|entry| entry.field.iter().find(|f| f.name() == "value")) {
        return json!({"type": "object", "additionalProperties": single(value)});
    }
    match field.label() {
        Label::Repeated => json!({"type": "array", "items": single(field)}),
        Label::Optional | Label::Required => single(field),
    }
}

/// The schema of one value of a field.
fn single(field: &FieldDescriptorProto) -> Value {
    match field.r#type() {
        Type::Bool => json!({"type": "boolean"}),
        Type::String => json!({"type": "string"}),
        Type::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Type::Double | Type::Float => json!({"type": "number"}),
        Type::Int32 | Type::Sint32 | Type::Sfixed32 => {
            json!({"type": "integer", "format": "int32"})
        }
        Type::Uint32 | Type::Fixed32 => json!({"type": "integer", "minimum": 0}),
        Type::Int64 | Type::Sint64 | Type::Sfixed64 | Type::Uint64 | Type::Fixed64 => {
            json!({"type": "string", "format": "int64", "pattern": "^-?[0-9]+$"})
        }
        Type::Enum | Type::Message | Type::Group => match field.type_name() {
            ".google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
            ".google.protobuf.Duration" => {
                json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?s$"})
            }
            // Names of fields with commas between them.
            ".google.protobuf.FieldMask" => json!({"type": "string"}),
            name => reference("schemas", name.rsplit('.').next().unwrap_or_default()),
        },
    }
}
