//! Reads the JSON object of a record into a draft.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    draft::{Draft, Value},
    field::{Field, quoted},
    reading::Reading,
};

/// The serde visitor that fills a draft from a JSON object.
pub(super) struct ObjectVisitor<'d, 'a>(pub(super) &'d mut Draft<'a>);

impl<'de> Visitor<'de> for ObjectVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Key(self.0.reading))? {
            let value: &RawValue = map.next_value()?;
            match name {
                Name::Ignored => {}
                Name::Unknown(name) => self.0.violation(&name, "is not a field of a task"),
                Name::Field(field)
                    if std::mem::replace(&mut self.0.seen[field.ordinal()], true) =>
                {
                    self.0.violation(field.name(), "is given twice");
                }
                Name::Field(_) if value.get() == "null" => {}
                Name::Field(field) => self.0.set(field, Value::Json(value)),
            }
        }
        Ok(())
    }
}

/// A name in a JSON record.
enum Name {
    Field(Field),
    /// No field, and to be left out.
    Ignored,
    /// No field: the quoted name.
    Unknown(String),
}

/// Deserializes the name of a field.
struct Key<'r>(&'r Reading);

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
        Ok(match self.0.field(name) {
            Some(field) => {
                self.0.note_name(name, field);
                Name::Field(field)
            }
            None if self.0.may_ignore(name) => Name::Ignored,
            None => Name::Unknown(quoted(name)),
        })
    }
}
