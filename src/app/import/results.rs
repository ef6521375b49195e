//! Reads the call results of a task's customers from a record.

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;
use serde_json::value::RawValue;

use super::{
    draft::{Draft, Given, MAX_TARGET_VIOLATIONS, RawResult, ResultRecord, Value},
    field::{Field, quoted},
};
use crate::{
    domain::{
        target::{OrdinalResult, TargetState},
        time::{FORMS, Moment},
        words::Word,
    },
    error::{Violation, Violations},
};

impl Draft<'_> {
    /// Reads the list of results; in CSV it is a cell that contains JSON.
    pub(super) fn result_list(&mut self, value: Value<'_>) -> Given<Vec<RawResult>> {
        let text = match value {
            Value::Cell(text) => text,
            Value::Json(raw) => raw.get(),
        };
        let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) else {
            self.violation(Field::TargetResults.name(), "must be a list of objects");
            return Given::Wrong;
        };
        Given::Is(
            list.into_iter()
                .map(|raw| serde_json::from_str(raw.get()).ok())
                .collect(),
        )
    }

    /// Checks the results against `targets`; returns them ordered by their customers' ordinals.
    pub(super) fn results(&mut self, targets: &[String]) -> Vec<OrdinalResult> {
        let Given::Is(list) = std::mem::take(&mut self.results) else {
            return Vec::new();
        };
        if list.is_empty() {
            return Vec::new();
        }
        let targets = targets.iter().enumerate();
        let mut ordinals: HashMap<&str, Option<usize>> = targets
            .map(|(ordinal, c)| (c.as_str(), Some(ordinal)))
            .collect();
        let (mut results, mut wrong) = (Vec::with_capacity(list.len()), 0);
        for (number, record) in list.into_iter().enumerate() {
            let mut violations = Violations::new();
            match record {
                Some(record) => results.extend(record.check(&mut ordinals, &mut violations)),
                None => violations.push(Violation::of_record(
                    "",
                    "must be an object with customer_id, state, attempt and time",
                )),
            }
            wrong += usize::from(!violations.is_empty());
            if wrong <= MAX_TARGET_VIOLATIONS {
                for violation in violations {
                    let field = format!("target_results[{number}]{}", violation.field);
                    self.violation(&field, violation);
                }
            }
        }
        if let Some(more @ 1..) = wrong.checked_sub(MAX_TARGET_VIOLATIONS) {
            self.violation(
                Field::TargetResults.name(),
                format!("has {more} more invalid results"),
            );
        }
        results.sort_unstable_by_key(|result| result.ordinal);
        results
    }
}

impl ResultRecord {
    /// Checks one result. Takes the ordinal of its customer out of `ordinals`, so that a second result is noticed.
    fn check(
        self,
        ordinals: &mut HashMap<&str, Option<usize>>,
        violations: &mut Violations,
    ) -> Option<OrdinalResult> {
        let Self {
            customer_id,
            state,
            attempt,
            time,
        } = self;
        let mut violation =
            |field: &str, why: String| violations.push(Violation::of_record(field, why));
        let ordinal = match ordinals.get_mut(customer_id.as_str()) {
            Some(ordinal) => {
                let taken = ordinal.take();
                if taken.is_none() {
                    let why = format!("{} has a result already", quoted(&customer_id));
                    violation(".customer_id", why);
                }
                taken
            }
            None => {
                let why = format!("{} is not in target", quoted(&customer_id));
                violation(".customer_id", why);
                None
            }
        };
        let of_word = TargetState::from_word(&state).filter(|s| *s != TargetState::Pending);
        if of_word.is_none() {
            let words = TargetState::words()[1..].join(", ");
            let why = format!("must be one of {words}, was {}", quoted(&state));
            violation(".state", why);
        }
        let least = of_word.map_or(0, TargetState::least_attempt);
        let call = attempt.as_i64().and_then(|n| i32::try_from(n).ok());
        let call = call.filter(|n| *n >= least);
        if call.is_none() {
            let why = format!("must be {least} to {}, was {attempt}", i32::MAX);
            violation(".attempt", why);
        }
        let instant = instant(&time);
        if instant.is_none() {
            let why = format!("{FORMS}, of years 1 to 9999, was {}", quoted(&time));
            violation(".time", why);
        }
        Some(OrdinalResult {
            ordinal: ordinal?,
            state: of_word?,
            attempt: call?,
            time: instant?,
        })
    }
}

/// Parses a time in the years 1 to 9999.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = Moment::parse(text).ok()?.as_start(Tz::UTC);
    Some(instant).filter(|t| t.year() <= 9999)
}
