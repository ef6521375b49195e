//! A watch as requested, and the effect of a change on a filtered list.

use strum::{IntoStaticStr, VariantArray};

pub use super::watch_token::LogPosition;
use super::{
    filter::{Condition, TaskFilter, TaskImage},
    get::Shown,
    page::TokenKey,
    task::Task,
};
use crate::error::{Error, Result, Violation, Violations};

/// The fields of a watch request. Empty means that the field is not set.
#[derive(Debug, Clone, Default)]
pub struct WatchRequest {
    /// The filter.
    pub filter: TaskFilter,
    /// Whether to leave out the tasks that exist when the watch begins.
    pub skip_initial: bool,
    /// The token of the last message that was received.
    pub resume_token: String,
    /// The fields of each task to return.
    pub shown: Shown,
}

/// A checked watch request.
#[derive(Debug, Clone)]
pub struct WatchQuery {
    /// The filter.
    pub filter: TaskFilter,
    /// Where the watch begins.
    pub start: WatchStart,
    /// Maximum number of customer ids in each task.
    pub target_limit: i32,
}

/// Where a watch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchStart {
    /// With the existing tasks.
    Initial,
    /// With the changes from now on.
    Now,
    /// With the changes after this position.
    After(LogPosition),
}

impl WatchRequest {
    /// Checks the request. `violations` are the violations that the transport found; `token_key` is
    /// that of the caller's tenant. INVALID_ARGUMENT with all violations.
    pub fn check(self, token_key: &TokenKey, mut violations: Violations) -> Result<WatchQuery> {
        let target_limit = self.shown.check(&mut violations);
        let start = if self.resume_token.is_empty() {
            match self.skip_initial {
                true => WatchStart::Now,
                false => WatchStart::Initial,
            }
        } else {
            // The violations may concern the filter. Then the token cannot be compared with it.
            let filter = violations.is_empty().then_some(&self.filter);
            match token_key.open_watch(&self.resume_token, filter) {
                Ok(position) => WatchStart::After(position),
                Err(why) => {
                    violations.push(Violation::new("resume_token", why));
                    WatchStart::Now
                }
            }
        };
        if !violations.is_empty() {
            return Err(Error::invalid(violations));
        }
        Ok(WatchQuery {
            filter: self.filter,
            start,
            target_limit,
        })
    }
}

/// The kind of a change in a watch. The discriminant is the number sent over gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ChangeKind {
    /// The task exists when the watch begins.
    Initial = 1,
    /// The task matches the filter, and did not match before.
    Created = 2,
    /// The task matched before, and still does.
    Changed = 3,
    /// The task no longer matches, or is deleted.
    Removed = 4,
}

/// A task that was created, changed or deleted after an earlier position in the log.
#[derive(Debug, Clone)]
pub struct LoggedTask {
    /// The task's id.
    pub task_id: String,
    /// The log_id of its last change. Changes of one read are sent in the order of these.
    pub log_id: i64,
    /// The task at the earlier position; `None` if it did not exist.
    pub was: Option<TaskImage>,
    /// The present task; `None` if it is deleted.
    pub now: Option<LoggedNow>,
    /// Whether its customers may have changed.
    pub targets_changed: bool,
    /// The watched customers that are among its targets.
    pub customers: Vec<String>,
}

/// The present state of a changed task.
#[derive(Debug, Clone)]
pub struct LoggedNow {
    /// The fields that a filter compares.
    pub image: TaskImage,
    /// The task without its targets.
    task: Task,
    targets: Packed,
}

/// Texts in one allocation. As separate strings they would take three to four times as much memory, and a read of the
/// log can hold a million customer ids.
#[derive(Debug, Clone)]
struct Packed {
    text: Box<str>,
    /// The end of each text in `text`, in bytes.
    ends: Box<[u32]>,
}

