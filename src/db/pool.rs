//! The connection pool for calls.
//!
//! One permit stands for each possible connection. The holder of a permit takes the idle connection that was returned
//! last, because its plans and caches are warm, or opens a new one. If PostgreSQL grants the role no more connections,
//! the pool continues with the ones it has: the surplus permits are withdrawn and tried again later.
//!
//! The permits are a [`FairQueue`](crate::fair_queue), so tenants take connections in turn. [`Work`] says for whom a
//! connection is, and whether its statement is expected to be slow.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    connector::Connector,
    error::{Outage, RETRY_AFTER},
    session::Connection,
    work::{Costs, Work},
};
use crate::{
    domain::tenant::TenantId,
    error::{Error, ErrorReason, Result},
    fair_queue::{FairQueue, Lane, QueuePermit},
    histogram::HistogramValues,
    traces,
};

/// How long a caller waits for a connection before it gets UNAVAILABLE.
const WAIT: Duration = Duration::from_secs(2);
/// How long a call of the slow lane waits for its refusal. A tenant whose callers try again at once would otherwise be refused
/// thousands of times a second, and that takes a processor from the others.
const SLOW_REFUSAL: Duration = Duration::from_millis(100);
/// After this time, a pool that was refused connections tries to grow again.
/// PostgreSQL starts a process for each attempt before it refuses it, so the pool does not try at
/// each call.
const GROW_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct Pool {
    connector: Arc<Connector>,
    /// One permit for each connection that may be open.
    permits: FairQueue,
    /// What statements are expected to cost.
    costs: Costs,
    idle: Mutex<Vec<(Connection, Counted)>>,
    /// The number of open connections, in use or idle.
    open: Arc<AtomicUsize>,
    aside: Mutex<Aside>,
}

/// Permits withdrawn because the database granted no connections for them.
struct Aside {
    permits: usize,
    since: Instant,
    /// Whether a refusal takes as long as the time limit of connections, as a pooler's does. Then no call waits for the
    /// attempt to grow again.
    is_slow: bool,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, open, waiting) = self.status();
        f.debug_struct("Pool")
            .field("used", &used)
            .field("open", &open)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}

/// Increments a counter until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// A connection of the pool in use. Dropping it closes the connection instead of returning it.
pub(super) struct Pooled {
    pub(super) connection: Connection,
    counted: Counted,
    permit: QueuePermit,
    /// Records how long the connection was held, however that ends.
    held: Held,
    pool: Arc<Pool>,
}

/// Measures the time of a kind of work.
struct Held {
    estimate: usize,
    since: Instant,
    pool: Arc<Pool>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.costs.note(self.estimate, self.since.elapsed());
    }
}

impl Pool {
    pub(super) fn new(connector: Arc<Connector>, size: usize) -> Arc<Self> {
        Arc::new(Self {
            connector,
            permits: FairQueue::new(size, WAIT),
            costs: Costs::default(),
            idle: Mutex::default(),
            open: Arc::default(),
            aside: Mutex::new(Aside {
                permits: 0,
                since: Instant::now(),
                is_slow: false,
            }),
        })
    }

    /// Takes a connection when the tenant's turn has come. UNAVAILABLE if that takes too long, or if no connection can be
    /// opened.
    pub(super) async fn get(self: &Arc<Self>, work: Work<'_>) -> Result<Pooled> {
        let mut span = traces::span("db.connection.wait");
        let taken = self.take(work).await;
        if let (Some(span), Err(error)) = (&mut span, &taken) {
            span.fail(error.kind().name());
        }
        taken
    }

    async fn take(self: &Arc<Self>, work: Work<'_>) -> Result<Pooled> {
        let lane = self.costs.lane(&work);
        loop {
            self.grow_again();
            let Ok(permit) = self.permits.acquire(work.tenant, lane).await else {
                if lane == Lane::Slow {
                    tokio::time::sleep(SLOW_REFUSAL).await;
                }
                let why = "all database connections are in use";
                let busy = Error::unavailable(why, RETRY_AFTER).because(ErrorReason::DatabaseBusy);
                // A refusal under load, which the metrics count, and the log of calls names once a minute.
                return Err(busy.logged());
            };
            if let Some((connection, counted)) = self.pop_idle(work.rows_of) {
                return Ok(self.pooled(connection, counted, permit, &work));
            }
            match self.connector.connect().await {
                Ok(connection) => {
                    let counted = Counted::new(&self.open);
                    return Ok(self.pooled(connection, counted, permit, &work));
                }
                Err(error) => {
                    let is_slow = error.is_pooler_full();
                    let is_short = is_slow || error.outage() == Outage::Connections;
                    let error = self.connector.reports().connect_error(error);
                    // Wait for another connection of the pool, if it has one.
                    if !is_short || self.open.load(Relaxed) == 0 {
                        return Err(error);
                    }
                    self.put_aside(permit, is_slow);
                }
            }
        }
    }

