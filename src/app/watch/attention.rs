//! Watches of tasks that need attention.
//!
//! Time alone lets tasks begin to match such a filter, and the change log has nothing about that. So these watches do not
//! follow the log: they list the tasks that match again and again, without their customers, and compare the versions with
//! those that were sent. The filter is served by indexes and may match [`MOST`] tasks, so a list costs about a millisecond.
//! A changed task is read with its customers when its turn to be sent comes. So a watch that its client does not read holds
//! ids and no tasks.
//! There is nothing to continue from: a watch that resumes is told to list again.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
    time::Instant,
};

use chrono::{DateTime, Utc};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use super::{
    messages::MESSAGE_BYTES,
    state::{CHECK, QUIET, STALE, WatchChange, WatchEnd, WatchMessage},
};
use crate::{
    app::{Access, App, Caller, watch_form::WatchForm},
    db::TasksAt,
    domain::{
        filter::TaskFilter,
        get::GetQuery,
        list::{CountMode, ListQuery},
        order::TaskOrder,
        page::Start,
        task::Task,
        watch::{ChangeKind, LogPosition},
    },
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// The maximum number of tasks that may match. A watch keeps the id and the version of each.
const MOST: i64 = 1_000;
/// The tasks are listed at every second check of the key.
const EVERY: u32 = 2;
/// How many tasks are read and written at a time, with their customers at most some 3 MiB.
const AT_A_TIME: usize = 50;

/// A watch of tasks that need attention.
pub(super) struct AttentionWatch {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) form: Box<dyn WatchForm>,
    pub(super) end: WatchEnd,
    query: ListQuery,
    target_limit: i32,
    /// The version of each task that the client has, or will have when all is sent.
    known: HashMap<String, i64>,
    /// The ids of tasks whose changes are not written yet.
    unwritten: VecDeque<(ChangeKind, String)>,
    /// Changes that are written but not sent.
    unsent: VecDeque<WatchChange>,
    /// The time of the last list, and when it was read.
    listed: Option<(DateTime<Utc>, Instant)>,
    /// Whether the initial tasks are not reported yet.
    is_initial: bool,
    /// Whether nothing is sent yet.
    is_fresh: bool,
    checks: Interval,
    /// The number of checks since the last list, and since the last message.
    unlisted: u32,
    quiet: u32,
}

