//! The feed: the worker that reads the change log for all watches of a service, on one connection.
//!
//! It reads on after a commit, after a notification from another service, for a new watch, and once a second, but at
//! most once every [`PAUSE`]; faster changes are read together. It reads tenant by tenant. All watches of a tenant get
//! the same read, and each applies its own filter. A read holds a bounded number of tasks. What is left follows in the
//! next round, after the other tenants' turns.
//!
//! A new watch has a position of its own in the log. If few changes follow it, the feed reads them in the same snapshot
//! in which it reads on for the other watches; from then on one read serves all. If more than [`JOIN_CHANGES`] follow,
//! the watch first catches up on its own (see [`catch_up`]), so that other watches do not wait for one that resumes
//! after an outage.
//!
//! Reads that are not sent yet are held in the [`WatchBuffer`]. A watch that falls behind by more than the buffer
//! allows, or by more than [`MAX_BEHIND`] reads, must list its tasks again.

pub(in crate::app) mod buffer;
pub(in crate::app) mod catch_up;
pub(in crate::app) mod join;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{broadcast, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use self::{
    buffer::{Found, SharedRead, WatchBuffer},
    catch_up::{CatchUp, READERS},
    join::{Fed, Feeding, Join, Joined},
};
use super::failure_log::FailureLog;
use crate::{
    app::{App, figures::LastTime},
    db::{Changes, LogFrom, LogReader, MOST_CHANGES, StepSize},
    domain::{tenant::TenantId, watch::LogPosition},
    error::{ErrorKind, Result},
};

/// The shortest time between two reads.
/// Under many writes it bounds the reads to 100 a second, and delays a change by a time that nobody
/// notices.
const PAUSE: Duration = Duration::from_millis(10);
/// How often the feed reads without a notification: for changes made by plain SQL, and for lost notifications.
const POLL: Duration = Duration::from_secs(1);
/// The pause between attempts to reach the database.
const RETRY: Duration = Duration::from_millis(250);
/// The consequence of a failure, for the log.
const NOT_FED: &str = "watches are not fed";
/// By how many reads a watch may be behind. The channel of a tenant's group holds that many, each a pointer to a shared
/// read.
const MAX_BEHIND: usize = 256;
/// Most watches that wait to join.
/// Further ones wait in their own calls, with their own time limits.
const WAITING: usize = 1024;
/// Most changes after the position of a watch that joins; reading them takes a few milliseconds.
const JOIN_CHANGES: i64 = 1_000;
/// Most positions of joining watches that are read from in one round of a tenant.
/// It bounds the time for which one round of a tenant delays the other tenants' changes.
const JOINS_A_ROUND: usize = 16;

/// The watches of a tenant that share reads.
struct Group {
    position: LogPosition,
    sender: broadcast::Sender<Arc<SharedRead>>,
    published: Arc<AtomicUsize>,
    customers: Vec<Weak<String>>,
    step: StepSize,
}

/// All watches, and those that are joining.
struct Feed {
    groups: HashMap<TenantId, Group>,
    joining: Vec<Join>,
    /// Tenants whose log was not read to its end.
    unfinished: HashSet<TenantId>,
    buffer: Arc<WatchBuffer>,
    log: FailureLog,
}

/// Removes the feed's channels when it ends, so that another one can start.
struct Announced<'a>(&'a App);

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.lock_feeding().take();
    }
}

