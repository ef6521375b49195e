//! Watches a filtered list: first the tasks that match, then every change.
//!
//! ```text
//! start without a token ─→ initial tasks ─→ join the feed ─→ follow it
//! start with a token ──→ catch up, step by step ─↗
//! ```
//!
//! A filter that time alone can change is watched in another way: see [`attention`].
//!
//! Messages hold about 64 KiB (`messages::MESSAGE_BYTES`), since each of many watches may have one
//! under way. Each message about the log has a token from which the watch can resume, also in the
//! middle of a read.

mod attention;
mod initial;
mod messages;
mod state;

pub use state::{WatchChange, WatchEnd, WatchMessage};

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::{broadcast::error::RecvError, oneshot},
    time::{MissedTickBehavior, interval, sleep_until, timeout},
};

use self::{
    attention::AttentionWatch,
    initial::Initial,
    state::{CHECK, Live, Phase, QUIET, STALE, Sending, Watch},
};
use super::{
    Access, App, Caller,
    watch_form::WatchForm,
    workers::feed::{
        buffer::{Found, SharedRead},
        catch_up::Wanted,
        join::{Fed, Feeding, Join, Joined},
    },
};
use crate::{
    db::{Outage, StepSize},
    domain::{
        export::ExportQuery,
        filter::TaskFilter,
        watch::{WatchFilter, WatchQuery, WatchRequest, WatchStart},
    },
    error::{Error, ErrorReason, Result, Violations},
    permits::Permit,
};

/// How long a watch waits to join the feed.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a watch that is behind waits for a read. Clients treat a watch that is silent for 25 s as dead.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(20);
/// The retry delay suggested to a caller whose watch ended.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl App {
    /// Starts a watch of the caller's tasks; `violations` are the violations that the transport found.
    pub async fn task_watch(
        self: &Arc<Self>,
        caller: Caller,
        request: WatchRequest,
        violations: Violations,
        form: Box<dyn WatchForm>,
        end: WatchEnd,
    ) -> Result<BoxStream<'static, Result<WatchMessage>>> {
        let WatchQuery {
            filter,
            start,
            target_limit,
        } = request.check(&caller.token_key, violations)?;
        let room = self.filter_room(&caller, &filter)?;
        if filter.attention().is_some() {
            if matches!(start, WatchStart::After(_)) {
                let again = WatchMessage {
                    list_again: true,
                    ..WatchMessage::default()
                };
                return Ok(stream::iter([Ok(again)]).boxed());
            }
            let sends_initial = start == WatchStart::Initial;
            let app = Arc::clone(self);
            let out = (form, end);
            let watch =
                AttentionWatch::begin(app, caller, filter, target_limit, sends_initial, out);
            let begun = (watch.await?, room);
            let messages = stream::try_unfold(begun, |(mut watch, room)| async move {
                let message = watch.next().await?;
                Ok(Some((message, (watch, room))))
            });
            return Ok(messages.boxed());
        }
        let tenant = self.db.tenant(&caller.tenant);
        // PostgreSQL folds the text once here, so that changes can be compared without a query: its
        // rules for upper and lower case are those of the index.
        let folded_name = match filter.name() {
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
                // A standby has no feed; the caller gets this error before the stream starts.
                if self.db.recent_outage() == Some(Outage::ReadOnly) {
                    tenant.log_position().await?;
                }
                (Phase::Behind, position)
            }
        };
        let mut checks = interval(CHECK);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch {
            app: Arc::clone(self),
            caller,
            customer: filter.customer_id().map(|id| Arc::new(id.to_owned())),
            filter: WatchFilter::new(filter, folded_name),
            target_limit: target_limit as usize, // 0 to 100
            form,
            end,
            phase,
            sending: None,
            unsent: VecDeque::new(),
            position,
            as_of: None,
            step: StepSize::default(),
            is_fresh,
            is_level: false,
            checks,
            checked: Instant::now(),
            sent: Instant::now(),
            crowded_out: 0,
            quiet: 0,
        };
        let messages = stream::try_unfold((watch, room), |(mut watch, room)| async move {
            let message = watch.next().await?;
            Ok(message.map(|message| (message, (watch, room))))
        });
        Ok(messages.boxed())
    }

    /// Room for a filter, to be held as long as it; `None` for a small one. UNAVAILABLE if there is none for the tenant.
    fn filter_room(&self, caller: &Caller, filter: &TaskFilter) -> Result<Option<Permit>> {
        let blocks = filter.memory() / super::FILTER_BLOCK;
        if blocks == 0 {
            return Ok(None);
        }
        let room = self.watch_filters.try_acquire_many(&caller.tenant, blocks);
        let none = || {
            let what =
                "the filters of watches, of this tenant or of all, take as much memory as they may";
            Error::unavailable(what, RETRY_AFTER).because(ErrorReason::Overloaded)
        };
        room.map(Some).ok_or_else(none)
    }
}

