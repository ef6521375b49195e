//! Reads labels from a record: a JSON object, a cell such as `region=east;tier=gold`, or a column for each key, whose
//! header is `labels.` and the key, or which `--map` names.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    draft::{A_STRING, Draft, Given, Value, twice},
    field::{Field, quoted},
};
use crate::{
    domain::{fields::TaskField, labels::Labels, text::is_blank},
    error::Reason,
};

/// What separates the labels of a cell.
const SEPARATORS: [char; 4] = [';', '；', '\n', '\r'];
/// What separates the key of a label from its value.
const EQUALS: [char; 2] = ['=', '＝'];
const NAME: &str = "labels";

/// The key of the labels in a column with this header; `None` if it is no such header.
pub(super) fn column_key(header: &str) -> Option<&str> {
    let (field, key) = header.split_once('.')?;
    let is_labels = super::words::field(field) == Some(Field::Task(TaskField::Labels));
    Some(key.trim_matches(is_blank)).filter(|key| is_labels && !key.is_empty())
}

/// The members of a JSON object. A map would keep the last of those with one name.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
        object.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

impl<'a> Draft<'a> {
    /// Reads the value of the field.
    pub(super) fn label_map(&mut self, value: Value<'a>) -> Given<Labels> {
        match value {
            Value::Json(raw) => self.object(raw.get()),
            Value::Cell(text) if text.starts_with('{') => self.object(text),
            Value::Cell(text) => self.pairs(text),
        }
    }

    fn object(&mut self, json: &'a str) -> Given<Labels> {
        let Ok(Members(members)) = serde_json::from_str(json) else {
            self.violation(
                NAME,
                Reason::Malformed {
                    form: "an object of texts",
                },
            );
            return Given::Wrong;
        };
        let mut labels = Labels::default();
        for (key, value) in members {
            if labels.get(&key).is_some() {
                self.violation(&format!("{NAME}.{}", quoted(&key)), twice());
                return Given::Wrong;
            }
            match self.json_text(value, false) {
                Some(value) => labels.set(key, Some(value.into_owned())),
                None => {
                    self.violation(&format!("{NAME}.{}", quoted(&key)), A_STRING);
                    return Given::Wrong;
                }
            }
        }
        Given::Is(labels)
    }

    fn pairs(&mut self, text: &str) -> Given<Labels> {
        let mut labels = Labels::default();
        let parts = text
            .split(SEPARATORS)
            .map(|part| part.trim_matches(is_blank));
        for part in parts.filter(|part| !part.is_empty()) {
            let Some((key, value)) = part.split_once(EQUALS) else {
                let why = format!(
                    "must be labels such as region=east;tier=gold or a JSON object, was {}",
                    quoted(part)
                );
                self.violation(NAME, why);
                return Given::Wrong;
            };
            let (key, value) = (key.trim_matches(is_blank), value.trim_matches(is_blank));
            if labels.get(key).is_some() {
                self.violation(&format!("{NAME}.{}", quoted(key)), twice());
                return Given::Wrong;
            }
            labels.set(key.to_owned(), Some(value.to_owned()));
        }
        Given::Is(labels)
    }

    /// Notes a label that has a name of its own in a JSON record, before or behind the field.
    pub(super) fn note_label(&mut self, key: String, value: &'a RawValue) {
        match self.json_text(value, false) {
            Some(value) => self.apart.push((key, value)),
            None => self.violation(&format!("{NAME}.{key}"), A_STRING),
        }
    }

    /// Adds the noted labels to those of the field.
    pub(super) fn add_noted_labels(&mut self) {
        for (key, value) in std::mem::take(&mut self.apart) {
            self.set_label(&key, &value);
        }
    }

    /// Whether the record does not have the label.
    pub(super) fn lacks_label(&self, key: &str) -> bool {
        match &self.labels {
            Given::Is(labels) => labels.get(key).is_none(),
            Given::Missing => true,
            Given::Wrong => false,
        }
    }

    /// Sets one label, from a column or a name of its own.
    pub(super) fn set_label(&mut self, key: &str, value: &str) {
        let mut labels = match std::mem::take(&mut self.labels) {
            Given::Is(labels) => labels,
            Given::Missing => Labels::default(),
            Given::Wrong => {
                self.labels = Given::Wrong;
                return;
            }
        };
        if labels.get(key).is_some() {
            self.violation(&format!("{NAME}.{}", quoted(key)), twice());
        }
        labels.set(key.to_owned(), Some(value.to_owned()));
        self.labels = Given::Is(labels);
    }

    /// Takes the labels out of the draft, and checks them.
    pub(super) fn checked_labels(&mut self) -> Labels {
        let Given::Is(labels) = std::mem::take(&mut self.labels) else {
            return Labels::default();
        };
        labels.check(NAME, &mut self.violations);
        labels
    }
}
