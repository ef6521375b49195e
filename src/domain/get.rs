//! The parameters of a request for tasks by id.

use super::{
    fields::{TaskField, TaskFields},
    limits::{MAX_ID_CHARS, MAX_IDS, check_ids, check_target_limit, check_text},
    task::Task,
};
use crate::error::{Error, Result, Violations};

/// A validated request for tasks by id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GetQuery {
    /// The ids.
    pub task_ids: Vec<String>,
    /// The number of customer ids per task.
    pub target_limit: i32,
}

/// Which parts of tasks a response contains.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown {
    /// The number of customer ids per task; by default all that are stored with the task.
    pub target_limit: Option<i64>,
    /// The fields in the response.
    pub fields: TaskFields,
}

/// Which parts of the tasks that a write returns the response contains, validated.
#[derive(Debug, Clone, Copy)]
pub struct View {
    target_limit: usize,
    fields: TaskFields,
}

impl View {
    /// Shortens the customer ids of a task, and returns the fields to show of it.
    pub fn cut(self, task: &mut Task) -> TaskFields {
        task.target.truncate(self.target_limit);
        self.fields
    }
}

impl GetQuery {
    /// Validates a request for one task. `violations` are the violations that the transport found.
    pub fn one(task_id: String, shown: Shown, mut violations: Violations) -> Result<Self> {
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut violations);
        Self::new(vec![task_id], shown, violations)
    }

    /// Validates a request for several tasks. `violations` are the violations that the transport found.
    pub fn many(task_ids: Vec<String>, shown: Shown, mut violations: Violations) -> Result<Self> {
        check_ids("task_ids", &task_ids, 1..=MAX_IDS, &mut violations);
        Self::new(task_ids, shown, violations)
    }

    fn new(task_ids: Vec<String>, shown: Shown, mut violations: Violations) -> Result<Self> {
        let target_limit = shown.check(&mut violations);
        if !violations.is_empty() {
            return Err(Error::invalid(violations));
        }
        Ok(Self {
            task_ids,
            target_limit,
        })
    }
}

impl Shown {
    /// Validates what a write is asked to return.
    pub fn view(self, violations: &mut Violations) -> View {
        View {
            // 0 to 100, or a violation.
            target_limit: usize::try_from(self.check(violations)).unwrap_or_default(),
            fields: self.fields,
        }
    }

    /// The number of customer ids to read per task; 0 if the field `target` is not requested.
    pub(super) fn check(self, violations: &mut Violations) -> i32 {
        let limit = check_target_limit(self.target_limit, violations);
        match self.fields.contains(TaskField::Target) {
            true => limit,
            false => 0,
        }
    }
}
