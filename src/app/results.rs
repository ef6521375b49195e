//! What writes return.

use crate::domain::{task::Task, write::Refused};

/// Tasks that were created.
#[derive(Debug)]
pub struct Created {
    /// The tasks, in the order of the request.
    pub tasks: Vec<Task>,
    /// How many customers were left out because their task named them already.
    pub repeated: usize,
}

/// What came of an action on all tasks of a filter.
#[derive(Debug)]
pub struct BulkOutcome {
    /// The tasks that were changed; in a dry run, those that would be.
    pub task_ids: Vec<String>,
    /// The tasks of the filter whose status does not allow the action.
    pub refused: Vec<Refused>,
}

/// The result of adding targets.
#[derive(Debug)]
pub struct Added {
    /// The number of added targets.
    pub count: u32,
    /// The number of targets that the task already had, or that the call repeated.
    pub duplicates: u32,
    /// The task after the change.
    pub task: Task,
}

/// The result of removing targets.
#[derive(Debug)]
pub struct Removed {
    /// The number of removed targets.
    pub count: usize,
    /// The ids that are not among the targets of the task.
    pub missing: Vec<String>,
    /// The task after the change.
    pub task: Task,
}

/// The result of reporting call results.
#[derive(Debug)]
pub struct Reported {
    /// The number of customers whose result changed.
    pub applied: usize,
    /// The number of results that were already known or older than the stored one.
    pub ignored: usize,
    /// The ids that are not among the targets of the task.
    pub missing: Vec<String>,
    /// The task after the change.
    pub task: Task,
}
