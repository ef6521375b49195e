//! Watching a filtered list: what there is, then what changes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures_util::{Stream, TryStreamExt, stream};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        oneshot,
    },
    time::{Interval, MissedTickBehavior, interval, sleep_until, timeout},
};

use super::{
    Access, App, Caller,
    feed::{Join, Joined},
};
use crate::{
    db::{Export, LogRead, Trouble},
    domain::{
        export::ExportQuery,
        task::Task,
        watch::{
            ChangeKind, LogPosition, LoggedTask, WatchFilter, WatchQuery, WatchRequest, WatchStart,
        },
    },
    error::{Error, ErrorKind, ErrorReason, Result, Violation},
};

/// How often it is looked whether the key is good still.
const CHECK: Duration = Duration::from_secs(1);
/// Looks without anything to tell, until there is a heartbeat.
const QUIET: u32 = 10;
/// A heartbeat says that nothing changed: not where the log was not read for so long.
const STALE: Duration = Duration::from_secs(5);
/// How long a new watch waits to be let in.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// When a caller whose watch ended may go on.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// When a watch ends.
#[derive(Debug, Clone, Copy)]
pub struct WatchEnd {
    /// The instant.
    pub at: Instant,
    /// Whether the caller named it. Else it is the server's own limit, after which a watch is to be resumed.
    pub is_callers: bool,
}

/// What came to pass since the message before.
#[derive(Debug, Default)]
pub struct WatchMessage {
    /// The changes, in order. None in a heartbeat.
    pub changes: Vec<WatchChange>,
    /// Goes on behind this message; empty where only a new watch can.
    pub resume_token: String,
    /// The instant whose committed state is told up to here.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether the watch cannot go on, as changes are lost to it.
    pub list_again: bool,
}

/// One task that came, changed or went.
#[derive(Debug)]
pub struct WatchChange {
    /// What happened.
    pub kind: ChangeKind,
    /// The task's id.
    pub task_id: String,
    /// The task now; `None` where it was removed.
    pub task: Option<Task>,
}

struct Watch {
    app: Arc<App>,
    caller: Caller,
    filter: WatchFilter,
    /// The filter's customer, as long as whose tasks are looked for.
    customer: Option<Arc<String>>,
    target_limit: usize,
    end: WatchEnd,
    phase: Phase,
    looks: Interval,
    quiet: u32,
}

enum Phase {
    /// The tasks that there are, from the snapshot at a place in the log.
    Initial(Export, LogPosition),
    /// All is told up to a place in the log.
    Behind(LogPosition),
    Live(Live),
    Ended,
}

struct Live {
    position: LogPosition,
    as_of: DateTime<Utc>,
    /// When that was heard.
    fed: Instant,
    rest: broadcast::Receiver<Arc<LogRead>>,
}

