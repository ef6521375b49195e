//! Watching a filtered list: what there is, then what changes.
//!
//! ```text
//! begin without a token ─→ initial tasks ─→ join the feed ─→ follow it
//! begin with a token ──→ catch up, step by step ─↗
//! ```
//!
//! All is told in messages of about [`MESSAGE_BYTES`]: each of the many watches has one on its way. Each message about the log
//! has a token from which the watch can go on, also in the middle of what was read at once.

pub(super) mod buffer;
pub(super) mod form;
mod initial;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        oneshot,
    },
    time::{Interval, MissedTickBehavior, interval, sleep_until, timeout},
};

use self::{
    buffer::{Found, SharedRead},
    form::WatchForm,
    initial::Initial,
};
use super::{
    Access, App, Caller,
    feed::{Fed, Feeding, Join, Joined, catch_up::Wanted},
};
use crate::{
    db::{Batch, StepSize, Trouble},
    domain::{
        export::ExportQuery,
        watch::{ChangeKind, LogPosition, WatchFilter, WatchQuery, WatchRequest, WatchStart},
    },
    error::{Error, ErrorKind, ErrorReason, Result, Violation},
};

/// How often it is looked whether the key is good still.
const CHECK: Duration = Duration::from_secs(1);
/// Looks without anything to tell, until there is a heartbeat.
const QUIET: u32 = 10;
/// A heartbeat says that nothing changed: not where the log was not read for so long.
const STALE: Duration = Duration::from_secs(5);
/// How long a watch waits to be let in.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a watch that is behind waits for its turn. Clients take one that is silent for 25 s for dead.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(20);
/// When a caller whose watch ended may go on.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// About how much one message holds; at least one task. It is the flow-control window of a stream, and a quarter of
/// what a message of an export holds: thousands of watches send at a time, few exports do.
const MESSAGE_BYTES: usize = 64 * 1024;

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
    /// The instant whose committed state is told up to here; `None` while more of it is to come.
    pub as_of: Option<DateTime<Utc>>,
    /// Whether the watch cannot go on, as changes are lost to it.
    pub list_again: bool,
    /// Whether the watch begins with this message, so that nothing of what the client knew holds.
    pub fresh: bool,
}

/// One task that came, changed or went.
#[derive(Debug)]
pub struct WatchChange {
    /// What happened.
    pub kind: ChangeKind,
    /// The change as its [`WatchForm`] writes it.
    pub written: Bytes,
    /// Goes on behind this change; empty unless the form wants it, and where only a new watch can.
    pub resume_token: String,
}

struct Watch {
    app: Arc<App>,
    caller: Caller,
    filter: WatchFilter,
    /// The filter's customer, as long as whose tasks are looked for.
    customer: Option<Arc<String>>,
    target_limit: usize,
    form: Box<dyn WatchForm>,
    end: WatchEnd,
    phase: Phase,
    /// A read that is being told.
    telling: Option<Telling>,
    /// Initial tasks that are read and not told.
    untold: VecDeque<WatchChange>,
    /// How far the log is told, and the instant of it where that is all.
    position: LogPosition,
    as_of: Option<DateTime<Utc>>,
    /// How many tasks to read at a time while it is behind.
    step: StepSize,
    /// Whether nothing is told yet, and the watch began without a token.
    is_fresh: bool,
    /// Whether the caller knows that it has all that there was at an instant.
    is_level: bool,
    looks: Interval,
    checked: Instant,
    quiet: u32,
}

enum Phase {
    /// The tasks that there are, from the snapshot at the position.
    Initial(Initial),
    /// Reads the log on its own.
    Behind,
    /// Asks the feed to let it in.
    Joining,
    Live(Live),
    Ended,
}

struct Live {
    rest: broadcast::Receiver<Arc<SharedRead>>,
    published: Arc<AtomicUsize>,
    /// How much of what was published it took.
    taken: usize,
    /// When it last heard of the feed.
    fed: Instant,
    /// Most bytes that it may be behind.
    limit: usize,
}

/// A read, and the index of the first change that is not told.
struct Telling {
    read: Arc<SharedRead>,
    next: usize,
}

