//! Checks the values of single fields, and fills defaults.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{
    customers::half_width_digits,
    draft::{Draft, Given, MAX_TARGET_VIOLATIONS, Origin, Value},
    field::{Field, FieldOrLabel, quoted},
    spoilt::{damaged, spoilt_customer, spoilt_text},
    times, words,
};
use crate::{
    domain::{
        fields::{FieldKind, TaskField},
        limits::{MAX_ID_CHARS, check_text},
        status::TaskStatus,
        words::Word,
    },
    error::{Fault, Reason, Violation, Violations},
    redaction::excerpt,
};

/// Removes the customers that the list has already had, and returns how many these were.
pub(super) fn remove_repeated(list: &mut Vec<String>) -> u64 {
    let given = list.len();
    let mut seen = HashSet::with_capacity(given);
    let first: Vec<bool> = list.iter().map(|c| seen.insert(c.as_str())).collect();
    let mut first = first.into_iter();
    list.retain(|_| first.next().unwrap_or(true));
    (given - list.len()) as u64
}

impl Draft<'_> {
    /// Gives the missing fields and labels their defaults.
    pub(super) fn fill_defaults(&mut self) {
        for (named, text) in &self.reading.options.defaults {
            let field = match named {
                FieldOrLabel::Field(field) => field,
                FieldOrLabel::Label(key) => {
                    if self.lacks_label(key) && !text.is_empty() {
                        self.set_label(key, text);
                        self.repairs.defaults += 1;
                    }
                    continue;
                }
            };
            let is_missing = match field {
                Field::TargetResults => matches!(self.results, Given::Missing),
                Field::Task(field) => match field.kind() {
                    FieldKind::Targets => matches!(self.targets, Given::Missing),
                    FieldKind::Labels => matches!(self.labels, Given::Missing),
                    FieldKind::Number(_) => {
                        matches!(self.numbers[*field as usize], Given::Missing)
                    }
                    FieldKind::Text => matches!(self.texts[*field as usize], Given::Missing),
                    FieldKind::Derived => false,
                },
            };
            if is_missing && !text.is_empty() {
                self.set(*field, Value::Cell(text));
                self.defaulted[field.ordinal()] = true;
                self.repairs.defaults += 1;
            }
        }
    }

    /// Checks a text that is meant for people and may have several lines.
    pub(super) fn check_lines(&mut self, field: &str, text: &str) {
        if self.origin == Origin::Csv
            && let Some(why) = spoilt_text(text)
        {
            self.violation(field, why);
        }
    }

    /// The distinct customers in order, and the number of repetitions that were removed.
    pub(super) fn targets(&mut self) -> (Vec<String>, u64) {
        let mut list = match std::mem::take(&mut self.targets) {
            Given::Is(list) => list,
            Given::Missing => Vec::new(),
            Given::Wrong => return (Vec::new(), 0),
        };
        // Lists show only the first customers of a long task. Importing such a list would silently lose the others.
        let given = list.len();
        if let Given::Is(claimed) = self.numbers[TaskField::TargetCount as usize]
            && i64::try_from(given).is_ok_and(|given| claimed > given)
        {
            let why = format!("is {claimed}, but target holds only {given} of them");
            self.violation("target_count", why);
        }
        let mut wrong = 0;
        for (index, customer) in list.iter_mut().enumerate() {
            if self.origin == Origin::Json
                && let Some(id) = half_width_digits(customer)
            {
                *customer = id;
                self.repairs.digits += 1;
            }
            let mut violations = Violations::new();
            check_text("", customer, MAX_ID_CHARS, &mut violations);
            if self.origin != Origin::Own
                && let Some(why) = spoilt_customer(customer)
            {
                violations.push(Violation::of_record("", damaged(customer, why)));
            }
            wrong += usize::from(!violations.is_empty());
            if wrong <= MAX_TARGET_VIOLATIONS {
                for violation in violations {
                    self.violation(&format!("target[{index}]"), violation);
                }
            }
        }
        self.more_target_violations(wrong.saturating_sub(MAX_TARGET_VIOLATIONS));

        let repeated = remove_repeated(&mut list);
        (list, repeated)
    }

    /// A number from 0 to `most`; 0 if the record has none.
    pub(super) fn number(&mut self, field: TaskField, most: i16) -> i16 {
        match self.numbers[field as usize] {
            Given::Is(number) if (0..=most.into()).contains(&number) => number as i16,
            Given::Is(number) => {
                let (min, max) = (0, Some(most.into()));
                let why = Reason::OutOfRange {
                    min,
                    max,
                    actual: number,
                };
                self.violation(field.word(), why);
                0
            }
            Given::Missing | Given::Wrong => 0,
        }
    }

    pub(super) fn time(&mut self, field: TaskField) -> Option<DateTime<Utc>> {
        let Given::Is(text) = self.take(field) else {
            return None;
        };
        // A bare date is a day. As an end it includes the whole day, like the end of a date range.
        let is_end = field == TaskField::EndTime;
        let zone = self.reading.options.time_zone;
        let read = match self.origin {
            Origin::Own => times::own(&text, zone, is_end),
            _ => times::read(&text, zone, is_end),
        };
        let is_checked =
            self.origin != Origin::Own && !self.defaulted[Field::Task(field).ordinal()];
        let checked = read.and_then(|read| {
            if is_checked {
                self.reading.check_form(field, read.form, &text)?;
            }
            if read.form == times::Form::Serial && self.reading.is_1904.get() {
                return Err(Fault::from(format!(
                    "is a number in a workbook that counts days from 1904: give the column a format of dates, was {}",
                    quoted(&text)
                )));
            }
            Ok(read)
        });
        match checked {
            Ok(read) => {
                self.repairs.local_times += u64::from(read.is_local);
                self.repairs.time_numbers += u64::from(read.form.is_number());
                Some(read.instant)
            }
            Err(why) => {
                self.violation(field.word(), why);
                None
            }
        }
    }

    pub(super) fn status(&mut self, word: &str) -> TaskStatus {
        let status = match TaskStatus::from_word(word) {
            Some(status) if !self.reading.has_status_words() => return status,
            // The specification's example calls a running task active.
            None if word == "active" && self.origin == Origin::Own => return TaskStatus::Running,
            // The answer of an rpc as JSON has the names of the enum.
            None if self.origin == Origin::Own => words::of_enum(word),
            known if self.origin == Origin::Own => known,
            known => {
                let status = self.reading.status(word);
                self.repairs.words += u64::from(status.is_some() && status != known);
                status
            }
        };
        status.unwrap_or_else(|| {
            let allowed = TaskStatus::words();
            let why = format!(
                "must be one of {}, was {}",
                allowed.join(", "),
                quoted(word)
            );
            let (lead, actual) = ("one of", Some(excerpt(word)));
            let reason = Reason::UnknownWord {
                lead,
                allowed,
                actual,
            };
            self.violation("status", Fault::new(reason, why));
            TaskStatus::Pending
        })
    }
}
