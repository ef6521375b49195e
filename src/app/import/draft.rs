//! A record as written: the values of its fields before they are checked against each other.

use std::borrow::Cow;

use serde_json::value::RawValue;
use strum::VariantArray;

use super::{
    customers,
    field::{Field, quoted},
    reading::Reading,
    report::Repairs,
};
use crate::{
    domain::{
        fields::{FieldKind, TaskField},
        labels::Labels,
        words::Word,
        words::is_whole,
    },
    error::{Fault, Reason, Violation, Violations},
    redaction::excerpt,
};

/// The maximum number of violations reported for the customers of a record: a wrong separator causes thousands.
pub(super) const MAX_TARGET_VIOLATIONS: usize = 10;

/// A value that is no text.
pub(super) const A_STRING: Reason = Reason::Malformed { form: "a string" };

/// The fault of a field that is given twice.
pub(super) fn twice() -> Fault {
    Fault::new(Reason::Repeated, "is given twice")
}

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
pub(super) struct Draft<'a> {
    pub(super) origin: Origin,
    pub(super) reading: &'a Reading,
    pub(super) repairs: Repairs,
    pub(super) texts: [Given<Cow<'a, str>>; TaskField::VARIANTS.len()],
    pub(super) numbers: [Given<i64>; TaskField::VARIANTS.len()],
    pub(super) targets: Given<Vec<String>>,
    pub(super) labels: Given<Labels>,
    /// Labels that have names of their own, by their keys.
    pub(super) apart: Vec<(String, Cow<'a, str>)>,
    pub(super) results: Given<Vec<RawResult>>,
    /// Which fields the record has; used to detect repetitions.
    pub(super) seen: [bool; Field::COUNT],
    /// Which fields have their default.
    pub(super) defaulted: [bool; Field::COUNT],
    pub(super) violations: Violations,
}

impl<'a> Draft<'a> {
    pub(super) fn new(origin: Origin, reading: &'a Reading) -> Self {
        Self {
            origin,
            reading,
            repairs: Repairs::default(),
            texts: Default::default(),
            numbers: Default::default(),
            targets: Given::default(),
            labels: Given::default(),
            apart: Vec::new(),
            results: Given::default(),
            seen: Default::default(),
            defaulted: Default::default(),
            violations: Violations::of_record(),
        }
    }

    /// Records a violation.
    pub(super) fn violation(&mut self, field: &str, why: impl Into<Fault>) {
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
            FieldKind::Labels => self.labels = self.label_map(value),
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
            Value::Json(raw) => self.json_text(raw, is_time(field)),
        };
        match text {
            Some(text) => Given::Is(text),
            None => {
                self.violation(field.word(), A_STRING);
                Given::Wrong
            }
        }
    }

    /// The text of a JSON string or of a number, which other programs write for ids of digits. A fraction is no id, but
    /// can be a time.
    pub(super) fn json_text(
        &mut self,
        raw: &'a RawValue,
        may_be_fraction: bool,
    ) -> Option<Cow<'a, str>> {
        let json = raw.get();
        if json.starts_with('"') {
            return serde_json::from_str::<Text<'_>>(json).ok().map(|t| t.0);
        }
        let is_digit = |b: u8| b.is_ascii_digit() || (may_be_fraction && b == b'.');
        let is_number = json.bytes().all(is_digit);
        // A number as a time is counted by its form.
        self.repairs.numbers += u64::from(is_number && !may_be_fraction);
        is_number.then_some(Cow::Borrowed(json))
    }

    /// Reads a list of customer ids: a JSON array, or a cell or string with the ids in one text.
    fn list(&mut self, value: Value<'a>) -> Given<Vec<String>> {
        let raw = match value {
            Value::Cell(text) => return Given::Is(self.split(text)),
            Value::Json(raw) => raw.get(),
        };
        if let Ok(list) = serde_json::from_str(raw) {
            return Given::Is(list);
        }
        if let Ok(Text(text)) = serde_json::from_str::<Text<'_>>(raw) {
            return Given::Is(match text.is_empty() {
                true => Vec::new(),
                false => self.split(&text),
            });
        }
        let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw) else {
            self.violation(
                "target",
                Reason::Malformed {
                    form: "a list of strings",
                },
            );
            return Given::Wrong;
        };
        let (mut ids, mut wrong) = (Vec::with_capacity(list.len()), 0);
        for (index, id) in list.into_iter().enumerate() {
            match self.json_text(id, false) {
                Some(id) => ids.push(id.into_owned()),
                None => {
                    wrong += 1;
                    if wrong <= MAX_TARGET_VIOLATIONS {
                        self.violation(&format!("target[{index}]"), A_STRING);
                    }
                }
            }
        }
        self.more_target_violations(wrong.saturating_sub(MAX_TARGET_VIOLATIONS));
        match wrong {
            0 => Given::Is(ids),
            _ => Given::Wrong,
        }
    }

    /// The customer ids of a text.
    fn split(&mut self, text: &str) -> Vec<String> {
        if self.origin == Origin::Own {
            return text.split(';').map(str::to_owned).collect();
        }
        let separator = self.reading.options.target_separator.as_deref();
        customers::split(text, separator, &mut self.repairs)
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
        let written = match value {
            Value::Cell(text) => text,
            Value::Json(raw) => raw.get(),
        };
        // Other programs write percentages as texts, and with their sign.
        let bare = written
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let bare = bare.unwrap_or(written);
        let text = bare.strip_suffix(['%', '％']).unwrap_or(bare).trim_end();
        self.repairs.percents += u64::from(text.len() < written.len());
        // JSON numbers such as 70.0 and 7e1 are whole numbers too.
        let number = || serde_json::from_str::<f64>(text).ok();
        let whole = text.parse().ok().or_else(|| {
            let number = number()?;
            (number.fract() == 0.0 && number.abs() < 1e15).then_some(number as i64)
        });
        let is_percent = text.len() < bare.trim_end().len();
        if field == TaskField::Progress
            && self.origin != Origin::Own
            && !is_percent
            && let Some(number) = number()
            && let Err(why) = self.reading.check_share(number)
        {
            self.violation(field.word(), format!("{why}, was {}", quoted(text)));
            return Given::Wrong;
        }
        if whole.is_none() {
            let (actual, max) = (excerpt(text), most.into());
            let (reason, must) = match is_whole(text) {
                true => (
                    Reason::OutOfAnyRange {
                        min: 0,
                        max,
                        actual,
                    },
                    format!("0 to {most}"),
                ),
                false if number().is_some_and(|n| 0.0 < n && n < 1.0) => {
                    let must = "a whole number of percent (a fraction could be of 1 or of 100)";
                    (Reason::NotANumber { actual }, must.to_owned())
                }
                false => (Reason::NotANumber { actual }, "a whole number".to_owned()),
            };
            let why = format!("must be {must}, was {}", quoted(text));
            self.violation(field.word(), Fault::new(reason, why));
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

fn is_time(field: TaskField) -> bool {
    use TaskField::{CreatedAt, EndTime, StartTime, StatusChangedAt, UpdatedAt};
    matches!(
        field,
        StartTime | EndTime | CreatedAt | UpdatedAt | StatusChangedAt
    )
}

/// A JSON string, borrowed if it contains no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
