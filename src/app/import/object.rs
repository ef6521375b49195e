//! Reads the JSON object of a record into a draft.
//!
//! A mapped name with dots leads into the objects of the record: `schedule.startTime` is the member `startTime` of
//! `schedule`.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    draft::{Draft, Value, twice},
    field::{Field, quoted},
    reading::{Named, Reading},
};

/// The serde visitor that fills a draft from a JSON object.
pub(super) struct ObjectVisitor<'d, 'a> {
    draft: &'d mut Draft<'a>,
    /// The names that lead to the object, each with a dot after it; empty for the record itself.
    path: &'d str,
}

impl<'d, 'a> ObjectVisitor<'d, 'a> {
    /// Reads a whole record.
    pub(super) fn new(draft: &'d mut Draft<'a>) -> Self {
        Self { draft, path: "" }
    }
}

impl<'de> Visitor<'de> for ObjectVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { draft, path } = self;
        let key = |draft: &Draft<'de>| Key {
            reading: draft.reading,
            path,
        };
        while let Some(name) = map.next_key_seed(key(draft))? {
            let value: &RawValue = map.next_value()?;
            match name {
                Name::Ignored => {}
                Name::Unknown(name) => draft.violation(&name, "is not a field of a task"),
                Name::Object(path) if value.get().starts_with('{') => {
                    let path = format!("{path}.");
                    let inner = ObjectVisitor { draft, path: &path };
                    let mut object = serde_json::Deserializer::from_str(value.get());
                    object.deserialize_map(inner).map_err(A::Error::custom)?;
                }
                Name::Object(_) if value.get() == "null" => {}
                Name::Object(path) if draft.reading.may_ignore(&path) => {}
                Name::Object(path) => {
                    draft.violation(&quoted(&path), "must be an object");
                }
                Name::Field(field) if std::mem::replace(&mut draft.seen[field.ordinal()], true) => {
                    draft.violation(field.name(), twice());
                }
                Name::Label(_) if value.get() == "null" => {}
                Name::Label(key) => draft.note_label(key, value),
                Name::Field(_) if value.get() == "null" => {}
                Name::Field(field) => draft.set(field, Value::Json(value)),
            }
        }
        Ok(())
    }
}

/// A name in a JSON record.
enum Name {
    Field(Field),
    /// The label with this key.
    Label(String),
    /// An object in which there are fields: the path to it.
    Object(String),
    /// No field, and to be left out.
    Ignored,
    /// No field: the quoted name.
    Unknown(String),
}

/// Deserializes the name of a field.
struct Key<'r> {
    reading: &'r Reading,
    /// The names that lead to the object, each with a dot after it.
    path: &'r str,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let Self { reading, path } = self;
        let (name, named) = match path.is_empty() {
            true => (Cow::Borrowed(name), reading.named(name)),
            false => {
                let name = format!("{path}{name}");
                let named = reading.named_inside(&name);
                (Cow::Owned(name), named)
            }
        };
        Ok(match named {
            Some(named) => {
                reading.note_name(&name, named);
                match named {
                    Named::Label(key) => Name::Label(key.to_owned()),
                    Named::Field(field) => Name::Field(field),
                }
            }
            // Messages have it beside `status_reason`, from which it follows.
            None if name == "status_reason_code" => Name::Ignored,
            None if reading.leads_through(&name) => Name::Object(name.into_owned()),
            None if reading.may_ignore(&name) => Name::Ignored,
            None => Name::Unknown(quoted(&name)),
        })
    }
}
