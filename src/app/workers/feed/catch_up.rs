//! Reads the change log for watches that are behind, beside the feed, until each of them is level.
//!
//! [`READERS`] connections serve all of these watches, one step at a time; a step reads a bounded number of tasks.
//! Tenants take turns. Watches of a tenant that start from the same position share a read: those that wait for it, and
//! those that ask within [`FRESH`] of it. After an outage many watches resume from few positions.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use super::buffer::{SharedRead, WatchBuffer};
use crate::{
    app::workers::failure_log::FailureLog,
    db::{Db, LogFrom, LogReader, MOST_CHANGES, StepSize},
    domain::{tenant::TenantId, watch::LogPosition},
    error::Result,
};

/// How many database connections read for watches that are behind. They are open only while there are such watches.
pub const READERS: usize = 2;
/// How long a read serves further watches with the same position.
const FRESH: Duration = Duration::from_secs(3);
/// A reader that has had no work for this long closes its connection.
const IDLE: Duration = Duration::from_secs(1);

/// What a watch needs to read.
#[derive(Debug, Clone)]
pub(in crate::app) struct Wanted {
    pub(in crate::app) tenant: TenantId,
    pub(in crate::app) position: LogPosition,
    pub(in crate::app) step: StepSize,
    /// The customer in the watch's filter.
    pub(in crate::app) customer: Option<Arc<String>>,
}

/// The watches that wait for reads.
#[derive(Debug)]
pub(in crate::app) struct CatchUp {
    queue: Mutex<Queue>,
    wake: Notify,
    buffer: Arc<WatchBuffer>,
    log: FailureLog,
}

#[derive(Debug, Default)]
struct Queue {
    /// Tenants with waiting reads, each once, in the order of their turns.
    turns: VecDeque<TenantId>,
    waiting: HashMap<TenantId, VecDeque<Job>>,
    recent: VecDeque<Recent>,
}

/// A read that at least one watch waits for.
#[derive(Debug)]
struct Job {
    tenant: TenantId,
    position: LogPosition,
    step: StepSize,
    customers: HashSet<String>,
    replies: Vec<oneshot::Sender<Arc<SharedRead>>>,
}

/// A finished read that may serve further watches.
#[derive(Debug)]
struct Recent {
    at: Instant,
    tenant: TenantId,
    customers: HashSet<String>,
    read: Arc<SharedRead>,
}

impl CatchUp {
    pub(super) fn new(buffer: Arc<WatchBuffer>) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::default(),
            wake: Notify::new(),
            buffer,
            log: FailureLog::default(),
        })
    }

    /// Requests a read. The receiver fails if the readers end.
    pub(in crate::app) fn ask(&self, wanted: Wanted) -> oneshot::Receiver<Arc<SharedRead>> {
        let (reply, read) = oneshot::channel();
        let mut queue = self.lock();
        queue.forget();
        match queue.recent(&wanted) {
            // The watch holds the receiver, so it takes the read.
            Some(read) => drop(reply.send(read)),
            None => {
                queue.add(wanted, reply);
                drop(queue);
                self.wake.notify_one();
            }
        }
        read
    }

    /// Reads for the waiting watches until the future is dropped.
    pub(super) async fn run(self: Arc<Self>, db: Db) {
        let mut reader = None;
        loop {
            let Some(job) = self.next().await else {
                // The database may need the connection for something else.
                reader = None;
                continue;
            };
            match read(&db, &mut reader, &job, &self.buffer).await {
                Ok(read) => self.finish(job, read),
                Err(error) => {
                    // The replies are dropped, which fails the watches; their callers can resume.
                    let what = "watches that are behind are not read for";
                    self.log.failed(None, &error, what);
                    // The next attempt opens another connection: this one may be closed, or in the
                    // middle of a read.
                    reader = None;
                }
            }
        }
    }

    /// The next job; `None` after [`IDLE`] without one.
    async fn next(&self) -> Option<Job> {
        loop {
            let (job, is_more) = {
                let mut queue = self.lock();
                queue.forget();
                (queue.take(), !queue.turns.is_empty())
            };
            if job.is_some() {
                // One wake-up starts one reader, so a reader that leaves work behind wakes the next
                // one.
                if is_more {
                    self.wake.notify_one();
                }
                return job;
            }
            timeout(IDLE, self.wake.notified()).await.ok()?;
        }
    }

    fn finish(&self, job: Job, read: Arc<SharedRead>) {
        for reply in job.replies {
            // The watch may have ended meanwhile.
            let _ = reply.send(Arc::clone(&read));
        }
        self.lock().recent.push_back(Recent {
            at: Instant::now(),
            tenant: job.tenant,
            customers: job.customers,
            read,
        });
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Drops reads that are too old to serve further watches.
    fn forget(&mut self) {
        let is_old = |recent: &Recent| recent.at.elapsed() >= FRESH;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
    }

    fn recent(&self, wanted: &Wanted) -> Option<Arc<SharedRead>> {
        let serves = |recent: &&Recent| {
            recent.tenant == wanted.tenant
                && recent.read.from == wanted.position
                // A read that the buffer has emptied cannot serve anybody.
                && recent.read.content().is_some()
                && (wanted.customer.as_ref()).is_none_or(|c| recent.customers.contains(&**c))
        };
        let recent = self.recent.iter().rev().find(serves)?;
        Some(Arc::clone(&recent.read))
    }

    fn add(&mut self, wanted: Wanted, reply: oneshot::Sender<Arc<SharedRead>>) {
        let Wanted {
            tenant,
            position,
            step,
            customer,
        } = wanted;
        let customer = customer.map(|c| String::clone(&c));
        let jobs = self.waiting.entry(tenant.clone()).or_default();
        if jobs.is_empty() {
            self.turns.push_back(tenant.clone());
        }
        match jobs.iter_mut().find(|job| job.position == position) {
            Some(job) => {
                job.customers.extend(customer);
                job.replies.push(reply);
            }
            None => jobs.push_back(Job {
                tenant,
                position,
                step,
                customers: customer.into_iter().collect(),
                replies: vec![reply],
            }),
        }
    }

    /// The first job of the tenant whose turn it is.
    fn take(&mut self) -> Option<Job> {
        while let Some(tenant) = self.turns.pop_front() {
            let Some(jobs) = self.waiting.get_mut(&tenant) else {
                continue;
            };
            // Watches that have ended need no read.
            jobs.retain_mut(|job| {
                job.replies.retain(|reply| !reply.is_closed());
                !job.replies.is_empty()
            });
            let job = jobs.pop_front();
            match jobs.is_empty() {
                true => drop(self.waiting.remove(&tenant)),
                false => self.turns.push_back(tenant),
            }
            if job.is_some() {
                return job;
            }
        }
        None
    }
}

/// Makes one read. After a failure `reader` is `None`.
async fn read(
    db: &Db,
    reader: &mut Option<LogReader>,
    job: &Job,
    buffer: &Arc<WatchBuffer>,
) -> Result<Arc<SharedRead>> {
    let mut own = match reader.take() {
        Some(reader) => reader,
        None => db.log_reader().await?,
    };
    let from = LogFrom {
        position: &job.position,
        most_changes: MOST_CHANGES,
        step: job.step,
    };
    let customers: Vec<String> = job.customers.iter().cloned().collect();
    let read = own.read_one(&job.tenant, from, &customers).await?;
    *reader = Some(own);
    // No other watch publishes into this read's sequence, so its watches cannot fall behind.
    let published = AtomicUsize::new(0);
    Ok(buffer.share(&job.tenant, job.position.clone(), read, &published))
}
