//! As much of JSON Schema as the service's OpenAPI document uses.

use super::tasks::Json;

/// The schema that a schema refers to, or itself.
fn resolved<'a>(document: &'a Json, schema: &'a Json) -> &'a Json {
    match schema.get("$ref") {
        None => schema,
        Some(reference) => {
            let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
            let found = document.pointer(pointer);
            found.unwrap_or_else(|| panic!("{pointer} is not in the document"))
        }
    }
}

/// Checks a value against a schema; `at` says where it stands.
pub fn check(document: &Json, schema: &Json, value: &Json, at: &str) {
    let schema = resolved(document, schema);
    let kinds: Vec<&str> = match &schema["type"] {
        Json::String(kind) => vec![kind],
        Json::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        _ => return, // any value
    };
    let is_of = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{at}: the type {other}"),
    };
    assert!(kinds.iter().any(is_of), "{at}: {value} is not {kinds:?}");
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value}");
    }
    for item in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], item, &format!("{at}[]"));
    }
    let Some(members) = value.as_object() else {
        return;
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(
            members.contains_key(required.as_str().unwrap()),
            "{at}: no {required}"
        );
    }
    for (name, value) in members {
        let at = format!("{at}.{name}");
        match (
            schema["properties"].get(name),
            &schema["additionalProperties"],
        ) {
            (Some(schema), _) => check(document, schema, value, &at),
            (None, Json::Bool(false)) => panic!("{at} is not in the document"),
            (None, Json::Null) => {}
            (None, schema) => check(document, schema, value, &at),
        }
    }
}

/// Checks that every reference leads somewhere.
pub fn check_references(document: &Json) {
    fn within(document: &Json, value: &Json) {
        resolved(document, value);
        match value {
            Json::Object(members) => members.values().for_each(|value| within(document, value)),
            Json::Array(items) => items.iter().for_each(|value| within(document, value)),
            _ => {}
        }
    }
    within(document, document);
}