    /// Begins with these connections, of the `size` that the pool may have. The permits of the others are withdrawn.
    pub(super) fn begin(&self, connections: Vec<Connection>, size: usize, is_slow: bool) {
        let missing = size.saturating_sub(connections.len());
        connections.into_iter().for_each(|c| self.adopt(c));
        for _ in 0..missing {
            if let Some(permit) = self.permits.try_acquire() {
                self.put_aside(permit, is_slow);
            }
        }
    }

    /// Adds an idle connection. The pool must not exceed its size.
    fn adopt(&self, connection: Connection) {
        let counted = Counted::new(&self.open);
        self.idle().push((connection, counted));
    }

    fn pooled(
        self: &Arc<Self>,
        connection: Connection,
        counted: Counted,
        permit: QueuePermit,
        work: &Work<'_>,
    ) -> Pooled {
        Pooled {
            connection,
            counted,
            permit,
            held: Held {
                estimate: Costs::estimate(work),
                since: Instant::now(),
                pool: Arc::clone(self),
            },
            pool: Arc::clone(self),
        }
    }

    /// The most recently returned idle connection that is still usable; if row-level security restricts the role, one
    /// that served the same tenant, so that the setting stays.
    fn pop_idle(&self, tenant: Option<&TenantId>) -> Option<(Connection, Counted)> {
        let mut idle = self.idle();
        let suits = |(connection, _): &(Connection, Counted)| {
            tenant.is_none_or(|tenant| connection.tenancy.suits(tenant))
        };
        if let Some(index) = idle.iter().rposition(suits) {
            // Rotated, not swapped, so that the others keep their order.
            idle[index..].rotate_left(1);
        }
        // A connection that is not usable any more is dropped here, which closes it.
        while let Some(popped) = idle.pop() {
            if self.connector.is_usable(&popped.0) {
                return Some(popped);
            }
        }
        None
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Connection, Counted)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes an idle connection so that another one can be opened outside of the pool. False if the pool needs all of
    /// its connections.
    pub(super) fn make_room(&self) -> bool {
        let Some(permit) = self.permits.try_acquire() else {
            return false;
        };
        // The last connection stays: without any, every call would depend on PostgreSQL granting a
        // new one.
        if self.open.load(Relaxed) < 2 {
            return false;
        }
        let Some(closed) = self.idle().pop() else {
            return false;
        };
        drop(closed);
        let is_slow = self.aside().is_slow;
        self.put_aside(permit, is_slow);
        true
    }

    fn aside(&self) -> std::sync::MutexGuard<'_, Aside> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Withdraws a permit.
    fn put_aside(&self, permit: QueuePermit, is_slow: bool) {
        self.permits.withdraw(permit);
        let mut aside = self.aside();
        aside.permits += 1;
        aside.since = Instant::now();
        aside.is_slow = is_slow;
    }

    /// Returns the withdrawn permits once [`GROW_AGAIN`] has passed.
    fn grow_again(self: &Arc<Self>) {
        let mut aside = self.aside();
        if aside.permits == 0 || aside.since.elapsed() < GROW_AGAIN {
            return;
        }
        if aside.is_slow {
            aside.since = Instant::now();
            tokio::spawn(Arc::clone(self).grow_slowly());
        } else {
            self.permits.add(std::mem::take(&mut aside.permits));
        }
    }

    /// Opens connections for the withdrawn permits until there is none to be had.
    async fn grow_slowly(self: Arc<Self>) {
        while self.aside().permits > 0
            && let Ok(connection) = self.connector.connect().await
        {
            let mut aside = self.aside();
            if aside.permits == 0 {
                return;
            }
            aside.permits -= 1;
            drop(aside);
            self.adopt(connection);
            self.permits.add(1);
        }
    }

    /// Connections in use, open connections, and callers that wait for one.
    pub(super) fn status(&self) -> (usize, usize, usize) {
        let (idle, open) = (self.idle().len(), self.open.load(Relaxed));
        (open.saturating_sub(idle), open, self.permits.waiting())
    }

    /// For how long callers waited for their turn.
    pub(super) fn waits(&self) -> HistogramValues {
        self.permits.waits()
    }

    /// The number of calls that got no connection because their turn would have come too late.
    pub(super) fn refused(&self) -> u64 {
        self.permits.refused()
    }
}

impl Pooled {
    /// Returns the connection to the pool; a connection that is not usable any more is closed.
    pub(super) fn give_back(self) {
        let Self {
            connection,
            counted,
            permit,
            held,
            pool,
        } = self;
        if pool.connector.is_usable(&connection) {
            pool.idle().push((connection, counted));
        }
        drop(held);
        // Released last, so that the next holder of the permit finds the connection.
        drop(permit);
    }
}
