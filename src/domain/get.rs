//! Tasks asked for by their ids.

use super::{
    list::check_target_limit,
    task::{MAX_ID_CHARS, check_text},
};
use crate::error::{Error, Result, Violation};

/// Most ids in one request.
pub const MAX_IDS: usize = 1000;

/// Tasks by id, every value checked.
#[derive(Debug, Clone, PartialEq)]
pub struct GetQuery {
    /// The ids.
    pub task_ids: Vec<String>,
    /// How many customer ids in each task.
    pub target_limit: i32,
}

impl GetQuery {
    /// One task. `faults` are what the transport could not read.
    pub fn one(
        task_id: String,
        target_limit: Option<i64>,
        mut faults: Vec<Violation>,
    ) -> Result<Self> {
        check_text("task_id", &task_id, MAX_ID_CHARS, &mut faults);
        Self::new(vec![task_id], target_limit, faults)
    }

    /// Many tasks.
    pub fn many(task_ids: Vec<String>, target_limit: Option<i64>) -> Result<Self> {
        let mut faults = Vec::new();
        let count = task_ids.len();
        if !(1..=MAX_IDS).contains(&count) {
            let why = format!("must be 1 to {MAX_IDS} ids, were {count}");
            faults.push(Violation::new("task_ids", why));
        }
        for (at, task_id) in task_ids.iter().enumerate().take(MAX_IDS) {
            check_text(
                &format!("task_ids[{at}]"),
                task_id,
                MAX_ID_CHARS,
                &mut faults,
            );
        }
        Self::new(task_ids, target_limit, faults)
    }

    fn new(
        task_ids: Vec<String>,
        target_limit: Option<i64>,
        mut faults: Vec<Violation>,
    ) -> Result<Self> {
        let target_limit = check_target_limit(target_limit, &mut faults);
        if !faults.is_empty() {
            return Err(Error::invalid(faults));
        }
        Ok(Self {
            task_ids,
            target_limit,
        })
    }
}
