//! Creating tasks.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::rules::{Command, check_window, required, valid};
use crate::{
    domain::{
        labels::Labels,
        limits::{MAX_ID_CHARS, MAX_NAME_CHARS, check_text},
        status::TaskStatus,
        task::NewTask,
    },
    error::{Reason, Result, Violation, Violations},
};

/// Maximum number of tasks that one call creates.
pub const MAX_NEW_TASKS: usize = 1000;

/// A task to be created, as sent by a caller.
#[derive(Debug, Clone, Default)]
pub struct TaskDraft {
    /// The id; empty to have one generated.
    pub task_id: String,
    /// The name.
    pub name: String,
    /// The customers to call.
    pub targets: Vec<String>,
    /// Planned start.
    pub start_time: Option<DateTime<Utc>>,
    /// Planned end.
    pub end_time: Option<DateTime<Utc>>,
    /// The labels.
    pub labels: Labels,
}

/// Tasks to be created, by either of two calls.
#[derive(Debug, Clone)]
pub enum CreateTasks {
    /// One task. Violations name its fields `task.name` and so on.
    One(TaskDraft),
    /// Many tasks. Violations name their fields `tasks[0].name` and so on.
    Many(Vec<TaskDraft>),
}

/// A checked task to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedTask {
    /// The id; `None` to have one generated.
    pub task_id: Option<String>,
    /// The name.
    pub name: String,
    /// The customers to call, in order, each once.
    pub targets: Vec<String>,
    /// Planned start.
    pub start_time: DateTime<Utc>,
    /// Planned end, not before the start.
    pub end_time: DateTime<Utc>,
    /// The labels.
    pub labels: Labels,
}

/// Checked tasks to be created together.
#[derive(Debug, Clone)]
pub struct NewTasks {
    /// Whether the call for many tasks sent them.
    pub is_batch: bool,
    /// The tasks.
    pub tasks: Vec<CheckedTask>,
    /// Number of customers that were left out because their task has them already.
    pub repeated: usize,
}

impl NewTasks {
    /// The tasks as they are stored, with generated ids where none was given.
    pub fn into_tasks(self) -> Vec<NewTask> {
        self.tasks.into_iter().map(CheckedTask::into_task).collect()
    }
}

impl CheckedTask {
    /// The task as it is stored, with a generated id where none was given.
    pub fn into_task(self) -> NewTask {
        let Self {
            task_id,
            name,
            targets,
            start_time,
            end_time,
            labels,
        } = self;
        NewTask {
            // A UUID of version 7 begins with the service's clock, so that ids roughly ascend. Nothing compares them
            // with a time.
            task_id: task_id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string()),
            name,
            targets,
            start_time,
            end_time,
            status: TaskStatus::Pending,
            progress: 0,
            created_at: None,
            updated_at: None,
            status_reason: String::new(),
            status_changed_at: None,
            labels,
            results: Vec::new(),
            copied_from: String::new(),
        }
    }
}

impl TaskDraft {
    /// The checked task, and the number of its repeated customers. `at` is the prefix of the fields' names, like
    /// `task.`.
    pub(super) fn check(self, at: &str, violations: &mut Violations) -> (CheckedTask, usize) {
        let Self {
            task_id,
            name,
            mut targets,
            start_time,
            end_time,
            labels,
        } = self;
        if !task_id.is_empty() {
            check_text(
                format_args!("{at}task_id"),
                &task_id,
                MAX_ID_CHARS,
                violations,
            );
        }
        check_text(format_args!("{at}name"), &name, MAX_NAME_CHARS, violations);
        for (index, customer) in targets.iter().enumerate() {
            let field = format_args!("{at}target[{index}]");
            check_text(field, customer, MAX_ID_CHARS, violations);
        }
        let start_time = required(&format!("{at}start_time"), start_time, violations);
        let end_time = required(&format!("{at}end_time"), end_time, violations);
        check_window(&format!("{at}end_time"), start_time, end_time, violations);
        labels.check(&format!("{at}labels"), violations);
        let named = targets.len();
        let mut seen = HashSet::with_capacity(named);
        targets.retain(|customer| seen.insert(customer.clone()));
        let repeated = named - targets.len();
        let task = CheckedTask {
            task_id: Some(task_id).filter(|id| !id.is_empty()),
            name,
            targets,
            // A missing time is a violation, so this default is never returned.
            start_time: start_time.unwrap_or_default(),
            end_time: end_time.unwrap_or_default(),
            labels,
        };
        (task, repeated)
    }
}

impl Command for CreateTasks {
    type Checked = NewTasks;

    fn validate(self, mut violations: Violations) -> Result<NewTasks> {
        let new = match self {
            Self::One(draft) => {
                let (task, repeated) = draft.check("task.", &mut violations);
                NewTasks {
                    is_batch: false,
                    tasks: vec![task],
                    repeated,
                }
            }
            Self::Many(drafts) => check_many(drafts, &mut violations),
        };
        valid(violations)?;
        Ok(new)
    }
}

fn check_many(drafts: Vec<TaskDraft>, violations: &mut Violations) -> NewTasks {
    let count = drafts.len();
    if !(1..=MAX_NEW_TASKS).contains(&count) {
        let why = Reason::Count {
            min: 1,
            max: MAX_NEW_TASKS,
            noun: "tasks",
            actual: count,
        };
        violations.push(Violation::new("tasks", why));
    }
    let mut new = NewTasks {
        is_batch: true,
        tasks: Vec::with_capacity(count.min(MAX_NEW_TASKS)),
        repeated: 0,
    };
    let mut ids = HashSet::with_capacity(count.min(MAX_NEW_TASKS));
    for (index, draft) in drafts.into_iter().take(MAX_NEW_TASKS).enumerate() {
        let (task, repeated) = draft.check(&format!("tasks[{index}]."), violations);
        if let Some(task_id) = &task.task_id
            && !ids.insert(task_id.clone())
        {
            let field = format!("tasks[{index}].task_id");
            violations.push(Violation::new(field, Reason::DuplicateId));
        }
        new.repeated += repeated;
        new.tasks.push(task);
    }
    new
}
