//! Converts one record from its fields as written to a task, and collects all violations.

use std::collections::HashSet;

use chrono::{DateTime, Datelike, Utc};
use chrono_tz::Tz;
use serde::de::Deserializer;

use super::{
    draft::{Draft, Given, MAX_TARGET_VIOLATIONS, ObjectVisitor, Origin, Value},
    field::{Field, quoted},
    spoilt::{spoilt_customer, spoilt_id, spoilt_text, texts},
};
use crate::{
    domain::{
        fields::TaskField,
        limits::{MAX_ID_CHARS, MAX_NAME_CHARS, check_text},
        status::TaskStatus,
        task::NewTask,
        time::{FORMS, Moment},
        words::Word,
        write::MAX_REASON_CHARS,
    },
    error::{Violation, Violations},
};

/// A task read from a record.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) task: NewTask,
    /// Whether the id was generated here, so that it cannot exist already.
    pub(super) generated: bool,
    /// The number of repeated customers that were removed.
    pub(super) repeated: u64,
    /// The number of texts from which surrounding blanks were removed.
    pub(super) trimmed: u64,
}

/// Reads one JSON object.
pub(super) fn from_json(text: &str) -> Result<Record, Violations> {
    let mut draft = Draft::new(Origin::default(), 0);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer
        .deserialize_map(ObjectVisitor(&mut draft))
        .and_then(|()| deserializer.end())
        .map_err(|error| {
            let why = if error.is_data() {
                "must be a JSON object".to_owned()
            } else {
                let position = format!(" at line {} column {}", error.line(), error.column());
                let what = error.to_string().replace(&position, "");
                format!("is not JSON: {what}, at character {}", error.column())
            };
            vec![Violation::of_record("record", why)]
        })?;
    // Only lists and exports of this service have both of these fields.
    if draft.has(TaskField::TargetCount) && draft.has(TaskField::StatusChangedAt) {
        draft.origin = Origin::Own;
    }
    draft.check()
}

/// Reads the cells of one row. An empty cell is a missing value. Surrounding blanks are removed unless the row comes
/// from an export of this service (`is_own`).
pub(super) fn from_cells(
    header: &[Field],
    cells: &[&str],
    is_own: bool,
) -> Result<Record, Violations> {
    if header.len() != cells.len() {
        let (has, wants) = (cells.len(), header.len());
        let why = format!("has {has} cells where the header has {wants}");
        return Err(vec![Violation::of_record("record", why)].into());
    }
    let (texts, trims) = texts(header, cells, is_own);
    let origin = if is_own { Origin::Own } else { Origin::Csv };
    let mut draft = Draft::new(origin, trims);
    for (field, text) in header.iter().zip(&texts) {
        if !text.is_empty() {
            draft.set(*field, Value::Cell(text));
        }
    }
    draft.check()
}

