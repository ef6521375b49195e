//! A record as written: the values of its fields before they are checked against each other.

use std::{borrow::Cow, fmt};

use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use strum::VariantArray;

use super::{
    field::{Field, Key, quoted},
    spoilt::trimmed,
};
use crate::{
    domain::{
        fields::{FieldKind, TaskField},
        words::Word,
        words::is_whole,
    },
    error::{Violation, Violations},
};

/// The maximum number of violations reported for the customers of a record: a wrong separator causes thousands.
pub(super) const MAX_TARGET_VIOLATIONS: usize = 10;

/// A result as written; `None` if it is malformed, which has already been reported.
pub(super) type RawResult = Option<ResultRecord>;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResultRecord {
    pub(super) customer_id: String,
    pub(super) state: String,
    /// Kept as written, so that a number outside of i64 is reported as out of range and not as missing.
    pub(super) attempt: serde_json::Number,
    pub(super) time: String,
}

/// The value of a field as written.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Json(&'a RawValue),
    Cell(&'a str),
}

/// The value of a field as read. `Wrong` has already been reported, so the field does not count as missing.
#[derive(Default)]
pub(super) enum Given<T> {
    #[default]
    Missing,
    Wrong,
    Is(T),
}

/// The origin of a record, which decides how texts are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// JSON of another program: strings are taken literally.
    #[default]
    Json,
    /// CSV, presumably edited by a person in a spreadsheet.
    Csv,
    /// A list or an export of this service.
    Own,
}

/// A record that is being read.
#[derive(Default)]
pub(super) struct Draft<'a> {
    pub(super) origin: Origin,
    /// The number of texts from which surrounding blanks were removed.
    pub(super) trims: u64,
    pub(super) texts: [Given<Cow<'a, str>>; TaskField::VARIANTS.len()],
    pub(super) numbers: [Given<i64>; TaskField::VARIANTS.len()],
    pub(super) targets: Given<Vec<String>>,
    pub(super) results: Given<Vec<RawResult>>,
    /// Which fields the record has; used to detect repetitions.
    seen: [bool; Field::COUNT],
    pub(super) violations: Violations,
}

/// The serde visitor that fills a draft from a JSON object.
pub(super) struct ObjectVisitor<'d, 'a>(pub(super) &'d mut Draft<'a>);

impl<'de> Visitor<'de> for ObjectVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            let value: &RawValue = map.next_value()?;
            match key {
                Err(unknown) => self.0.violation(&unknown, "is not a field of a task"),
                Ok(field) if std::mem::replace(&mut self.0.seen[field.ordinal()], true) => {
                    self.0.violation(field.name(), "is given twice");
                }
                Ok(_) if value.get() == "null" => {}
                Ok(field) => self.0.set(field, Value::Json(value)),
            }
        }
        Ok(())
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(origin: Origin, trims: u64) -> Self {
        Self {
            origin,
            trims,
            violations: Violations::of_record(),
            ..Self::default()
        }
    }

    /// Records a violation.
    pub(super) fn violation(&mut self, field: &str, why: impl Into<String>) {
        self.violations.push(Violation::of_record(field, why));
    }

    /// Reads the value of one field. Fields that the service derives from others are ignored.
    pub(super) fn set(&mut self, field: Field, value: Value<'a>) {
        let field = match field {
            Field::Task(field) => field,
            Field::TargetResults => {
                self.results = self.result_list(value);
                return;
            }
        };
        match field.kind() {
            FieldKind::Targets => self.targets = self.list(value),
            FieldKind::Number(most) => {
                self.numbers[field as usize] = self.whole(field, most, value);
            }
            FieldKind::Text => self.texts[field as usize] = self.text(field, value),
            FieldKind::Derived => {}
        }
    }

    /// Reads a text.
    fn text(&mut self, field: TaskField, value: Value<'a>) -> Given<Cow<'a, str>> {
        let text = match value {
            Value::Cell(text) => Some(Cow::Borrowed(text)),
            Value::Json(raw) => serde_json::from_str::<Text<'_>>(raw.get())
                .ok()
                .map(|t| t.0),
        };
        match text {
            Some(text) => Given::Is(text),
            None => {
                self.violation(field.word(), "must be a string");
                Given::Wrong
            }
        }
    }

    /// Reads a list of customer ids: a JSON array, or a cell with ids separated by semicolons.
    fn list(&mut self, value: Value<'a>) -> Given<Vec<String>> {
        let raw = match value {
            Value::Cell(text) => {
                let ids = text.split(';');
                return Given::Is(match self.origin {
                    Origin::Own => ids.map(str::to_owned).collect(),
                    _ => ids
                        .map(|id| trimmed(id, &mut self.trims).into_owned())
                        .collect(),
                });
            }
            Value::Json(raw) => raw.get(),
        };
        if let Ok(list) = serde_json::from_str(raw) {
            return Given::Is(list);
        }
        match serde_json::from_str::<Vec<&RawValue>>(raw) {
            Err(_) => self.violation("target", "must be a list of strings"),
            Ok(list) => {
                let is_text = |v: &RawValue| serde_json::from_str::<Text<'_>>(v.get()).is_ok();
                let mut wrong = list.iter().enumerate().filter(|(_, v)| !is_text(v));
                for (index, _) in wrong.by_ref().take(MAX_TARGET_VIOLATIONS) {
                    self.violation(&format!("target[{index}]"), "must be a string");
                }
                self.more_target_violations(wrong.count());
            }
        }
        Given::Wrong
    }

    /// Reports the number of further invalid customer ids, if any.
    pub(super) fn more_target_violations(&mut self, count: usize) {
        if count > 0 {
            self.violation("target", format!("has {count} more invalid customer ids"));
        }
    }

    /// Reads a whole number. Whether it is at most `most` is checked later, but a number that fits
    /// nowhere is reported here.
    fn whole(&mut self, field: TaskField, most: i32, value: Value<'_>) -> Given<i64> {
        let text = match value {
            Value::Cell(text) => text,
            Value::Json(raw) => raw.get(),
        };
        // JSON numbers such as 70.0 and 7e1 are whole numbers too.
        let whole = text.parse().ok().or_else(|| {
            let number: f64 = serde_json::from_str(text).ok()?;
            (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
        });
        if whole.is_none() {
            let must = match is_whole(text) {
                true => format!("0 to {most}"),
                false => "a whole number".to_owned(),
            };
            self.violation(
                field.word(),
                format!("must be {must}, was {}", quoted(text)),
            );
        }
        whole.map_or(Given::Wrong, Given::Is)
    }

    /// Whether the record has the field, with any value.
    pub(super) fn has(&self, field: TaskField) -> bool {
        self.seen[Field::Task(field).ordinal()]
    }

    /// Takes the text of a field out of the draft.
    pub(super) fn take(&mut self, field: TaskField) -> Given<Cow<'a, str>> {
        std::mem::take(&mut self.texts[field as usize])
    }
}

/// A JSON string, borrowed if it contains no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
