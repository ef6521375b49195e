//! What feeds all watches of a service: one reader of the log of changes, on one connection.
//!
//! A commit, word from another service, a new watch or a second gone by makes it read on, tenant by tenant, at most every
//! [`PAUSE`]: changes that come faster are told together. What it read goes to all watches of the tenant at once; each
//! applies its own filter. A read holds a bounded number of tasks; what is left is read in the next round, behind the other
//! tenants' turns.
//!
//! A new watch has a position of its own in the log. If few changes lie beyond it, it is brought up to the others' position in
//! the same snapshot in which they read on, so that from there on one read is for all. If there are more than
//! [`JOIN_CHANGES`], it first reads on its own, in [`catch_up`]: so nobody waits for a watch that comes back after an outage.
//!
//! What is read and not told yet lies in the [`WatchBuffer`]. A watch that falls further behind than the buffer allows, or by
//! more than [`KEPT`] reads, is told to list its tasks again.

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
    app::App,
    db::{Changes, LogFrom, LogReader, MOST_CHANGES, StepSize},
    domain::{tenant::TenantId, watch::LogPosition},
    error::Result,
};

/// The least time from one read to the next.
const PAUSE: Duration = Duration::from_millis(10);
/// How often to look without being told: for changes by hand, and where word got lost.
const POLL: Duration = Duration::from_secs(1);
/// Between tries to reach the database.
const RETRY: Duration = Duration::from_millis(250);
/// Reads that a watch may be behind.
const KEPT: usize = 256;
/// New watches that wait to be let in.
const WAITING: usize = 1024;
/// Most changes beyond the position of a watch that joins: reading them takes some milliseconds.
const JOIN_CHANGES: i64 = 1_000;
/// Most positions of new watches of a tenant that are read from in a round.
const JOINS_A_ROUND: usize = 16;

/// The watches of a tenant.
struct Group {
    position: LogPosition,
    sender: broadcast::Sender<Arc<SharedRead>>,
    published: Arc<AtomicUsize>,
    customers: Vec<Weak<String>>,
    step: StepSize,
}

/// All watches, and those that wait to become one.
struct Feed {
    groups: HashMap<TenantId, Group>,
    joining: Vec<Join>,
    /// Tenants of which there is more to read.
    unfinished: HashSet<TenantId>,
    buffer: Arc<WatchBuffer>,
}

/// Takes the feed's address away when it ends, so that another one can begin.
struct Announced<'a>(&'a App);

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.0.lock_feeding().take();
    }
}

impl App {
    /// Feeds the watches until the future is dropped, which ends them. They hold about `buffer` bytes of changes that are not
    /// told yet. One feed at a time; it can begin anew after it ended or panicked.
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
                // Whoever sees to it that the feed lives must hear of it.
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
        };
        let mut log = FailureLog::default();
        loop {
            let fed = async {
                let mut reader = self.db.log_reader().await?;
                reader.listen().await?;
                for tenant in self.tenants().await? {
                    reader.drop_foreign(&tenant).await?;
                }
                log.succeeded("");
                feed.run(&mut reader, joins, self.db.changes()).await
            };
            if let Err(error) = fed.await {
                log.failed("", &error, "watches are not fed");
            }
            sleep(RETRY).await;
        }
    }

    /// Where watches ask to be fed; `None` while nobody feeds them.
    pub(in crate::app) fn feeding(&self) -> Option<Feeding> {
        self.lock_feeding().clone()
    }

    /// How many bytes of changes are held for watches.
    pub fn watch_buffer_bytes(&self) -> usize {
        self.feeding().map_or(0, |feeding| feeding.buffer.bytes())
    }

    fn lock_feeding(&self) -> MutexGuard<'_, Option<Feeding>> {
        self.feeding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// Feeds until the connection fails.
    async fn run(
        &mut self,
        reader: &mut LogReader,
        joins: &mut mpsc::Receiver<Join>,
        changes: &Changes,
    ) -> Result<()> {
        let mut polls = interval(POLL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut changed = std::mem::take(&mut self.unfinished);
            let is_unfinished = !changed.is_empty();
            // The first tick comes at once: on a new connection all are read on.
            tokio::select! {
                () = changes.noted() => {}
                tenant = reader.heard() => {
                    changed.insert(tenant?);
                }
                Some(join) = joins.recv() => self.joining.push(join),
                _ = polls.tick() => changed.extend(self.groups.keys().cloned()),
                () = std::future::ready(()), if is_unfinished => {}
            }
            let again = Instant::now() + PAUSE;
            let own = changes.take();
            if !own.is_empty() {
                reader.tell(&own).await?;
                changed.extend(own);
            }
            while let Ok(join) = joins.try_recv() {
                self.joining.push(join);
            }
            self.joining.retain(|join| !join.reply.is_closed());
            self.groups
                .retain(|_, group| group.sender.receiver_count() > 0);
            changed.retain(|tenant| self.groups.contains_key(tenant));
            changed.extend(self.joining.iter().map(|join| join.tenant.clone()));
            for tenant in changed {
                if !self.read_on(reader, &tenant).await? {
                    self.unfinished.insert(tenant);
                }
            }
            sleep_until(again).await;
        }
    }

    /// Reads on for the watches of a tenant, and lets new ones in. False where there is more to do.
    async fn read_on(&mut self, reader: &mut LogReader, tenant: &TenantId) -> Result<bool> {
        let group = self.groups.get(tenant);
        let joins = || self.joining.iter().filter(|join| join.tenant == *tenant);
        let mut positions = Vec::new();
        // New watches cannot have the others' position before these have all that there is.
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
            // Nothing new is told too: up to when. Nobody there: the group ends with the next round.
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
                // One that is gone meanwhile does not take it.
                let _ = join.reply.send(joined);
            }
        }
        Ok(!self.joining.iter().any(|join| join.tenant == *tenant))
    }

    /// Makes a new watch one of its tenant's, whose position is `level`.
    fn let_in(&mut self, join: &Join, level: &LogPosition, first: &Arc<SharedRead>) -> Fed {
        let group = self.groups.entry(join.tenant.clone());
        let group = group.or_insert_with(|| Group {
            position: level.clone(),
            sender: broadcast::channel(KEPT).0,
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
            published: Arc::clone(&group.published),
            before: group.published.load(Relaxed),
        }
    }
}
