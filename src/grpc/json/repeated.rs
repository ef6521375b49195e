//! Finds fields and map keys that a JSON request has twice. Readers of JSON take the last value, so the caller would lose
//! the others without notice.

use std::{collections::HashSet, fmt};

use prost_reflect::{Kind, MessageDescriptor};
use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    error::{Reason, Violation, Violations},
    redaction::excerpt,
};

/// The violations of a request, by the names of the contract, up to the first character that is not JSON.
pub(super) fn request(json: &[u8], of: &MessageDescriptor) -> Violations {
    let mut found = Violations::new();
    let object = Object {
        of,
        at: String::new(),
        found: &mut found,
    };
    // What is no JSON is reported by the reader of the message.
    let _ = object.deserialize(&mut serde_json::Deserializer::from_slice(json));
    found
}

/// A message or a map, or a list of them.
struct Object<'f> {
    of: &'f MessageDescriptor,
    /// The name of the field; empty for the request.
    at: String,
    found: &'f mut Violations,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            // The name in the contract, and what the value is.
            let (name, kind) = if self.of.is_map_entry() {
                let kind = self.of.map_entry_value_field().kind();
                (name, Some(kind))
            } else {
                let field = self.of.get_field_by_json_name(&name);
                match field.or_else(|| self.of.get_field_by_name(&name)) {
                    Some(field) => (field.name().to_owned(), Some(field.kind())),
                    None => (name, None),
                }
            };
            let at = || match self.at.as_str() {
                "" => excerpt(&name),
                at => format!("{at}.{}", excerpt(&name)),
            };
            match &kind {
                Some(Kind::Message(of)) => members.next_value_seed(Object {
                    of,
                    at: at(),
                    found: &mut *self.found,
                })?,
                // Nothing in it has a name.
                _ => members.next_value::<IgnoredAny>().map(drop)?,
            }
            // A name that the contract does not have is a violation without that.
            if kind.is_some() && seen.contains(&name) {
                self.found.push(Violation::new(at(), Reason::Repeated));
            }
            seen.insert(name);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for n in 0.. {
            let item = Object {
                of: self.of,
                at: format!("{}[{n}]", self.at),
                found: &mut *self.found,
            };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
