//! Converts one record from its fields as written to a task, and collects all violations.

use serde::de::Deserializer;

use super::{
    columns::Columns,
    draft::{Draft, Given, Origin, Value},
    entry::{Parsed, TEXT},
    object::ObjectVisitor,
    reading::Reading,
    report::Repairs,
    spoilt::{damaged, spoilt_id},
    values::remove_repeated,
};
use crate::{
    domain::{
        fields::TaskField,
        limits::{MAX_ID_CHARS, MAX_NAME_CHARS, check_text},
        status::TaskStatus,
        task::NewTask,
        words::Word,
        write::MAX_REASON_CHARS,
    },
    error::{Fault, Reason, Violation, Violations},
};

/// A task read from a record.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) task: NewTask,
    /// Whether the id was generated here, so that it cannot exist already.
    pub(super) generated: bool,
    /// The number of repeated customers that were removed.
    pub(super) repeated: u64,
    pub(super) repairs: Repairs,
}

impl Parsed for Record {
    fn memory(&self) -> usize {
        let task = &self.task;
        let targets: usize = task.targets.iter().map(|t| TEXT + t.len()).sum();
        let texts = task.task_id.len() + task.name.len() + task.status_reason.len();
        let texts = texts + task.copied_from.len();
        let labels = task.labels.iter().len() * 2 * TEXT + task.labels.text_bytes();
        texts + targets + labels + size_of_val(&*task.results)
    }

    fn group(&self) -> Option<&str> {
        Some(&self.task.task_id)
    }

    /// Adds the customers of another record of the task.
    fn merge(&mut self, other: Self) {
        self.task.targets.extend(other.task.targets);
        self.repeated += other.repeated;
        self.repairs.add(&other.repairs);
    }

    fn complete(&mut self) {
        self.repeated += remove_repeated(&mut self.task.targets);
    }
}