impl App {
    /// Begins to watch the caller's tasks; `faults` are what the transport could not read.
    pub async fn task_watch(
        self: &Arc<Self>,
        caller: Caller,
        request: WatchRequest,
        faults: Vec<Violation>,
        end: WatchEnd,
    ) -> Result<impl Stream<Item = Result<WatchMessage>> + Send + use<>> {
        let WatchQuery {
            filter,
            start,
            target_limit,
        } = request.check(&caller.token_key, faults)?;
        let tenant = self.db.tenant(&caller.tenant);
        let folded_name = match &filter.name {
            Some(name) => Some(tenant.name_fold(name).await?),
            None => None,
        };
        let phase = match start {
            WatchStart::Initial => {
                let query = ExportQuery::unordered(filter.clone(), target_limit);
                let (export, position) = tenant.task_export_logged(query, Some(end.at)).await?;
                Phase::Initial(export, position)
            }
            WatchStart::Now => Phase::Behind(tenant.log_position().await?),
            WatchStart::After(position) => {
                // On a standby nothing feeds watches; that is told before there is a stream.
                if self.db.recent_trouble() == Some(Trouble::ReadOnly) {
                    tenant.log_position().await?;
                }
                Phase::Behind(position)
            }
        };
        let mut looks = interval(CHECK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch {
            app: Arc::clone(self),
            caller,
            customer: filter.customer_id.clone().map(Arc::new),
            filter: WatchFilter {
                filter,
                folded_name,
            },
            target_limit: target_limit as usize, // 0 to 100
            end,
            phase,
            looks,
            quiet: 0,
        };
        Ok(stream::try_unfold(watch, |mut watch| async move {
            let message = watch.next().await?;
            Ok(message.map(|message| (message, watch)))
        }))
    }
}

impl Watch {
    /// The next message; `None` behind one that says that the watch cannot go on.
    async fn next(&mut self) -> Result<Option<WatchMessage>> {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Ended => return Ok(None),
                Phase::Initial(mut export, position) => match export.try_next().await? {
                    Some(batch) => {
                        self.phase = Phase::Initial(export, position);
                        let changes = batch.into_iter().map(|exported| WatchChange {
                            kind: ChangeKind::Initial,
                            task_id: exported.task.task_id.clone(),
                            task: Some(exported.task),
                        });
                        return Ok(Some(WatchMessage {
                            changes: changes.collect(),
                            ..WatchMessage::default()
                        }));
                    }
                    None => self.phase = Phase::Behind(position),
                },
                Phase::Behind(position) => {
                    let Joined { first, rest } = self.join(position).await?;
                    let Some(changes) = &first.changes else {
                        return Ok(Some(list_again()));
                    };
                    let changes = self.seen(changes);
                    return Ok(Some(self.tell(
                        changes,
                        Live {
                            position: first.position,
                            as_of: first.as_of,
                            fed: Instant::now(),
                            rest,
                        },
                    )));
                }
                Phase::Live(live) => {
                    if let Some(message) = self.follow(live).await? {
                        return Ok(Some(message));
                    }
                }
            }
        }
    }

    /// Waits for what comes; `None` where there is nothing to tell of it.
    async fn follow(&mut self, mut live: Live) -> Result<Option<WatchMessage>> {
        tokio::select! {
            read = live.rest.recv() => match read {
                Ok(read) => {
                    live.position = read.position.clone();
                    live.as_of = read.as_of;
                    live.fed = Instant::now();
                    let Some(changes) = &read.changes else {
                        return Ok(Some(list_again()));
                    };
                    let changes = self.seen(changes);
                    if !changes.is_empty() {
                        return Ok(Some(self.tell(changes, live)));
                    }
                }
                // It did not take what there was for it.
                Err(RecvError::Lagged(_)) => return Ok(Some(list_again())),
                Err(RecvError::Closed) => return Err(interrupted()),
            },
            _ = self.looks.tick() => {
                self.check().await?;
                self.quiet += 1;
                if self.quiet >= QUIET && live.fed.elapsed() < STALE {
                    return Ok(Some(self.tell(Vec::new(), live)));
                }
            }
            () = sleep_until(self.end.at.into()) => {
                return Err(match self.end.is_callers {
                    true => Error::deadline_exceeded(),
                    false => Error::unavailable("the watch is to go on with its resume_token", Duration::ZERO),
                });
            }
        }
        self.phase = Phase::Live(live);
        Ok(None)
    }

    /// Becomes one of those that are fed.
    async fn join(&self, position: LogPosition) -> Result<Joined> {
        let (reply, joined) = oneshot::channel();
        let join = Join {
            tenant: self.caller.tenant.clone(),
            position,
            customer: self.customer.clone(),
            reply,
        };
        let joins = self.app.feeding().ok_or_else(interrupted)?;
        let joined = async {
            joins.send(join).await.ok()?;
            joined.await.ok()
        };
        match timeout(JOIN_TIMEOUT, joined).await {
            Ok(joined) => joined.ok_or_else(interrupted),
            Err(_) => {
                let what = "the changes of tasks cannot be read now";
                Err(Error::unavailable(what, RETRY_AFTER))
            }
        }
    }

    /// An error unless the key is good still. That the database is away is none of that.
    async fn check(&self) -> Result<()> {
        match self.app.still_allowed(&self.caller, Access::Read).await {
            Err(error) if error.kind() != ErrorKind::Unavailable => Err(error),
            _ => Ok(()),
        }
    }

    /// What the filter sees of some changes.
    fn seen(&self, changes: &[LoggedTask]) -> Vec<WatchChange> {
        let seen = changes.iter().filter_map(|change| {
            let kind = self.filter.kind(change)?;
            let task = match (kind, &change.now) {
                (ChangeKind::Removed, _) | (_, None) => None,
                (_, Some((_, task))) => Some(task.with_targets(self.target_limit)),
            };
            Some(WatchChange {
                kind,
                task_id: change.task_id.clone(),
                task,
            })
        });
        seen.collect()
    }

    /// A message about `changes`, behind which the watch goes on.
    fn tell(&mut self, changes: Vec<WatchChange>, live: Live) -> WatchMessage {
        self.quiet = 0;
        let key = &self.caller.token_key;
        let message = WatchMessage {
            changes,
            resume_token: key.seal_watch(&self.filter.filter, &live.position),
            as_of: Some(live.as_of),
            list_again: false,
        };
        self.phase = Phase::Live(live);
        message
    }
}

fn list_again() -> WatchMessage {
    WatchMessage {
        list_again: true,
        ..WatchMessage::default()
    }
}

/// The feed ended: the service is stopping, or the feed is being started again.
fn interrupted() -> Error {
    Error::unavailable(
        "the watch was interrupted; go on with the resume_token",
        RETRY_AFTER,
    )
    .because(ErrorReason::Stopping)
}
