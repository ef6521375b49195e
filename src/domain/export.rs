//! An export as a caller asks for it, and as the database is asked: a list without pages.

use super::{
    filter::{TaskFilter, TaskOrder},
    get::Shown,
    limits::{INLINE_TARGETS, MAX_LIMIT},
    list::{CountMode, ListQuery},
    page::Start,
    target::TargetResult,
    task::Task,
};
use crate::error::{Error, Result, Violations};

/// What a caller asked for; `None` and empty mean that it said nothing.
#[derive(Debug, Clone, Default)]
pub struct ExportRequest {
    /// Which tasks.
    pub filter: TaskFilter,
    /// The order.
    pub order: TaskOrder,
    /// Customer ids in each task.
    pub target_limit: Option<i64>,
}

/// What the database is asked, every value checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportQuery {
    /// The list that is exported; its start and its limit do not count.
    pub list: ListQuery,
    /// All targets, however many there are, and what came of calling them. Else what a list shows.
    pub whole: bool,
}

/// A task as an export shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedTask {
    /// The task.
    pub task: Task,
    /// The targets that have a result, in the task's order; empty unless the export is a whole one.
    pub results: Vec<TargetResult>,
}

impl ExportRequest {
    /// Checks the request of a caller, who sees what a list shows; `faults` are those the transport found.
    pub fn check(self, mut faults: Violations) -> Result<ExportQuery> {
        let shown = Shown {
            target_limit: self.target_limit,
            ..Shown::default()
        };
        let target_limit = shown.check(&mut faults);
        if !faults.is_empty() {
            return Err(Error::invalid(faults));
        }
        Ok(ExportQuery::new(
            self.filter,
            self.order,
            target_limit,
            false,
        ))
    }

    /// Checks the request of an operator, who gets all there is.
    pub fn check_whole(self, faults: Violations) -> Result<ExportQuery> {
        if !faults.is_empty() {
            return Err(Error::invalid(faults));
        }
        let target_limit = INLINE_TARGETS as i32; // 100
        Ok(ExportQuery::new(
            self.filter,
            self.order,
            target_limit,
            true,
        ))
    }
}

impl ExportQuery {
    /// What a list shows of the tasks of a filter, in whatever order comes fastest.
    pub fn unordered(filter: TaskFilter, target_limit: i32) -> Self {
        Self::new(filter, TaskOrder::default(), target_limit, false)
    }

    fn new(filter: TaskFilter, order: TaskOrder, target_limit: i32, whole: bool) -> Self {
        Self {
            list: ListQuery {
                filter,
                order,
                start: Start::Offset(0),
                limit: MAX_LIMIT,
                target_limit,
                count: CountMode::None,
                status_counts: false,
            },
            whole,
        }
    }
}