impl App {
    /// Reads for the watches until the future is dropped, which ends them. About `buffer` bytes of changes may wait to
    /// be sent. Only one feed runs at a time; it can start again after it ended or panicked.
    pub async fn run_feed(self: Arc<Self>, buffer: usize) {
        let (sender, mut joins) = mpsc::channel(WAITING);
        let buffer = WatchBuffer::new(buffer);
        let catch_up = CatchUp::new(Arc::clone(&buffer));
        *self.lock_feeding() = Some(Feeding {
            joins: sender,
            catch_up: Arc::clone(&catch_up),
            buffer: Arc::clone(&buffer),
        });
        let _announced = Announced(&self);
        let mut readers = JoinSet::new();
        for _ in 0..READERS {
            readers.spawn(Arc::clone(&catch_up).run(self.db.clone()));
        }
        tokio::select! {
            () = self.feed(&mut joins, buffer) => {}
            Some(Err(ended)) = readers.join_next() => {
                // The supervisor must see the panic.
                if let Ok(panic) = ended.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }

    async fn feed(&self, joins: &mut mpsc::Receiver<Join>, buffer: Arc<WatchBuffer>) {
        let mut feed = Feed {
            groups: HashMap::new(),
            joining: Vec::new(),
            unfinished: HashSet::new(),
            buffer,
            log: FailureLog::default(),
        };
        loop {
            let fed = async {
                let mut reader = self.db.log_reader().await?;
                reader.listen().await?;
                // A restored or failed-over database can hold log entries of another history; see
                // `drop_foreign`.
                reader.drop_foreign().await?;
                let fed = &self.counted.fed;
                feed.run(&mut reader, joins, self.db.changes(), fed).await
            };
            if let Err(error) = fed.await {
                feed.log.failed(None, &error, NOT_FED);
            }
            sleep(RETRY).await;
        }
    }

    /// The channels of the feed; `None` while no feed runs.
    pub(in crate::app) fn feeding(&self) -> Option<Feeding> {
        self.lock_feeding().clone()
    }

    /// How many bytes of changes the buffer holds for watches.
    pub fn watch_buffer_bytes(&self) -> usize {
        self.feeding().map_or(0, |feeding| feeding.buffer.bytes())
    }

    fn lock_feeding(&self) -> MutexGuard<'_, Option<Feeding>> {
        self.feeding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// Reads until the connection fails.
    async fn run(
        &mut self,
        reader: &mut LogReader,
        joins: &mut mpsc::Receiver<Join>,
        changes: &Changes,
        fed: &LastTime,
    ) -> Result<()> {
        let mut polls = interval(POLL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut changed = std::mem::take(&mut self.unfinished);
            let is_unfinished = !changed.is_empty();
            let mut is_of_all = false;
            // The first tick is due at once: after a reconnect every tenant is read.
            tokio::select! {
                () = changes.noted() => {}
                tenants = reader.heard() => changed.extend(tenants?),
                Some(join) = joins.recv() => self.joining.push(join),
                _ = polls.tick() => {
                    changed.extend(self.groups.keys().cloned());
                    is_of_all = true;
                }
                () = std::future::ready(()), if is_unfinished => {}
            }
            let began = Instant::now();
            let again = began + PAUSE;
            let own = changes.take();
            if !own.is_empty() {
                reader.notify(&own).await?;
                changed.extend(own);
            }
            while let Ok(join) = joins.try_recv() {
                self.joining.push(join);
            }
            // Watches that have ended need no read, and tenants without a watch need no group.
            self.joining.retain(|join| !join.reply.is_closed());
            self.groups
                .retain(|_, group| group.sender.receiver_count() > 0);
            // Changes of tenants that nobody watches are not read at all.
            changed.retain(|tenant| self.groups.contains_key(tenant));
            changed.extend(self.joining.iter().map(|join| join.tenant.clone()));
            for tenant in changed {
                match self.read_on(reader, &tenant).await {
                    Ok(true) => {}
                    Ok(false) => drop(self.unfinished.insert(tenant)),
                    // One tenant's log holds a value that cannot be read: its watches end, and those of the others go on.
                    Err(error) if error.kind() == ErrorKind::Internal => {
                        self.log.failed(Some(&tenant), &error, NOT_FED);
                        self.groups.remove(&tenant);
                        self.joining.retain(|join| join.tenant != tenant);
                    }
                    Err(error) => return Err(error),
                }
            }
            if self.unfinished.is_empty() && is_of_all {
                fed.note(began.into_std());
            }
            sleep_until(again).await;
        }
    }

    /// Reads on for the watches of a tenant, and lets new ones join. Returns false if there is more to read.
    async fn read_on(&mut self, reader: &mut LogReader, tenant: &TenantId) -> Result<bool> {
        let group = self.groups.get(tenant);
        let joins = || self.joining.iter().filter(|join| join.tenant == *tenant);
        let mut positions = Vec::new();
        // A new watch can only join at the position of the others once they have read all that there is.
        let is_level = group.is_none_or(|group| group.position.is_level());
        for join in joins().filter(|_| is_level) {
            if positions.len() < JOINS_A_ROUND && !positions.contains(&join.position) {
                positions.push(join.position.clone());
            }
        }
        let customers = group
            .into_iter()
            .flat_map(|g| g.customers.iter().filter_map(Weak::upgrade));
        let customers = customers.chain(joins().filter_map(|j| j.customer.clone()));
        let customers: HashSet<String> = customers.map(|c| String::clone(&c)).collect();
        let customers: Vec<String> = customers.into_iter().collect();
        let own = group.map(|group| LogFrom {
            position: &group.position,
            most_changes: MOST_CHANGES,
            step: group.step,
        });
        let theirs = positions.iter().map(|position| LogFrom {
            position,
            most_changes: JOIN_CHANGES,
            step: StepSize::default(),
        });
        let from: Vec<_> = own.into_iter().chain(theirs).collect();
        if from.is_empty() {
            return Ok(true);
        }
        let mut reads = reader.read(tenant, &from, &customers).await?.into_iter();
        if let Some(group) = self.groups.get_mut(tenant)
            && let Some(read) = reads.next()
        {
            let from = std::mem::replace(&mut group.position, read.position.clone());
            let read = self.buffer.share(tenant, from, read, &group.published);
            if let Some(content) = read.content() {
                group.step = group.step.after(&content.changes);
            }
            // A read without changes is sent too, for its time. Without a receiver the next round drops the group.
            let _ = group.sender.send(read);
            if !group.position.is_level() {
                return Ok(false);
            }
        }
        for (position, read) in positions.into_iter().zip(reads) {
            let is_its = |join: &mut Join| join.tenant == *tenant && join.position == position;
            let joining: Vec<Join> = self.joining.extract_if(.., is_its).collect();
            let level = read.position.clone();
            let first = self
                .buffer
                .share(tenant, position, read, &AtomicUsize::new(0));
            let is_behind = first.found == Found::TooMany || !level.is_level();
            for join in joining {
                let joined = match is_behind {
                    true => Joined::Behind,
                    false => Joined::Fed(self.let_in(&join, &level, &first)),
                };
                // The watch may have ended meanwhile.
                let _ = join.reply.send(joined);
            }
        }
        Ok(!self.joining.iter().any(|join| join.tenant == *tenant))
    }

    /// Adds a watch to its tenant's group, whose position is `level`.
    fn let_in(&mut self, join: &Join, level: &LogPosition, first: &Arc<SharedRead>) -> Fed {
        let group = self.groups.entry(join.tenant.clone());
        let group = group.or_insert_with(|| Group {
            position: level.clone(),
            sender: broadcast::channel(MAX_BEHIND).0,
            published: Arc::default(),
            customers: Vec::new(),
            step: StepSize::default(),
        });
        group.customers.retain(|c| c.strong_count() > 0);
        group
            .customers
            .extend(join.customer.as_ref().map(Arc::downgrade));
        Fed {
            first: Arc::clone(first),
            rest: group.sender.subscribe(),
            // From here on the watch counts how far it is behind.
            published: Arc::clone(&group.published),
            before: group.published.load(Relaxed),
        }
    }
}