/// Reads one JSON object.
pub(super) fn from_json(text: &str, reading: &Reading) -> Result<Record, Violations> {
    let mut draft = Draft::new(Origin::default(), reading);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer
        .deserialize_map(ObjectVisitor::new(&mut draft))
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
/// from an export of this service.
pub(super) fn from_cells(
    columns: &Columns,
    cells: &[&str],
    reading: &Reading,
) -> Result<Record, Violations> {
    columns.check(cells)?;
    let mut trims = 0;
    let values = columns.values(cells, &mut trims);
    let origin = match columns.is_own() {
        true => Origin::Own,
        false => Origin::Csv,
    };
    let mut draft = Draft::new(origin, reading);
    for (field, text) in &values {
        if !text.is_empty() {
            draft.set(*field, Value::Cell(text));
        }
    }
    for (key, value) in columns.labels(cells, &mut trims) {
        // An empty cell is a missing label.
        if !value.is_empty() {
            draft.set_label(key, &value);
        }
    }
    draft.repairs.trimmed += trims;
    draft.repairs.short_rows += u64::from(!columns.is_own() && cells.len() < columns.len());
    draft
        .check()
        .map_err(|violations| columns.labelled(violations))
}

impl Draft<'_> {
    /// Names a task without a name by its id, which is the name of a campaign.
    fn name_by_id(&mut self) {
        if let (Given::Missing, Given::Is(id)) = (
            &self.texts[TaskField::Name as usize],
            &self.texts[TaskField::TaskId as usize],
        ) {
            self.texts[TaskField::Name as usize] = Given::Is(id.clone());
        }
    }

    fn check_required(&mut self) {
        for field in self.reading.required() {
            let is_missing = match field {
                TaskField::Target => matches!(self.targets, Given::Missing),
                field => matches!(self.texts[*field as usize], Given::Missing),
            };
            if is_missing {
                let remedy = self.reading.remedy(*field);
                let remedy = remedy.map_or(String::new(), |how| format!("; {how}"));
                let why = Fault::new(Reason::Required, format!("is required{remedy}"));
                self.violation(field.word(), why);
            }
        }
    }

    /// Checks all fields and builds the task.
    fn check(mut self) -> Result<Record, Violations> {
        self.add_noted_labels();
        if self.origin != Origin::Own && !self.reading.options.defaults.is_empty() {
            self.fill_defaults();
        }
        if self.reading.is_grouped() {
            self.name_by_id();
        }
        self.check_required();
        let (task_id, generated) = match self.take(TaskField::TaskId) {
            Given::Is(id) => {
                check_text("task_id", &id, MAX_ID_CHARS, &mut self.violations);
                if self.origin == Origin::Csv
                    && let Some(why) = spoilt_id(&id)
                {
                    self.violation("task_id", damaged(&id, why));
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
            self.violation("end_time", Reason::EndBeforeStart);
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
        let copied_from = match self.take(TaskField::CopiedFrom) {
            Given::Is(id) if !id.is_empty() => {
                check_text("copied_from", &id, MAX_ID_CHARS, &mut self.violations);
                id.into_owned()
            }
            _ => String::new(),
        };
        let labels = self.checked_labels();
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
            labels,
            results,
            copied_from,
        };
        Ok(Record {
            task,
            generated,
            repeated,
            repairs: self.repairs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Record, Violations> {
        from_json(text, &Reading::default())
    }

    fn violations(text: &str) -> Vec<String> {
        match read(text) {
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
            let record = read(&task(rest)).expect("a good record");
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
        let record = read(&task(r#","target":["b","a","b","c","a"]"#));
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
            let record = read(&task(&format!(r#","status":"{word}""#)));
            assert_eq!(record.expect(word).task.status, status);
        }
        assert_eq!(violations(&task(r#","status":"asleep""#)), ["status"]);
        let record = read(&task(r#","status":"Running""#)).expect("a good record");
        assert_eq!(
            (record.task.status, record.repairs.words),
            (TaskStatus::Running, 1)
        );
    }

    #[test]
    fn every_violation_is_reported() {
        assert_eq!(violations("{}"), ["name", "start_time", "end_time"]);
        assert_eq!(
            violations(
                r#"{"x":1,"name":"","name":"b","target":["a",true],"progress":101,"start_time":7,"end_time":"2023-02-30"}"#
            ),
            [
                "\"x\"",
                "name",
                "target[1]",
                "name",
                "start_time",
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
        for (text, percent) in [
            ("70", 70),
            ("70.0", 70),
            ("7e1", 70),
            ("-0", 0),
            ("\"70\"", 70),
            ("\"70%\"", 70),
        ] {
            let record = read(&task(&format!(r#","progress":{text}"#)));
            assert_eq!(record.expect(text).task.progress, percent);
        }
        for text in ["0.5", "\"70.5\"", "-1", "101", "1e300", "true"] {
            assert_eq!(
                violations(&task(&format!(r#","progress":{text}"#))),
                ["progress"]
            );
        }
    }

    #[test]
    fn an_empty_cell_is_a_missing_value() {
        let reading = Reading::default();
        let header = ["name", "start_time", "end_time", "target"];
        let columns = Columns::of_header(&header, &reading).expect("columns");
        let time = "20230301T10:00:00Z";
        let record = from_cells(&columns, &["n", time, time, ""], &reading);
        assert_eq!(
            record.expect("a good record").task.targets,
            Vec::<String>::new()
        );
        let record = from_cells(&columns, &["n", time, time, "a; b;a\u{a0}"], &reading);
        let record = record.expect("a good record");
        assert_eq!(record.task.targets, ["a", "b"]);
        assert_eq!((record.repeated, record.repairs.trimmed), (1, 2));
        let violations = from_cells(&columns, &["", time, " "], &reading).expect_err("violations");
        let fields: Vec<&str> = violations.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(fields, ["name", "end_time"]);
    }
}
