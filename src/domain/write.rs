//! Changes of tasks as a caller asks for them, and their checks.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::{
    action::TaskAction,
    filter::TaskFilter,
    limits::{MAX_ID_CHARS, MAX_NAME_CHARS, check_text},
    status::TaskStatus,
    task::{NewTask, Task},
};
use crate::error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation, Violations};

/// Most tasks that one call makes.
pub const MAX_NEW_TASKS: usize = 1000;
/// Most tasks that one call changes by a filter.
pub const MAX_BULK_TASKS: i64 = 10_000;
/// Most characters of a reason.
pub const MAX_REASON_CHARS: usize = 1024;

/// A task to be made.
#[derive(Debug, Clone, Default)]
pub struct TaskDraft {
    /// Its id; empty to have one generated.
    pub task_id: String,
    /// What people call it.
    pub name: String,
    /// The customers to call.
    pub targets: Vec<String>,
    /// Planned start.
    pub start_time: Option<DateTime<Utc>>,
    /// Planned end.
    pub end_time: Option<DateTime<Utc>>,
}

impl TaskDraft {
    /// The task, and how often a customer was named again; faults name fields below `at`, as `task.`.
    fn check(self, at: &str, faults: &mut Violations) -> (NewTask, usize) {
        let Self {
            task_id,
            name,
            mut targets,
            start_time,
            end_time,
        } = self;
        if !task_id.is_empty() {
            check_text(&format!("{at}task_id"), &task_id, MAX_ID_CHARS, faults);
        }
        check_text(&format!("{at}name"), &name, MAX_NAME_CHARS, faults);
        for (place, customer) in targets.iter().enumerate() {
            check_text(
                &format!("{at}target[{place}]"),
                customer,
                MAX_ID_CHARS,
                faults,
            );
        }
        let start_time = required(&format!("{at}start_time"), start_time, faults);
        let end_time = required(&format!("{at}end_time"), end_time, faults);
        check_window(&format!("{at}end_time"), start_time, end_time, faults);
        let named = targets.len();
        let mut seen = HashSet::with_capacity(named);
        targets.retain(|customer| seen.insert(customer.clone()));
        let repeated = named - targets.len();
        let task = NewTask {
            task_id: match task_id.is_empty() {
                // The service's clock orders these ids, roughly; nothing compares them with a time.
                true => uuid::Uuid::now_v7().to_string(),
                false => task_id,
            },
            name,
            targets,
            // Required: a missing one is a fault.
            start_time: start_time.unwrap_or_default(),
            end_time: end_time.unwrap_or_default(),
            status: TaskStatus::Pending,
            progress: 0,
            created_at: None,
            updated_at: None,
            status_reason: String::new(),
            status_changed_at: None,
            results: Vec::new(),
        };
        (task, repeated)
    }
}

/// Tasks to be made together, checked.
#[derive(Debug)]
pub struct NewTasks {
    /// The tasks.
    pub tasks: Vec<NewTask>,
    /// How often a customer was named again in its task.
    pub repeated: usize,
}

impl NewTasks {
    /// One task, whose fields stand below `task.`.
    pub fn one(draft: TaskDraft, mut faults: Violations) -> Result<Self> {
        let (task, repeated) = draft.check("task.", &mut faults);
        valid(faults)?;
        Ok(Self {
            tasks: vec![task],
            repeated,
        })
    }

    /// Many tasks, whose fields stand below `tasks[0].` and so on.
    pub fn many(drafts: Vec<TaskDraft>, mut faults: Violations) -> Result<Self> {
        let count = drafts.len();
        if !(1..=MAX_NEW_TASKS).contains(&count) {
            let why = Reason::Count {
                min: 1,
                max: MAX_NEW_TASKS,
                noun: "tasks",
                actual: count,
            };
            faults.push(Violation::new("tasks", why));
        }
        let mut new = Self {
            tasks: Vec::with_capacity(count),
            repeated: 0,
        };
        let mut ids = HashSet::with_capacity(count);
        for (place, draft) in drafts.into_iter().take(MAX_NEW_TASKS).enumerate() {
            let (task, repeated) = draft.check(&format!("tasks[{place}]."), &mut faults);
            if !ids.insert(task.task_id.clone()) {
                let field = format!("tasks[{place}].task_id");
                faults.push(Violation::new(field, Reason::DuplicateId));
            }
            new.repeated += repeated;
            new.tasks.push(task);
        }
        valid(faults)?;
        Ok(new)
    }
}

