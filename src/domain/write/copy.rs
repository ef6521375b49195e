//! Copying tasks.

use super::{
    create::{CheckedTask, TaskDraft},
    rules::{Command, valid},
};
use crate::{
    domain::{
        limits::{MAX_ID_CHARS, check_text},
        target::TargetState,
    },
    error::{Result, Violations},
};

/// The states of customers that were not reached.
const NOT_REACHED: [TargetState; 3] = [
    TargetState::Pending,
    TargetState::NoAnswer,
    TargetState::Busy,
];

/// A copy of a task, as sent by a caller.
#[derive(Debug, Clone)]
pub struct CopyTask {
    /// The id of the task to copy.
    pub source_task_id: String,
    /// The new task, without customers. Violations name its fields `name` and so on.
    pub task: TaskDraft,
    /// The states of the customers to copy; empty for those that were not reached.
    pub states: Vec<TargetState>,
}

/// A checked copy of a task.
#[derive(Debug, Clone)]
pub struct CheckedCopy {
    /// The id of the task to copy.
    pub source_task_id: String,
    /// The new task, without customers.
    pub task: CheckedTask,
    /// The states of the customers to copy: at least one, sorted, each once.
    pub states: Vec<TargetState>,
}

impl Command for CopyTask {
    type Checked = CheckedCopy;

    fn validate(self, mut violations: Violations) -> Result<CheckedCopy> {
        let Self {
            source_task_id,
            task,
            mut states,
        } = self;
        check_text(
            "source_task_id",
            &source_task_id,
            MAX_ID_CHARS,
            &mut violations,
        );
        let (task, _) = task.check("", &mut violations);
        if states.is_empty() {
            states.extend(NOT_REACHED);
        }
        states.sort_unstable();
        states.dedup();
        valid(violations)?;
        Ok(CheckedCopy {
            source_task_id,
            task,
            states,
        })
    }
}