impl Watch {
    /// The next message; `None` after one that says that the watch cannot continue.
    async fn next(&mut self) -> Result<Option<WatchMessage>> {
        loop {
            // A slow client always finds the next message ready, so the ticks below would never come.
            if self.checked.elapsed() >= CHECK {
                self.check().await?;
            }
            // The rest of a read comes before anything new, because messages must keep the order of
            // the log.
            if let Some(sending) = self.sending.take() {
                match self.next_changes(sending) {
                    Some(message) => return Ok(Some(message)),
                    None => continue,
                }
            }
            if !self.unsent.is_empty() {
                return Ok(Some(self.next_initial()));
            }
            // `Ended` stays if an error returns early: a watch that failed must not go on.
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Ended => return Ok(None),
                Phase::Initial(mut initial) => {
                    self.phase = match self.guarded(initial.next()).await?? {
                        Some(batch) => {
                            self.unsent = self.written(batch);
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
                    self.sending = Some(Sending { read, next: 0 });
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
                        self.sending = Some(Sending {
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

    /// Waits for the next read or tick; returns a message if it is a heartbeat or the end.
    async fn follow(&mut self, mut live: Live) -> Result<Option<WatchMessage>> {
        tokio::select! {
            read = live.rest.recv() => match read {
                Ok(read) if read.found == Found::Known => {
                    live.taken = read.end;
                    live.fed = Instant::now();
                    self.sending = Some(Sending { read, next: 0 });
                }
                // The watch fell too far behind, or the changes are lost.
                Ok(_) | Err(RecvError::Lagged(_)) => return Ok(Some(self.list_again())),
                Err(RecvError::Closed) => return Err(interrupted()),
            },
            _ = self.checks.tick() => {
                self.check().await?;
                self.quiet += 1;
                // A heartbeat would be wrong while the feed cannot read: changes could have been
                // committed.
                if self.quiet >= QUIET && live.fed.elapsed() < STALE {
                    self.phase = Phase::Live(live);
                    return Ok(Some(self.message(Vec::new())));
                }
            }
            () = sleep_until(self.end.at.into()) => return Err(self.end.error()),
        }
        self.phase = Phase::Live(live);
        Ok(None)
    }

    /// Waits for `work`, but only until the watch's deadline and while its key is valid.
    async fn guarded<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                _ = self.checks.tick() => self.check().await?,
                () = sleep_until(self.end.at.into()) => return Err(self.end.error()),
            }
        }
    }

    /// Joins the feed. The number is how many bytes the watch may be behind.
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

    /// Requests the next read of a watch that is behind.
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

    /// Returns an error if the key is not valid any more.
    async fn check(&mut self) -> Result<()> {
        self.checked = Instant::now();
        match self.app.key_end(&self.caller, Access::Read).await {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

fn not_read() -> Error {
    Error::unavailable("the changes of tasks cannot be read now", RETRY_AFTER)
}

/// The feed ended: the service is stopping, or the supervisor restarts the feed.
fn interrupted() -> Error {
    Error::unavailable(
        "the watch was interrupted; resume it with its resume_token",
        RETRY_AFTER,
    )
    .because(ErrorReason::Stopping)
}
