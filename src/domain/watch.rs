//! A watch as a caller asks for it, what a filter makes of a change, and the tokens that a watch is resumed with.
//!
//! ```text
//! version 3 | filter 8 | database 8 | newest transaction 8 | open transactions, 8 each | mac 16
//! ```
//!
//! in base64url, with the checksum of the tokens of `page`; the version keeps them apart.

use chrono::{DateTime, Utc};

use super::{
    filter::{DateField, DateFilter, TaskFilter, TaskOrder},
    get::Shown,
    page::{QUERY_BYTES, TokenKey, fingerprint},
    status::TaskStatus,
    task::Task,
};
use crate::error::{Error, Reason, Result, Violation};

const VERSION: u8 = 3;
const NUMBER_BYTES: usize = 8;
/// Longer than any token of ours: one for a thousand open transactions has 11,000.
const MAX_TOKEN_CHARS: usize = 16 * 1024;

/// What a caller asked for; empty means that it said nothing.
#[derive(Debug, Clone, Default)]
pub struct WatchRequest {
    /// Which tasks.
    pub filter: TaskFilter,
    /// Whether to leave out the tasks that there are at the beginning.
    pub skip_initial: bool,
    /// The token of the last message that was received.
    pub resume_token: String,
    /// What of each task.
    pub shown: Shown,
}

/// What is to be watched, every value checked.
#[derive(Debug, Clone)]
pub struct WatchQuery {
    /// Which tasks.
    pub filter: TaskFilter,
    /// Where the watch begins.
    pub start: WatchStart,
    /// How many customer ids in each task.
    pub target_limit: i32,
}

/// Where a watch begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchStart {
    /// With the tasks that there are.
    Initial,
    /// With what changes from now on.
    Now,
    /// With what changed since.
    After(LogPosition),
}

/// How far the log of changes was read: all of the transactions that a snapshot had seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPosition {
    /// Which database counts these transactions.
    pub database: i64,
    /// The highest transaction number that was seen in the tenant's log.
    pub newest: i64,
    /// The lower ones that were open then, so not seen.
    pub open: Vec<i64>,
}

impl WatchRequest {
    /// Checks the request; `faults` are those the transport found. `token_key` is the caller's tenant's.
    pub fn check(self, token_key: &TokenKey, mut faults: Vec<Violation>) -> Result<WatchQuery> {
        let target_limit = self.shown.check(&mut faults);
        let start = if self.resume_token.is_empty() {
            match self.skip_initial {
                true => WatchStart::Now,
                false => WatchStart::Initial,
            }
        } else {
            // A fault elsewhere may be in the filter; then the token cannot be held against it.
            let filter = faults.is_empty().then_some(&self.filter);
            match token_key.open_watch(&self.resume_token, filter) {
                Ok(position) => WatchStart::After(position),
                Err(why) => {
                    faults.push(Violation::new("resume_token", why));
                    WatchStart::Now
                }
            }
        };
        if !faults.is_empty() {
            return Err(Error::invalid(faults));
        }
        Ok(WatchQuery {
            filter: self.filter,
            start,
            target_limit,
        })
    }
}

impl TokenKey {
    /// The token of a place in the watch of `filter`.
    pub fn seal_watch(&self, filter: &TaskFilter, position: &LogPosition) -> String {
        let mut token = vec![VERSION];
        token.extend(fingerprint(filter, TaskOrder::default()));
        let LogPosition {
            database,
            newest,
            open,
        } = position;
        for number in [database, newest].into_iter().chain(open) {
            token.extend(number.to_be_bytes());
        }
        self.seal_bytes(token)
    }

