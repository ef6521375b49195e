//! Watches of tasks that need attention.
//!
//! Time alone lets tasks begin to match such a filter, and the change log has nothing about that. So these watches do not
//! follow the log: they list the tasks that match again and again, without their customers, and compare the versions with
//! those that were sent. The filter is served by indexes and may match [`MOST`] tasks, so a list costs about a millisecond.
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
/// How many tasks with their customers are read at a time, at most some 3 MiB.
const AT_A_TIME: usize = 50;

/// A watch of tasks that need attention.
pub(super) struct AttentionWatch {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) form: Box<dyn WatchForm>,
    pub(super) end: WatchEnd,
    query: ListQuery,
    target_limit: i32,
    /// The version of each task that the client has.
    known: HashMap<String, i64>,
    /// Changes that are read but not sent.
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
            watch.unsent.clear();
        }
        Ok(watch)
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> Result<WatchMessage> {
        loop {
            if !self.unsent.is_empty() || self.is_initial {
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
            if self.unlisted >= EVERY {
                self.unlisted = 0;
                match self.list(ChangeKind::Created).await {
                    // While the database is away the watch is silent.
                    Err(error) if error.kind() == ErrorKind::Unavailable => {
                        tracing::debug!(cause = error.internal_cause(), "not listed: {error}");
                    }
                    listed => listed?,
                }
            }
            let is_listed = self.listed.is_some_and(|(_, at)| at.elapsed() < STALE);
            if self.unsent.is_empty() && self.quiet >= QUIET && is_listed {
                return Ok(self.message());
            }
        }
    }

    /// Lists the tasks and queues what the client does not have. `new` is the kind of tasks that it does not have.
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
        let is_new = |task: &Task| self.known.get(&task.task_id) != Some(&task.revision);
        let (changed, same): (Vec<Task>, Vec<Task>) = tasks.into_iter().partition(is_new);
        let changed = self.with_targets(changed).await?;
        let mut before = mem::take(&mut self.known);
        for task in same {
            before.remove(&task.task_id);
            self.known.insert(task.task_id, task.revision);
        }
        for task in changed {
            let task_id = task.task_id.clone();
            let kind = match before.remove(&task_id) {
                Some(_) => ChangeKind::Changed,
                None => new,
            };
            self.known.insert(task_id.clone(), task.revision);
            self.queue(kind, &task_id, Some(task));
        }
        for task_id in before.into_keys() {
            self.queue(ChangeKind::Removed, &task_id, None);
        }
        self.listed = Some((as_of, began));
        Ok(())
    }

    /// The same tasks with their customers. A task that was deleted meanwhile is left out.
    async fn with_targets(&self, tasks: Vec<Task>) -> Result<Vec<Task>> {
        if self.target_limit == 0 {
            return Ok(tasks);
        }
        let tenant = self.app.db.tenant(&self.caller.tenant);
        let mut all = Vec::with_capacity(tasks.len());
        for some in tasks.chunks(AT_A_TIME) {
            let query = GetQuery {
                task_ids: some.iter().map(|task| task.task_id.clone()).collect(),
                target_limit: self.target_limit,
            };
            let mut found = tenant.task_get(&query).await?;
            all.extend(some.iter().filter_map(|task| found.remove(&task.task_id)));
        }
        Ok(all)
    }

    fn queue(&mut self, kind: ChangeKind, task_id: &str, task: Option<Task>) {
        self.unsent.push_back(WatchChange {
            kind,
            written: self.form.write(kind, task_id, task),
            resume_token: String::new(),
        });
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
        let is_whole = self.unsent.is_empty() && (changes.is_empty() || !self.is_initial);
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

/// FAILED_PRECONDITION where the filter matches more tasks than a watch of this kind compares.
fn too_many(total: i64) -> Error {
    let what = format!(
        "the filter matches {total} tasks; with attention in it at most {MOST} can be watched"
    );
    Error::new(ErrorKind::FailedPrecondition, what)
        .because(ErrorReason::TooManyMatches)
        .with_fact("matched_count", total.to_string())
}
