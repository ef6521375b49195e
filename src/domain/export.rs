//! The parameters of an export: a list without pages.

use super::{
    filter::TaskFilter,
    get::Shown,
    limits::{INLINE_TARGETS, MAX_LIMIT},
    list::{CountMode, ListQuery},
    order::TaskOrder,
    page::Start,
    target::TargetResult,
    task::Task,
};
use crate::error::{Error, Result, Violations};

/// An export request before validation. `None` and empty values mean that the caller did not set them.
#[derive(Debug, Clone, Default)]
pub struct ExportRequest {
    /// The filter.
    pub filter: TaskFilter,
    /// The order.
    pub order: TaskOrder,
    /// The number of customer ids per task.
    pub target_limit: Option<i64>,
}

/// A validated export.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportQuery {
    /// The exported list; its start and its limit are ignored.
    pub list: ListQuery,
    /// Whether to export all targets and their call results. Otherwise a task is as in a list.
    pub whole: bool,
}

/// A task of an export.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportedTask {
    /// The task.
    pub task: Task,
    /// The results of the targets that have one, in the order of the task; empty unless `whole` is set.
    pub results: Vec<TargetResult>,
}

impl ExportRequest {
    /// Validates the request of a caller. `violations` are the violations that the transport found.
    pub fn check(self, mut violations: Violations) -> Result<ExportQuery> {
        let shown = Shown {
            target_limit: self.target_limit,
            ..Shown::default()
        };
        let target_limit = shown.check(&mut violations);
        if !violations.is_empty() {
            return Err(Error::invalid(violations));
        }
        Ok(ExportQuery::new(
            self.filter,
            self.order,
            target_limit,
            false,
        ))
    }

    /// Validates the request of an operator, who exports everything.
    pub fn check_whole(self, violations: Violations) -> Result<ExportQuery> {
        if !violations.is_empty() {
            return Err(Error::invalid(violations));
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
    /// The tasks of a filter as in a list, in the order that is fastest.
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
                target_sums: false,
                attention_counts: None,
            },
            whole,
        }
    }
}
