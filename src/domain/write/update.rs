//! Changing a task's fields.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::rules::{Command, check_window, valid};
use crate::{
    domain::{
        labels::{Labels, check_key},
        limits::{MAX_ID_CHARS, MAX_NAME_CHARS, check_text},
        task::Task,
    },
    error::{Error, Reason, Result, Violation, Violations},
};

/// A time as a transport parsed it, or the reason why it could not. That is a violation only if the mask names the
/// field.
pub type ParsedTime = Result<DateTime<Utc>, Reason>;

/// A change of a task's fields, as sent by a caller.
#[derive(Debug, Clone, Default)]
pub struct UpdateTask {
    /// The id of the task.
    pub task_id: String,
    /// The required etag; empty for any version.
    pub etag: String,
    /// The new name.
    pub name: String,
    /// The new planned start.
    pub start_time: Option<ParsedTime>,
    /// The new planned end.
    pub end_time: Option<ParsedTime>,
    /// The new labels.
    pub labels: Labels,
    /// The fields to change, `labels.KEY` for one label, `*` for all fields; empty for the fields that are set (AIP-134).
    pub mask: Vec<String>,
}

/// A checked change of a task's fields. `None` leaves a field unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskUpdate {
    /// The id of the task.
    pub task_id: String,
    /// The required etag; empty for any version.
    pub etag: String,
    /// The new name.
    pub name: Option<String>,
    /// The new planned start.
    pub start_time: Option<DateTime<Utc>>,
    /// The new planned end.
    pub end_time: Option<DateTime<Utc>>,
    /// All new labels.
    pub labels: Option<Labels>,
    /// Single labels, if not all of them are replaced: the new value of each key; `None` removes the label.
    pub label_values: BTreeMap<String, Option<String>>,
}

/// The values of the fields of a task that an update can change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdatedValues {
    /// The name.
    pub name: String,
    /// Planned start.
    pub start_time: DateTime<Utc>,
    /// Planned end.
    pub end_time: DateTime<Utc>,
    /// The labels.
    pub labels: Labels,
}

impl Command for UpdateTask {
    type Checked = TaskUpdate;

    fn validate(self, mut violations: Violations) -> Result<TaskUpdate> {
        let Self {
            task_id,
            etag,
            name,
            start_time,
            end_time,
            labels,
            mask,
        } = self;
        let mask = match mask.is_empty() {
            false => mask,
            true => {
                let given = [
                    ("name", !name.is_empty()),
                    ("start_time", start_time.is_some()),
                    ("end_time", end_time.is_some()),
                    ("labels", !labels.is_empty()),
                ];
                let given = given.into_iter().filter(|(_, is_given)| *is_given);
                given.map(|(path, _)| path.to_owned()).collect()
            }
        };
        let mut update = TaskUpdate {
            task_id,
            etag,
            ..TaskUpdate::default()
        };
        for (index, path) in mask.iter().enumerate() {
            let is_all = path == "*";
            let is = |field| is_all || path == field;
            if is("name") {
                update.name = Some(name.clone());
            }
            if is("start_time") {
                update.start_time = given_time("task.start_time", &start_time, &mut violations);
            }
            if is("end_time") {
                update.end_time = given_time("task.end_time", &end_time, &mut violations);
            }
            if is("labels") {
                update.labels = Some(labels.clone());
            }
            let field = || format!("update_mask.paths[{index}]");
            if let Some(key) = path.strip_prefix("labels.") {
                check_key(&field(), key, &mut violations);
                let value = labels.get(key).map(str::to_owned);
                update.label_values.insert(key.to_owned(), value);
            } else if !(is("name") || is("start_time") || is("end_time") || is("labels")) {
                violations.push_with(|| Violation::new(field(), Reason::FixedField));
            }
        }
        check_text(
            "task.task_id",
            &update.task_id,
            MAX_ID_CHARS,
            &mut violations,
        );
        if let Some(name) = &update.name {
            check_text("task.name", name, MAX_NAME_CHARS, &mut violations);
        }
        if update.labels.is_some() {
            update.label_values.clear();
        }
        update.new_labels().check("task.labels", &mut violations);
        let TaskUpdate {
            start_time,
            end_time,
            ..
        } = update;
        check_window("task.end_time", start_time, end_time, &mut violations);
        valid(violations)?;
        Ok(update)
    }
}

/// The time of a field in the mask.
fn given_time(
    field: &str,
    time: &Option<ParsedTime>,
    violations: &mut Violations,
) -> Option<DateTime<Utc>> {
    let why = match time {
        Some(Ok(time)) => return Some(*time),
        Some(Err(why)) => why.clone(),
        None => Reason::Required,
    };
    violations.push(Violation::new(field, why));
    None
}

impl TaskUpdate {
    /// The labels that the update adds.
    fn new_labels(&self) -> Labels {
        let mut labels = self.labels.clone().unwrap_or_default();
        for (key, value) in &self.label_values {
            labels.set(key.clone(), value.clone());
        }
        labels
    }

    /// The values that `task` has after the change. INVALID_ARGUMENT if it cannot have them.
    pub fn apply(self, task: &Task) -> Result<UpdatedValues> {
        let start_time = self.start_time.unwrap_or(task.start_time);
        let end_time = self.end_time.unwrap_or(task.end_time);
        if end_time < start_time {
            let (field, why) = match self.end_time {
                Some(_) => ("task.end_time", Reason::EndBeforeStart),
                None => ("task.start_time", Reason::StartAfterEnd),
            };
            return Err(Error::invalid(vec![Violation::new(field, why)]));
        }
        let mut labels = self.labels.unwrap_or_else(|| task.labels.clone());
        for (key, value) in self.label_values {
            labels.set(key, value);
        }
        let mut violations = Violations::new();
        labels.check("task.labels", &mut violations);
        valid(violations)?;
        Ok(UpdatedValues {
            name: self.name.unwrap_or_else(|| task.name.clone()),
            start_time,
            end_time,
            labels,
        })
    }
}
