//! Actions on tasks, one or many, and deletion.

use super::rules::{Command, required, valid};
use crate::{
    domain::{
        action::TaskAction,
        filter::{FilterRequest, TaskFilter},
        limits::{MAX_ID_CHARS, check_text},
        status::TaskStatus,
        task::Task,
        words::Word,
    },
    error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation, Violations},
};

/// Maximum number of tasks that one call changes by a filter.
pub const MAX_BULK_TASKS: i64 = 10_000;
/// Maximum number of characters of a reason.
pub const MAX_REASON_CHARS: usize = 1024;

/// An action on one task.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The id of the task.
    pub task_id: String,
    /// The action.
    pub action: TaskAction,
    /// The reason; may be empty.
    pub reason: String,
    /// The required etag; empty for any version.
    pub etag: String,
}

impl Command for Transition {
    type Checked = Self;

    fn validate(self, mut violations: Violations) -> Result<Self> {
        check_text("task_id", &self.task_id, MAX_ID_CHARS, &mut violations);
        check_reason(&self.reason, &mut violations);
        valid(violations)?;
        Ok(self)
    }
}

impl Transition {
    /// The new status of `task`. FAILED_PRECONDITION if its status does not allow the action; the error lists the
    /// allowed ones.
    pub fn apply(&self, task: &Task) -> Result<TaskStatus> {
        let Self { action, .. } = self;
        action.apply(task.status).ok_or_else(|| {
            let allowed: Vec<&str> = task.allowed_actions().map(TaskAction::word).collect();
            let allowed = allowed.join(", ");
            let what = format!(
                "{action} is not allowed: the task is {}; allowed actions: {}",
                task.status,
                if allowed.is_empty() { "none" } else { &allowed },
            );
            Error::new(ErrorKind::FailedPrecondition, what)
                .because(ErrorReason::TransitionNotAllowed)
                .with_fact("status", task.status.word())
                .with_fact("allowed_actions", allowed)
        })
    }
}

/// The deletion of a task.
#[derive(Debug, Clone)]
pub struct DeleteTask {
    /// The id of the task.
    pub task_id: String,
    /// The required etag; empty for any version.
    pub etag: String,
}

impl Command for DeleteTask {
    type Checked = Self;

    fn validate(self, mut violations: Violations) -> Result<Self> {
        check_text("task_id", &self.task_id, MAX_ID_CHARS, &mut violations);
        valid(violations)?;
        Ok(self)
    }
}

/// An action on all tasks of a filter, as sent by a caller.
#[derive(Debug, Clone, Default)]
pub struct BulkChange {
    /// The filter.
    pub filter: FilterRequest,
    /// The action; `None` if the message has none or an unknown one.
    pub action: Option<TaskAction>,
    /// The reason; may be empty.
    pub reason: String,
    /// Whether only to report the changes (dry run).
    pub dry_run: bool,
    /// The number of tasks that the caller expects to change.
    pub expected_count: Option<i32>,
}

/// A checked action on all tasks of a filter.
#[derive(Debug, Clone)]
pub struct BulkAction {
    /// The filter.
    pub filter: TaskFilter,
    /// The action.
    pub action: TaskAction,
    /// The reason; may be empty.
    pub reason: String,
    /// Whether only to report the changes (dry run).
    pub dry_run: bool,
    /// The number of tasks that the caller expects to change; `None` only in a dry run.
    pub expected_count: Option<i32>,
}

impl Command for BulkChange {
    type Checked = BulkAction;

    fn validate(self, mut violations: Violations) -> Result<BulkAction> {
        let Self {
            filter,
            action,
            reason,
            dry_run,
            expected_count,
        } = self;
        let filter = filter.check("filter.", &mut violations);
        let action = required("action", action, &mut violations);
        check_reason(&reason, &mut violations);
        match expected_count {
            None if !dry_run => {
                violations.push(Violation::new("expected_count", Reason::CountRequired));
            }
            Some(count) if count < 0 => violations.push(Violation::new(
                "expected_count",
                Reason::OutOfRange {
                    min: 0,
                    max: None,
                    actual: count.into(),
                },
            )),
            _ => {}
        }
        match action {
            Some(action) if violations.is_empty() => Ok(BulkAction {
                filter,
                action,
                reason,
                dry_run,
                expected_count,
            }),
            _ => Err(Error::invalid(violations)),
        }
    }
}

/// A task whose status does not allow the action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The id of the task.
    pub task_id: String,
    /// The status.
    pub status: TaskStatus,
}

fn check_reason(reason: &str, violations: &mut Violations) {
    if !reason.is_empty() {
        check_text("reason", reason, MAX_REASON_CHARS, violations);
    }
}
