//! What feeds all watches of a service: one reader of the log of changes, on one connection.
//!
//! A commit, word from another service, a new watch or a second gone by makes it read on, tenant by tenant, at most every
//! [`PAUSE`]: changes that come faster are told together. What it read goes to all watches of the tenant at once; each
//! applies its own filter. A watch that does not take what there is for it falls behind by itself: the channel holds
//! [`KEPT`] reads for it and no more.
//!
//! A new watch has a place of its own in the log. It is brought up to the others' place in the same snapshot in which
//! they read on, so that from there on one read is for all.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{App, scheduler::FailureLog};
use crate::{
    db::{Changes, LogRead, LogReader},
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

/// A new watch.
pub(super) struct Join {
    pub(super) tenant: TenantId,
    /// How far it is.
    pub(super) position: LogPosition,
    /// The customer that its filter names.
    pub(super) customer: Option<Arc<String>>,
    pub(super) reply: oneshot::Sender<Joined>,
}

/// What a new watch gets: all up to the others' place, and what follows.
pub(super) struct Joined {
    pub(super) first: LogRead,
    pub(super) rest: broadcast::Receiver<Arc<LogRead>>,
}

/// The watches of a tenant.
struct Group {
    position: LogPosition,
    sender: broadcast::Sender<Arc<LogRead>>,
    customers: Vec<Weak<String>>,
}

/// All watches, and those that wait to become one.
#[derive(Default)]
struct Feed {
    groups: HashMap<TenantId, Group>,
    joining: Vec<Join>,
}

impl App {
    /// Feeds the watches until the future is dropped, which ends them. Another one can begin then.
    pub async fn keep_watches(self: Arc<Self>) {
        let (sender, mut joins) = mpsc::channel(WAITING);
        *self.joins.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        let mut feed = Feed::default();
        let mut log = FailureLog::default();
        loop {
            let fed = async {
                let mut reader = self.db.log_reader().await?;
                for tenant in self.tenants().await? {
                    reader.drop_foreign(&tenant).await?;
                }
                log.succeeded("");
                feed.run(&mut reader, &mut joins, self.db.changes()).await
            };
            if let Err(error) = fed.await {
                log.failed("", &error, "watches are not fed");
            }
            sleep(RETRY).await;
        }
    }
}

impl App {
    /// Where a watch asks to be fed; `None` as long as nobody feeds them.
    pub(super) fn feeding(&self) -> Option<mpsc::Sender<Join>> {
        let joins = self.joins.lock().unwrap_or_else(PoisonError::into_inner);
        joins.clone()
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
            let mut changed = HashSet::new();
            // The first tick comes at once: on a new connection all are read on.
            tokio::select! {
                () = changes.noted() => {}
                tenant = reader.heard() => {
                    changed.insert(tenant?);
                }
                Some(join) = joins.recv() => self.joining.push(join),
                _ = polls.tick() => changed.extend(self.groups.keys().cloned()),
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
            self.groups
                .retain(|_, group| group.sender.receiver_count() > 0);
            changed.retain(|tenant| self.groups.contains_key(tenant));
            changed.extend(self.joining.iter().map(|join| join.tenant.clone()));
            for tenant in changed {
                self.read_on(reader, &tenant).await?;
            }
            sleep_until(again).await;
        }
    }

    /// Reads on for the watches of a tenant, and lets new ones in.
    async fn read_on(&mut self, reader: &mut LogReader, tenant: &TenantId) -> Result<()> {
        self.joining.retain(|join| !join.reply.is_closed());
        let is_its = |join: &Join| join.tenant == *tenant;
        let joining: Vec<&Join> = self.joining.iter().filter(|j| is_its(j)).collect();
        let group = self.groups.get(tenant);
        let customers = group
            .into_iter()
            .flat_map(|g| g.customers.iter().filter_map(Weak::upgrade));
        let customers = customers.chain(joining.iter().filter_map(|j| j.customer.clone()));
        let customers: HashSet<String> = customers.map(|c| String::clone(&c)).collect();
        let customers: Vec<String> = customers.into_iter().collect();
        let places = group.map(|g| &g.position).into_iter();
        let places: Vec<_> = places.chain(joining.iter().map(|j| &j.position)).collect();
        if places.is_empty() {
            return Ok(());
        }
        let mut reads = reader.read(tenant, &places, &customers).await?.into_iter();
        if let Some(group) = self.groups.get_mut(tenant)
            && let Some(read) = reads.next()
        {
            group.tell(read);
        }
        let joining: Vec<Join> = self.joining.extract_if(.., |j| is_its(j)).collect();
        for (join, first) in joining.into_iter().zip(reads) {
            let group = self.groups.entry(tenant.clone()).or_insert_with(|| Group {
                position: first.position.clone(),
                sender: broadcast::channel(KEPT).0,
                customers: Vec::new(),
            });
            group.customers.retain(|c| c.strong_count() > 0);
            group
                .customers
                .extend(join.customer.as_ref().map(Arc::downgrade));
            let rest = group.sender.subscribe();
            // One that is gone meanwhile does not take it.
            let _ = join.reply.send(Joined { first, rest });
        }
        Ok(())
    }
}

impl Group {
    fn tell(&mut self, read: LogRead) {
        self.position = read.position.clone();
        // Nothing new is told too: up to when. Nobody there: the group ends with the next look.
        let _ = self.sender.send(Arc::new(read));
    }
}
