//! Tasks asked for by their ids.

use super::{
    fields::{TaskField, TaskFields},
    limits::{MAX_ID_CHARS, MAX_IDS, check_ids, check_target_limit, check_text},
};
use crate::error::{Error, Result, Violations};

/// Tasks by id, every value checked.
#[derive(Debug, Clone, PartialEq)]
pub struct GetQuery {
    /// The ids.
    pub task_ids: Vec<String>,
    /// How many customer ids in each task.
    pub target_limit: i32,
}

/// How the tasks asked for are to be shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown {
    /// How many customer ids in each task; all that are kept with it where the caller says nothing.
    pub target_limit: Option<i64>,
    /// The fields that the answer holds.
    pub fields: TaskFields,
}

impl GetQuery {
    /// One task. `faults` are what the transport could not read.
    pub fn one(task_id: String, shown: Shown, mut faults: Violations) -> Result<Self> {
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut faults);
        Self::new(vec![task_id], shown, faults)
    }

    /// Many tasks. `faults` are what the transport could not read.
    pub fn many(task_ids: Vec<String>, shown: Shown, mut faults: Violations) -> Result<Self> {
        check_ids("task_ids", &task_ids, 1..=MAX_IDS, &mut faults);
        Self::new(task_ids, shown, faults)
    }

    fn new(task_ids: Vec<String>, shown: Shown, mut faults: Violations) -> Result<Self> {
        let target_limit = shown.check(&mut faults);
        if !faults.is_empty() {
            return Err(Error::invalid(faults));
        }
        Ok(Self {
            task_ids,
            target_limit,
        })
    }
}

impl Shown {
    /// How many customer ids are to be read with each task.
    pub(super) fn check(self, faults: &mut Violations) -> i32 {
        let limit = check_target_limit(self.target_limit, faults);
        match self.fields.contains(TaskField::Target) {
            true => limit,
            false => 0,
        }
    }
}