impl App {
    /// Begins to watch the caller's tasks; `faults` are what the transport could not read.
    pub async fn task_watch(
        self: &Arc<Self>,
        caller: Caller,
        request: WatchRequest,
        faults: Vec<Violation>,
        form: Box<dyn WatchForm>,
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
        let is_fresh = !matches!(start, WatchStart::After(_));
        let (phase, position) = match start {
            WatchStart::Initial => {
                let query = ExportQuery::unordered(filter.clone(), target_limit);
                let (export, position) = tenant.task_export_logged(query, Some(end.at)).await?;
                (Phase::Initial(Initial::new(export)), position)
            }
            WatchStart::Now => (Phase::Joining, tenant.log_position().await?),
            WatchStart::After(position) => {
                // On a standby nothing feeds watches; that is told before there is a stream.
                if self.db.recent_trouble() == Some(Trouble::ReadOnly) {
                    tenant.log_position().await?;
                }
                (Phase::Behind, position)
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
            form,
            end,
            phase,
            telling: None,
            untold: VecDeque::new(),
            position,
            as_of: None,
            step: StepSize::default(),
            is_fresh,
            is_level: false,
            looks,
            checked: Instant::now(),
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
            // A slow client finds the next message ready whenever it comes, so nothing else would notice.
            if self.checked.elapsed() >= CHECK {
                self.check().await?;
            }
            if let Some(telling) = self.telling.take() {
                match self.tell(telling) {
                    Some(message) => return Ok(Some(message)),
                    None => continue,
                }
            }
            if !self.untold.is_empty() {
                return Ok(Some(self.tell_initial()));
            }
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Ended => return Ok(None),
                Phase::Initial(mut initial) => {
                    self.phase = match self.guarded(initial.next()).await?? {
                        Some(batch) => {
                            self.untold = self.written(batch);
                            Phase::Initial(initial)
                        }
                        None => Phase::Joining,
                    }
                }
                Phase::Behind => {
                    let read = self.catch_up().await?;
                    if read.found != Found::Known {
                        return Ok(Some(self.list_again()));
                    }
                    if let Some(content) = read.content() {
                        self.step = self.step.after(&content.changes);
                    }
                    self.phase = match read.position.is_level() {
                        true => Phase::Joining,
                        false => Phase::Behind,
                    };
                    self.telling = Some(Telling { read, next: 0 });
                }
                Phase::Joining => match self.join().await? {
                    (Joined::Behind, _) => self.phase = Phase::Behind,
                    (Joined::Fed(fed), limit) => {
                        let Fed {
                            first,
                            rest,
                            published,
                            before,
                        } = fed;
                        if first.found != Found::Known {
                            return Ok(Some(self.list_again()));
                        }
                        self.telling = Some(Telling {
                            read: first,
                            next: 0,
                        });
                        self.phase = Phase::Live(Live {
                            rest,
                            published,
                            taken: before,
                            fed: Instant::now(),
                            limit,
                        });
                    }
                },
                Phase::Live(live) => {
                    if let Some(message) = self.follow(live).await? {
                        return Ok(Some(message));
                    }
                }
            }
        }
    }

    /// Waits for what comes; a message where that is not a read.
    async fn follow(&mut self, mut live: Live) -> Result<Option<WatchMessage>> {
        tokio::select! {
            read = live.rest.recv() => match read {
                Ok(read) if read.found == Found::Known => {
                    live.taken = read.end;
                    live.fed = Instant::now();
                    self.telling = Some(Telling { read, next: 0 });
                }
                // It did not take what there was for it, or nobody knows what that was.
                Ok(_) | Err(RecvError::Lagged(_)) => return Ok(Some(self.list_again())),
                Err(RecvError::Closed) => return Err(interrupted()),
            },
            _ = self.looks.tick() => {
                self.check().await?;
                self.quiet += 1;
                if self.quiet >= QUIET && live.fed.elapsed() < STALE {
                    self.phase = Phase::Live(live);
                    return Ok(Some(self.message(Vec::new())));
                }
            }
            () = sleep_until(self.end.at.into()) => return Err(self.ended()),
        }
        self.phase = Phase::Live(live);
        Ok(None)
    }