/// A change of a task's fields; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct TaskUpdate {
    /// The task.
    pub task_id: String,
    /// The version to change; empty for whichever there is.
    pub etag: String,
    /// Another name.
    pub name: Option<String>,
    /// Another planned start.
    pub start_time: Option<DateTime<Utc>>,
    /// Another planned end.
    pub end_time: Option<DateTime<Utc>>,
}

impl TaskUpdate {
    /// Checks what can be checked without the task.
    pub fn check(&self, faults: &mut Violations) {
        check_text("task.task_id", &self.task_id, MAX_ID_CHARS, faults);
        if let Some(name) = &self.name {
            check_text("task.name", name, MAX_NAME_CHARS, faults);
        }
        check_window("task.end_time", self.start_time, self.end_time, faults);
    }

    /// Name and times after the change of `task`.
    pub fn apply(self, task: &Task) -> Result<(String, DateTime<Utc>, DateTime<Utc>)> {
        let start_time = self.start_time.unwrap_or(task.start_time);
        let end_time = self.end_time.unwrap_or(task.end_time);
        if end_time < start_time {
            let (field, why) = match self.end_time {
                Some(_) => ("task.end_time", Reason::EndBeforeStart),
                None => ("task.start_time", Reason::StartAfterEnd),
            };
            return Err(Error::invalid(vec![Violation::new(field, why)]));
        }
        Ok((
            self.name.unwrap_or_else(|| task.name.clone()),
            start_time,
            end_time,
        ))
    }
}

/// An action on one task.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The task.
    pub task_id: String,
    /// What to do.
    pub action: TaskAction,
    /// Why; may be empty.
    pub reason: String,
    /// The version to change; empty for whichever there is.
    pub etag: String,
}

impl Transition {
    /// Checks what can be checked without the task.
    pub fn check(&self, faults: &mut Violations) {
        check_text("task_id", &self.task_id, MAX_ID_CHARS, faults);
        check_reason(&self.reason, faults);
    }

    /// The status that follows for `task`; FAILED_PRECONDITION tells what is allowed instead.
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

/// An action on all tasks of a filter.
#[derive(Debug, Clone)]
pub struct BulkAction {
    /// The tasks.
    pub filter: TaskFilter,
    /// What to do.
    pub action: TaskAction,
    /// Why; may be empty.
    pub reason: String,
    /// Whether only to tell what would be done.
    pub dry_run: bool,
    /// How many tasks the caller expects to change.
    pub expected_count: Option<i32>,
}

impl BulkAction {
    /// Checks what can be checked without the tasks.
    pub fn check(&self, faults: &mut Violations) {
        check_reason(&self.reason, faults);
        match self.expected_count {
            None if !self.dry_run => {
                faults.push(Violation::new("expected_count", Reason::CountRequired));
            }
            Some(count) if count < 0 => faults.push(Violation::new(
                "expected_count",
                Reason::OutOfRange {
                    min: 0,
                    max: None,
                    actual: count.into(),
                },
            )),
            _ => {}
        }
    }
}

/// A task that an action was not done to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The task.
    pub task_id: String,
    /// Its status, which does not allow the action.
    pub status: TaskStatus,
}

/// ABORTED unless `etag` is empty or that of `task`.
pub fn check_etag(etag: &str, task: &Task) -> Result<()> {
    if etag.is_empty() || etag == task.etag() {
        return Ok(());
    }
    let what = "the task was changed since this etag; read it again";
    Err(Error::new(ErrorKind::Aborted, what)
        .because(ErrorReason::EtagMismatch)
        .with_fact("etag", task.etag()))
}

/// INVALID_ARGUMENT where there are faults.
pub fn valid(faults: Violations) -> Result<()> {
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(faults)),
    }
}

fn check_reason(reason: &str, faults: &mut Violations) {
    if !reason.is_empty() {
        check_text("reason", reason, MAX_REASON_CHARS, faults);
    }
}

fn required<T>(field: &str, value: Option<T>, faults: &mut Violations) -> Option<T> {
    // One that could not be read has its fault already.
    if value.is_none() && !faults.iter().any(|f| f.field == field) {
        faults.push(Violation::new(field, Reason::Required));
    }
    value
}

fn check_window(
    field: &str,
    start: Option<DateTime<Utc>>,
    end: Option<DateTime<Utc>>,
    faults: &mut Violations,
) {
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        faults.push(Violation::new(field, Reason::EndBeforeStart));
    }
}