impl AttentionWatch {
    /// Lists the tasks for the first time. FAILED_PRECONDITION if too many match.
    pub(super) async fn begin(
        app: Arc<App>,
        caller: Caller,
        filter: TaskFilter,
        target_limit: i32,
        sends_initial: bool,
        (form, end): (Box<dyn WatchForm>, WatchEnd),
    ) -> Result<Self> {
        let mut checks = interval(CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Self {
            app,
            caller,
            form,
            end,
            query: ListQuery {
                filter,
                order: TaskOrder::default(),
                start: Start::Offset(0),
                limit: MOST,
                target_limit: 0,
                count: CountMode::Exact,
                status_counts: false,
                target_sums: false,
                attention_counts: None,
            },
            target_limit,
            known: HashMap::new(),
            unwritten: VecDeque::new(),
            unsent: VecDeque::new(),
            listed: None,
            is_initial: true,
            is_fresh: true,
            checks,
            unlisted: 0,
            quiet: 0,
        };
        watch.list(ChangeKind::Initial).await?;
        if !sends_initial {
            watch.unwritten.clear();
        }
        Ok(watch)
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Result<WatchMessage> {
        loop {
            while self.unsent.is_empty() && !self.unwritten.is_empty() {
                match self.write_next().await {
                    Err(error) if is_away(&error) => break,
                    written => written?,
                }
            }
            if !self.unsent.is_empty() || (self.is_initial && self.unwritten.is_empty()) {
                return Ok(self.message());
            }
            tokio::select! {
                _ = self.checks.tick() => {
                    if let Some(error) = self.app.key_end(&self.caller, Access::Read).await {
                        return Err(error);
                    }
                }
                () = sleep_until(self.end.at.into()) => return Err(self.end.error()),
            }
            self.unlisted += 1;
            self.quiet += 1;
            if self.unlisted >= EVERY && self.unwritten.is_empty() {
                self.unlisted = 0;
                match self.list(ChangeKind::Created).await {
                    Err(error) if is_away(&error) => {}
                    listed => listed?,
                }
            }
            let is_listed = self.listed.is_some_and(|(_, at)| at.elapsed() < STALE);
            if self.unwritten.is_empty() && self.quiet >= QUIET && is_listed {
                return Ok(self.message());
            }
        }
    }

    /// Lists the tasks and queues the ids of those that the client does not have. `new` is the kind of those that it never
    /// had.
    async fn list(&mut self, new: ChangeKind) -> Result<()> {
        let began = Instant::now();
        let tenant = self.app.db.tenant(&self.caller.tenant);
        let TasksAt {
            total,
            as_of,
            tasks,
        } = tenant.task_list(&self.query).await?;
        if total > MOST {
            return Err(too_many(total));
        }
        let mut before = mem::take(&mut self.known);
        for Task {
            task_id, revision, ..
        } in tasks
        {
            let kind = match before.remove(&task_id) {
                Some(known) if known == revision => None,
                Some(_) => Some(ChangeKind::Changed),
                None => Some(new),
            };
            let change = kind.map(|kind| (kind, task_id.clone()));
            self.unwritten.extend(change);
            self.known.insert(task_id, revision);
        }
        let removed = before.into_keys();
        self.unwritten
            .extend(removed.map(|task_id| (ChangeKind::Removed, task_id)));
        self.listed = Some((as_of, began));
        Ok(())
    }

    /// Reads the tasks of the next changes, and writes these.
    async fn write_next(&mut self) -> Result<()> {
        let count = self.unwritten.len().min(AT_A_TIME);
        let next = self.unwritten.iter().take(count);
        let query = GetQuery {
            task_ids: next
                .filter(|(kind, _)| *kind != ChangeKind::Removed)
                .map(|(_, task_id)| task_id.clone())
                .collect(),
            target_limit: self.target_limit,
        };
        let mut found = match query.task_ids.is_empty() {
            true => HashMap::new(),
            false => {
                let tenant = self.app.db.tenant(&self.caller.tenant);
                tenant.task_get(&query).await?
            }
        };
        for (mut kind, task_id) in self.unwritten.drain(..count) {
            let task = found.remove(&task_id);
            match &task {
                Some(task) => drop(self.known.insert(task_id.clone(), task.revision)),
                // Deleted since it was listed.
                None => {
                    self.known.remove(&task_id);
                    if matches!(kind, ChangeKind::Initial | ChangeKind::Created) {
                        continue;
                    }
                    kind = ChangeKind::Removed;
                }
            }
            self.unsent.push_back(WatchChange {
                kind,
                written: self.form.write(kind, &task_id, task),
                resume_token: String::new(),
            });
        }
        Ok(())
    }

    /// A message with the next changes; a heartbeat if there are none.
    fn message(&mut self) -> WatchMessage {
        let (mut changes, mut bytes): (Vec<WatchChange>, _) = (Vec::new(), 0);
        while let Some(change) = self.unsent.front()
            && (changes.is_empty() || bytes + change.written.len() <= MESSAGE_BYTES)
        {
            bytes += change.written.len();
            changes.extend(self.unsent.pop_front());
        }
        self.quiet = 0;
        // A heartbeat follows the initial tasks.
        let is_all = self.unsent.is_empty() && self.unwritten.is_empty();
        let is_whole = is_all && (changes.is_empty() || !self.is_initial);
        self.is_initial &= !is_whole;
        let mut resume_token = String::new();
        if is_whole {
            // No position of the log has the same state, so this one continues nowhere.
            let nowhere = LogPosition::default();
            resume_token = (self.caller.token_key).seal_watch(&self.query.filter, &nowhere);
            if let Some(last) = changes.last_mut()
                && self.form.has_tokens()
            {
                last.resume_token.clone_from(&resume_token);
            }
        }
        let as_of = self.listed.map(|(as_of, _)| as_of);
        WatchMessage {
            changes,
            resume_token,
            as_of: as_of.filter(|_| is_whole),
            list_again: false,
            fresh: mem::take(&mut self.is_fresh),
        }
    }
}

/// Whether the database is away. The watch is silent then, and tries again.
fn is_away(error: &Error) -> bool {
    let is_away = error.kind() == ErrorKind::Unavailable;
    if is_away {
        tracing::debug!(cause = error.internal_cause(), "not listed: {error}");
    }
    is_away
}

/// FAILED_PRECONDITION where the filter matches more tasks than a watch of this kind compares.
fn too_many(total: i64) -> Error {
    let what = format!(
        "the filter matches {total} tasks; with attention in it at most {MOST} can be watched"
    );
    Error::new(ErrorKind::FailedPrecondition, what)
        .because(ErrorReason::TooManyMatches)
        .with_fact("matched_count", total.to_string())
}