    /// Waits for something, at most as long as the watch may last and its key is good.
    async fn guarded<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = self.looks.tick() => self.check().await?,
                () = sleep_until(self.end.at.into()) => return Err(self.ended()),
            }
        }
    }

    /// Becomes one of those that are fed. The number is how many bytes it may be behind.
    async fn join(&mut self) -> Result<(Joined, usize)> {
        let Feeding { joins, buffer, .. } = self.app.feeding().ok_or_else(interrupted)?;
        let (reply, joined) = oneshot::channel();
        let join = Join {
            tenant: self.caller.tenant.clone(),
            position: self.position.clone(),
            customer: self.customer.clone(),
            reply,
        };
        let joined = async move {
            joins.send(join).await.ok()?;
            joined.await.ok()
        };
        let joined = self.guarded(timeout(JOIN_TIMEOUT, joined)).await?;
        let joined = joined.map_err(|_| not_read())?.ok_or_else(interrupted)?;
        Ok((joined, buffer.limit_per_watch()))
    }

    /// The next read of a watch that is behind.
    async fn catch_up(&mut self) -> Result<Arc<SharedRead>> {
        let Feeding { catch_up, .. } = self.app.feeding().ok_or_else(interrupted)?;
        let read = catch_up.ask(Wanted {
            tenant: self.caller.tenant.clone(),
            position: self.position.clone(),
            step: self.step,
            customer: self.customer.clone(),
        });
        let read = self.guarded(timeout(CATCH_UP_TIMEOUT, read)).await?;
        read.map_err(|_| not_read())?.map_err(|_| not_read())
    }

    /// An error unless the key is good still. That the database is away is none of that.
    async fn check(&mut self) -> Result<()> {
        self.checked = Instant::now();
        match self.app.still_allowed(&self.caller, Access::Read).await {
            Err(error) if error.kind() != ErrorKind::Unavailable => Err(error),
            _ => Ok(()),
        }
    }

    /// A message about the next changes of a read; `None` where the filter sees none.
    fn tell(&mut self, Telling { read, next }: Telling) -> Option<WatchMessage> {
        let is_late = match &self.phase {
            Phase::Live(live) => live.published.load(Relaxed) - live.taken > live.limit,
            _ => false,
        };
        let content = match read.content() {
            Some(content) if !is_late => content,
            // It reads on its own and can do so again.
            None if !matches!(self.phase, Phase::Live(_)) => {
                self.phase = Phase::Behind;
                return None;
            }
            _ => return Some(self.list_again()),
        };
        let mut writer = content.writer(&*self.form, self.target_limit);
        let (mut changes, mut bytes) = (Vec::new(), 0);
        let mut rest = None;
        for (index, change) in content.changes.iter().enumerate().skip(next) {
            let Some(kind) = self.filter.kind(change) else {
                continue;
            };
            let written = writer.write(index, kind);
            if bytes + written.len() > MESSAGE_BYTES && !changes.is_empty() {
                rest = Some(index);
                break;
            }
            bytes += written.len();
            changes.push((change.log_id, kind, written));
        }
        read.note_written(writer.added);
        let last = changes.len().checked_sub(1);
        let (position, as_of) = match (rest, last) {
            (Some(_), Some(last)) => {
                let log_id = changes[last].0;
                (read.from.told_to(&read.snapshot, log_id), None)
            }
            _ => {
                let as_of = read.position.is_level().then_some(read.as_of);
                (read.position.clone(), as_of)
            }
        };
        let key = &self.caller.token_key;
        let seal = |position: &LogPosition| match self.form.has_tokens() {
            true => key.seal_watch(&self.filter.filter, position),
            false => String::new(),
        };
        let changes: Vec<WatchChange> = changes
            .into_iter()
            .enumerate()
            .map(|(index, (log_id, kind, written))| WatchChange {
                kind,
                written,
                resume_token: match Some(index) == last {
                    true => seal(&position),
                    false => seal(&read.from.told_to(&read.snapshot, log_id)),
                },
            })
            .collect();
        self.position = position;
        self.as_of = as_of;
        if let Some(next) = rest {
            self.telling = Some(Telling { read, next });
        }
        // A watch that was let in says so, if it has nothing else to say.
        let is_news = !self.is_level && matches!(self.phase, Phase::Live(_));
        (is_news || !changes.is_empty()).then(|| self.message(changes))
    }

    /// Initial tasks as they are sent.
    fn written(&self, batch: Batch) -> VecDeque<WatchChange> {
        let changes = batch.into_iter().map(|exported| {
            let task_id = exported.task.task_id.clone();
            let kind = ChangeKind::Initial;
            WatchChange {
                kind,
                written: self.form.write(kind, &task_id, Some(exported.task)),
                resume_token: String::new(),
            }
        });
        changes.collect()
    }

    /// A message about the next initial tasks.
    fn tell_initial(&mut self) -> WatchMessage {
        let (mut changes, mut bytes) = (Vec::new(), 0);
        while let Some(change) = self.untold.front()
            && (changes.is_empty() || bytes + change.written.len() <= MESSAGE_BYTES)
        {
            bytes += change.written.len();
            changes.extend(self.untold.pop_front());
        }
        WatchMessage {
            changes,
            fresh: std::mem::take(&mut self.is_fresh),
            ..WatchMessage::default()
        }
    }

    /// A message about `changes`, behind which the watch goes on.
    fn message(&mut self, changes: Vec<WatchChange>) -> WatchMessage {
        self.quiet = 0;
        self.is_level = self.as_of.is_some();
        let key = &self.caller.token_key;
        WatchMessage {
            changes,
            resume_token: key.seal_watch(&self.filter.filter, &self.position),
            as_of: self.as_of,
            list_again: false,
            fresh: std::mem::take(&mut self.is_fresh),
        }
    }

    /// The last message.
    fn list_again(&mut self) -> WatchMessage {
        self.phase = Phase::Ended;
        WatchMessage {
            list_again: true,
            ..WatchMessage::default()
        }
    }

    fn ended(&self) -> Error {
        match self.end.is_callers {
            true => Error::deadline_exceeded(),
            false => Error::unavailable(
                "the watch is to go on with its resume_token",
                Duration::ZERO,
            ),
        }
    }
}

fn not_read() -> Error {
    Error::unavailable("the changes of tasks cannot be read now", RETRY_AFTER)
}

/// The feed ended: the service is stopping, or the feed is being started again.
fn interrupted() -> Error {
    Error::unavailable(
        "the watch was interrupted; go on with the resume_token",
        RETRY_AFTER,
    )
    .because(ErrorReason::Stopping)
}