impl LoggedNow {
    /// The task with `folded_name` as its name for comparison without case.
    pub fn new(mut task: Task, folded_name: String) -> Self {
        let targets = std::mem::take(&mut task.target);
        let mut end = 0;
        let ends = targets.iter().map(|target| {
            // The targets that are stored with a task have at most 100 times 512 bytes.
            end += target.len() as u32;
            end
        });
        let targets = Packed {
            ends: ends.collect(),
            text: targets.concat().into(),
        };
        Self {
            image: TaskImage::new(&task, folded_name),
            task,
            targets,
        }
    }

    /// The task with at most `most` customer ids.
    pub fn task(&self, most: usize) -> Task {
        let mut start = 0;
        let target = self.targets.ends.iter().take(most).map(|end| {
            let end = *end as usize;
            let text = self.targets.text[start..end].to_owned();
            start = end;
            text
        });
        Task {
            target: target.collect(),
            ..self.task.clone()
        }
    }
}

impl LoggedTask {
    /// Approximate memory in bytes.
    pub fn memory(&self) -> usize {
        let customers = self.customers.iter().map(|c| size_of::<String>() + c.len());
        let of_image = |image: &TaskImage| image.folded_name.len() + image.labels.text_bytes();
        let was = self.was.as_ref().map_or(0, of_image);
        let now = self.now.as_ref().map_or(0, |now| {
            let LoggedNow {
                image,
                task,
                targets,
            } = now;
            let texts = [
                &task.task_id,
                &task.name,
                &task.status_reason,
                &task.copied_from,
            ];
            let texts: usize = texts.into_iter().map(String::len).sum();
            let targets = targets.text.len() + targets.ends.len() * size_of::<u32>();
            of_image(image) + task.labels.text_bytes() + texts + targets
        });
        size_of::<Self>() + self.task_id.len() + customers.sum::<usize>() + was + now
    }
}

/// A filter for the changes of a watch.
#[derive(Debug)]
pub struct WatchFilter {
    filter: TaskFilter,
    /// The text that names must contain, folded for comparison without case.
    folded_name: Option<String>,
}

impl WatchFilter {
    /// `folded_name` is the filter's text for names as PostgreSQL folds it; `None` if the filter has none.
    pub fn new(filter: TaskFilter, folded_name: Option<String>) -> Self {
        Self {
            filter,
            folded_name,
        }
    }

    /// The filter as the caller gave it.
    pub fn filter(&self) -> &TaskFilter {
        &self.filter
    }

    /// The kind of a change in the list of this filter; `None` if the list does not change.
    pub fn kind(&self, change: &LoggedTask) -> Option<ChangeKind> {
        let LoggedTask {
            task_id,
            log_id: _,
            was,
            now,
            targets_changed,
            customers,
        } = change;
        let now = now.as_ref().map(|now| &now.image);
        let (mut before, mut after) = (was.is_some(), now.is_some());
        for condition in self.filter.conditions() {
            let both = |matches: &dyn Fn(&TaskImage) -> bool| {
                (was.as_ref().is_some_and(matches), now.is_some_and(matches))
            };
            let (matched, matches) = match condition {
                Condition::Id(task_ids) => {
                    let is_named = task_ids.contains(task_id);
                    (is_named, is_named)
                }
                // The earlier customers are known only if they did not change. If they may have changed, the task
                // counts as matching before.
                Condition::Customer(customer) => {
                    let calls = customers.iter().any(|id| id == customer);
                    (calls || *targets_changed || now.is_none(), calls)
                }
                Condition::Labels(labels) => both(&|image| labels.match_all(&image.labels)),
                // Time alone moves tasks in and out, which the log does not have: such a watch does not follow it.
                Condition::Attention(_) => (false, false),
                Condition::Row(row) => both(&|image| row.holds(image)),
                Condition::NamePart(_) => {
                    let part = self.folded_name.as_deref().unwrap_or_default();
                    both(&|image| image.folded_name.contains(part))
                }
            };
            before &= matched;
            after &= matches;
            if !before && !after {
                return None;
            }
        }
        match (before, after) {
            (false, true) => Some(ChangeKind::Created),
            (true, true) => Some(ChangeKind::Changed),
            (true, false) => Some(ChangeKind::Removed),
            (false, false) => None,
        }
    }
}