    /// The place that a token names. `filter` is what it must belong to, or `None` while that is at fault itself.
    fn open_watch(&self, token: &str, filter: Option<&TaskFilter>) -> Result<LogPosition, Reason> {
        let bytes = self.open_bytes(token, MAX_TOKEN_CHARS)?;
        let body = bytes.strip_prefix(&[VERSION]).ok_or(Reason::TokenVersion {
            advice: "is no resume_token of this version; watch anew without it",
        })?;
        let (issued_for, body) = body
            .split_first_chunk::<QUERY_BYTES>()
            .ok_or(Reason::TokenDamaged)?;
        if filter.is_some_and(|f| *issued_for != fingerprint(f, TaskOrder::default())) {
            return Err(Reason::TokenOfAnotherQuery { of: "filter" });
        }
        let (numbers, []) = body.as_chunks::<NUMBER_BYTES>() else {
            return Err(Reason::TokenDamaged);
        };
        let mut numbers = numbers.iter().map(|n| i64::from_be_bytes(*n));
        Ok(LogPosition {
            database: numbers.next().ok_or(Reason::TokenDamaged)?,
            newest: numbers.next().ok_or(Reason::TokenDamaged)?,
            open: numbers.collect(),
        })
    }
}

/// What is told of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is there at the beginning of the watch.
    Initial = 1,
    /// It matches the filter, and did not before.
    Created = 2,
    /// It matched before, and does still.
    Changed = 3,
    /// It matches no more.
    Removed = 4,
}

impl ChangeKind {
    /// The documented word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// What a filter asks of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskImage {
    /// The status.
    pub status: TaskStatus,
    /// Planned start.
    pub start_time: DateTime<Utc>,
    /// Planned end.
    pub end_time: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When anything in it last changed.
    pub updated_at: DateTime<Utc>,
    /// The name without its case.
    pub folded_name: String,
}

/// A task that came, changed or went since an earlier place in the log.
#[derive(Debug, Clone)]
pub struct LoggedTask {
    /// The task's id.
    pub task_id: String,
    /// What it was at the earlier place; `None` where it was not there.
    pub was: Option<TaskImage>,
    /// What it is, and all of it; `None` where it is gone.
    pub now: Option<(TaskImage, Task)>,
    /// Whether it may call other customers than before.
    pub targets_changed: bool,
    /// Which of the watched customers it calls.
    pub customers: Vec<String>,
}

/// A filter as a watch applies it.
#[derive(Debug)]
pub struct WatchFilter {
    /// The filter.
    pub filter: TaskFilter,
    /// Its part of a name, without its case.
    pub folded_name: Option<String>,
}

impl WatchFilter {
    /// What a change is in this filter's list; `None` where the list does not change.
    pub fn kind(&self, change: &LoggedTask) -> Option<ChangeKind> {
        let LoggedTask {
            task_id,
            was,
            now,
            targets_changed,
            customers,
        } = change;
        let TaskFilter {
            task_ids,
            customer_id,
            ..
        } = &self.filter;
        if !task_ids.is_empty() && task_ids.binary_search(task_id).is_err() {
            return None;
        }
        let calls = customer_id.as_ref().is_none_or(|c| customers.contains(c));
        // Which customers it called before is known only where it calls the same ones still.
        let called = match customer_id {
            Some(_) => calls || *targets_changed || now.is_none(),
            None => true,
        };
        let before = called && was.as_ref().is_some_and(|image| self.matches(image));
        let after = calls && now.as_ref().is_some_and(|(image, _)| self.matches(image));
        match (before, after) {
            (false, true) => Some(ChangeKind::Created),
            (true, true) => Some(ChangeKind::Changed),
            (true, false) => Some(ChangeKind::Removed),
            (false, false) => None,
        }
    }

    fn matches(&self, image: &TaskImage) -> bool {
        let TaskFilter { statuses, date, .. } = &self.filter;
        (statuses.is_all() || statuses.contains(image.status))
            && date.is_none_or(|date| lies_in(image, date))
            && (self.folded_name.as_ref()).is_none_or(|part| image.folded_name.contains(part))
    }
}

fn lies_in(image: &TaskImage, DateFilter { field, range }: DateFilter) -> bool {
    let (start, end) = range.bounds();
    let time = match field {
        DateField::StartTime => image.start_time,
        DateField::EndTime => image.end_time,
        DateField::CreatedAt => image.created_at,
        DateField::UpdatedAt => image.updated_at,
        // The window's own end is not in it.
        DateField::Window => {
            return start.is_none_or(|start| image.end_time > start)
                && end.is_none_or(|end| image.start_time < end);
        }
    };
    start.is_none_or(|start| time >= start) && end.is_none_or(|end| time < end)
}