impl Draft<'_> {
    /// Checks all fields and builds the task.
    fn check(mut self) -> Result<Record, Violations> {
        for field in Field::REQUIRED {
            if let Given::Missing = self.texts[field as usize] {
                self.violation(field.word(), "is required");
            }
        }
        let (task_id, generated) = match self.take(TaskField::TaskId) {
            Given::Is(id) => {
                check_text("task_id", &id, MAX_ID_CHARS, &mut self.violations);
                if self.origin == Origin::Csv
                    && let Some(why) = spoilt_id(&id)
                {
                    self.violation("task_id", why);
                }
                (id.into_owned(), false)
            }
            Given::Wrong => (String::new(), false),
            // UUIDv7 ids are roughly ordered by this machine's clock; nothing compares them with times.
            Given::Missing => (uuid::Uuid::now_v7().to_string(), true),
        };
        let name = match self.take(TaskField::Name) {
            Given::Is(name) => {
                check_text("name", &name, MAX_NAME_CHARS, &mut self.violations);
                self.check_lines("name", &name);
                name.into_owned()
            }
            _ => String::new(),
        };
        let has_targets = !matches!(self.targets, Given::Wrong);
        let (targets, repeated) = self.targets();
        let start_time = self.time(TaskField::StartTime);
        let end_time = self.time(TaskField::EndTime);
        if let (Some(start), Some(end)) = (start_time, end_time)
            && end < start
        {
            self.violation("end_time", "must not be before start_time");
        }
        let status = match self.take(TaskField::Status) {
            Given::Is(word) => self.status(&word),
            _ => TaskStatus::Pending,
        };
        let progress = self.number(TaskField::Progress, 100);
        let created_at = self.time(TaskField::CreatedAt);
        let updated_at = self.time(TaskField::UpdatedAt);
        let status_reason = match self.take(TaskField::StatusReason) {
            Given::Is(reason) if !reason.is_empty() => {
                let violations = &mut self.violations;
                check_text("status_reason", &reason, MAX_REASON_CHARS, violations);
                self.check_lines("status_reason", &reason);
                reason.into_owned()
            }
            _ => String::new(),
        };
        // In a list, a task whose status never changed has its creation time here.
        let status_changed_at = self.time(TaskField::StatusChangedAt);
        let status_changed_at = status_changed_at.filter(|t| Some(*t) != created_at);
        let results = match has_targets {
            true => self.results(&targets),
            // Without valid targets, the customers of the results are unknown.
            false => Vec::new(),
        };
        if !self.violations.is_empty() {
            return Err(self.violations);
        }
        let task = NewTask {
            task_id,
            name,
            targets,
            // Required fields; a missing one has been reported above.
            start_time: start_time.unwrap_or_default(),
            end_time: end_time.unwrap_or_default(),
            status,
            progress,
            created_at,
            updated_at,
            status_reason,
            status_changed_at,
            results,
        };
        Ok(Record {
            task,
            generated,
            repeated,
            trimmed: self.trims,
        })
    }

    /// Checks a text that is meant for people and may have several lines.
    fn check_lines(&mut self, field: &str, text: &str) {
        if self.origin == Origin::Csv
            && let Some(why) = spoilt_text(text)
        {
            self.violation(field, why);
        }
    }

    /// The distinct customers in order, and the number of repetitions that were removed.
    fn targets(&mut self) -> (Vec<String>, u64) {
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
        for (index, customer) in list.iter().enumerate() {
            let mut violations = Violations::new();
            check_text("", customer, MAX_ID_CHARS, &mut violations);
            if self.origin != Origin::Own
                && let Some(why) = spoilt_customer(customer)
            {
                violations.push(Violation::of_record("", why));
            }
            wrong += usize::from(!violations.is_empty());
            if wrong <= MAX_TARGET_VIOLATIONS {
                for violation in violations {
                    self.violation(&format!("target[{index}]"), violation.description);
                }
            }
        }
        self.more_target_violations(wrong.saturating_sub(MAX_TARGET_VIOLATIONS));

        let mut seen = HashSet::with_capacity(given);
        let first: Vec<bool> = list.iter().map(|c| seen.insert(c.as_str())).collect();
        let mut first = first.into_iter();
        list.retain(|_| first.next().unwrap_or(true));
        let repeated = given - list.len();
        (list, repeated as u64)
    }

    /// A number from 0 to `most`; 0 if the record has none.
    fn number(&mut self, field: TaskField, most: i16) -> i16 {
        match self.numbers[field as usize] {
            Given::Is(number) if (0..=most.into()).contains(&number) => number as i16,
            Given::Is(number) => {
                self.violation(field.word(), format!("must be 0 to {most}, was {number}"));
                0
            }
            Given::Missing | Given::Wrong => 0,
        }
    }

    fn time(&mut self, field: TaskField) -> Option<DateTime<Utc>> {
        let Given::Is(text) = self.take(field) else {
            return None;
        };
        // A bare date is a day in UTC. As an end it includes the whole day, like the end of a date range.
        let parsed = Moment::parse(&text).map(|moment| match field {
            TaskField::EndTime => moment.as_end(Tz::UTC),
            _ => moment.as_start(Tz::UTC),
        });
        let parsed = parsed.ok().filter(|t| t.year() <= 9999);
        if parsed.is_none() {
            let why = format!("{FORMS}, of years 1 to 9999, was {}", quoted(&text));
            self.violation(field.word(), why);
        }
        parsed
    }

    fn status(&mut self, word: &str) -> TaskStatus {
        // The specification's example calls a running task active.
        let status = match word {
            "active" => Some(TaskStatus::Running),
            word => TaskStatus::from_word(word),
        };
        status.unwrap_or_else(|| {
            let words = TaskStatus::words().join(", ");
            self.violation(
                "status",
                format!("must be one of {words}, was {}", quoted(word)),
            );
            TaskStatus::Pending
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(text: &str) -> Vec<String> {
        match from_json(text) {
            Ok(_) => Vec::new(),
            Err(violations) => violations.into_iter().map(|f| f.field).collect(),
        }
    }

    fn task(rest: &str) -> String {
        format!(
            r#"{{"name":"n","start_time":"20230301T10:00:00Z","end_time":"2023-03-01T10:00:00Z"{rest}}}"#
        )
    }

    #[test]
    fn what_is_missing_gets_its_default() {
        for rest in [
            "",
            r#","task_id":null,"target":null,"status":null,"progress":null"#,
        ] {
            let record = from_json(&task(rest)).expect("a good record");
            assert!(record.generated);
            assert_eq!(record.task.targets, Vec::<String>::new());
            assert_eq!(record.task.status, TaskStatus::Pending);
            assert_eq!(record.task.progress, 0);
            assert_eq!(
                (record.task.created_at, record.task.updated_at),
                (None, None)
            );
        }
    }

    #[test]
    fn a_customer_is_kept_once_and_in_its_first_position() {
        let record = from_json(&task(r#","target":["b","a","b","c","a"]"#));
        let record = record.expect("a good record");
        assert_eq!(record.task.targets, ["b", "a", "c"]);
        assert_eq!(record.repeated, 2);
    }

    #[test]
    fn status_words_are_read() {
        for (word, status) in [
            ("active", TaskStatus::Running),
            ("paused", TaskStatus::Paused),
            ("已终止", TaskStatus::Stopped),
        ] {
            let record = from_json(&task(&format!(r#","status":"{word}""#)));
            assert_eq!(record.expect(word).task.status, status);
        }
        assert_eq!(violations(&task(r#","status":"Running""#)), ["status"]);
    }

    #[test]
    fn every_violation_is_reported() {
        assert_eq!(violations("{}"), ["name", "start_time", "end_time"]);
        assert_eq!(
            violations(
                r#"{"x":1,"name":"","name":"b","target":["a",1],"progress":101,"start_time":7,"end_time":"2023-02-30"}"#
            ),
            [
                "\"x\"",
                "name",
                "target[1]",
                "start_time",
                "name",
                "end_time",
                "progress"
            ]
        );
        let many = ["\"\""; 12].join(",");
        assert_eq!(
            violations(&task(&format!(r#","target":[{many}]"#))).len(),
            11
        );
        for text in ["", "[]", "null", "7", "{", r#"{"name":"n"} x"#] {
            assert_eq!(violations(text), ["record"], "{text}");
        }
    }

    #[test]
    fn a_shortened_list_of_targets_is_rejected() {
        let with = |count| {
            violations(&task(&format!(
                r#","target":["a","b"],"target_count":{count}"#
            )))
        };
        assert_eq!(with(2), Vec::<String>::new());
        assert_eq!(with(3), ["target_count"]);
    }

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for (text, percent) in [("70", 70), ("70.0", 70), ("7e1", 70), ("-0", 0)] {
            let record = from_json(&task(&format!(r#","progress":{text}"#)));
            assert_eq!(record.expect(text).task.progress, percent);
        }
        for text in ["0.5", "\"70\"", "-1", "101", "1e300", "true"] {
            assert_eq!(
                violations(&task(&format!(r#","progress":{text}"#))),
                ["progress"]
            );
        }
    }

    #[test]
    fn an_empty_cell_is_a_missing_value() {
        use TaskField::{EndTime, Name, StartTime, Target};
        let header = [Name, StartTime, EndTime, Target].map(Field::Task);
        let time = "20230301T10:00:00Z";
        let record = from_cells(&header, &["n", time, time, ""], false);
        assert_eq!(
            record.expect("a good record").task.targets,
            Vec::<String>::new()
        );
        let record = from_cells(&header, &["n", time, time, "a; b;a\u{a0}"], false);
        let record = record.expect("a good record");
        assert_eq!(record.task.targets, ["a", "b"]);
        assert_eq!((record.repeated, record.trimmed), (1, 2));
        let violations = from_cells(&header, &["", time, " ", ""], false).expect_err("violations");
        let fields: Vec<&str> = violations.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(fields, ["name", "end_time"]);
    }
}
