//! Numbers of the service's own work, for the operator's metrics. Reading them costs no query.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{
    db::{Db, Waiting},
    domain::tenant::TenantId,
    histogram::HistogramValues,
};

/// What the service has done and has to do.
#[derive(Debug)]
pub struct Figures {
    /// Connections of the pool in use, open connections, and callers that wait for one.
    pub pool: (usize, usize, usize),
    /// Calls that got no connection because their turn would have come too late.
    pub pool_refused: u64,
    /// For how long statements waited for a connection.
    pub pool_wait: HistogramValues,
    /// What waits for the workers, as counted last; `None` until it has been counted.
    pub waiting: Option<Waiting>,
    /// Seconds since the compaction of the tenant that has waited longest; `None` before the first round.
    pub counts_lag: Option<f64>,
    /// Seconds since the feed last had all that is committed; `None` before that.
    pub watch_lag: Option<f64>,
    /// Watches that ended because changes were lost to them.
    pub watches_dropped: u64,
    /// Tasks that the schedule started or ended.
    pub schedule_changed: u64,
    /// Turns of the schedule that failed.
    pub schedule_failures: u64,
    /// Imports by callers.
    pub imports: TransferFigures,
    /// Exports by callers.
    pub exports: TransferFigures,
}

/// The numbers of imports or exports.
#[derive(Debug, Clone, Copy)]
pub struct TransferFigures {
    /// Those in progress.
    pub running: i64,
    /// Those that ended early.
    pub failed: u64,
    /// Tasks, or customers of lead lists.
    pub rows: u64,
    /// Bytes of the files of imports.
    pub bytes: u64,
}

/// Where the numbers are counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) compacted: Compacted,
    pub(super) fed: LastTime,
    pub(super) waiting: Mutex<Option<Waiting>>,
    pub(super) watches_dropped: AtomicU64,
    pub(super) schedule_changed: AtomicU64,
    pub(super) schedule_failures: AtomicU64,
    pub(super) imports: Arc<Transfers>,
    pub(super) exports: Arc<Transfers>,
}

/// When something was last the case.
#[derive(Debug, Default)]
pub(super) struct LastTime(Mutex<Option<Instant>>);

impl LastTime {
    pub(super) fn note(&self, at: Instant) {
        *lock(&self.0) = Some(at);
    }

    fn seconds_ago(&self) -> Option<f64> {
        lock(&self.0).map(|at| at.elapsed().as_secs_f64())
    }
}

/// When each tenant was last compacted.
#[derive(Debug, Default)]
pub(super) struct Compacted(Mutex<Option<HashMap<TenantId, Instant>>>);

impl Compacted {
    /// A round over these tenants begins: all that there are.
    pub(super) fn begin_round(&self, tenants: &[TenantId]) {
        let mut compacted = lock(&self.0);
        let before = compacted.take().unwrap_or_default();
        let now = Instant::now();
        let times = tenants.iter().map(|tenant| {
            // A new tenant has nothing that has waited.
            let at = before.get(tenant).copied().unwrap_or(now);
            (tenant.clone(), at)
        });
        *compacted = Some(times.collect());
    }

    /// A compaction that began at `began` has succeeded.
    pub(super) fn note(&self, tenant: &TenantId, began: Instant) {
        if let Some(at) = lock(&self.0).as_mut().and_then(|all| all.get_mut(tenant)) {
            *at = began;
        }
    }

    /// The time since the compaction of the tenant that has waited longest; 0 without tenants.
    fn lag(&self) -> Option<f64> {
        let compacted = lock(&self.0);
        let oldest = compacted.as_ref()?.values().min();
        Some(oldest.map_or(0.0, |at| at.elapsed().as_secs_f64()))
    }
}

/// Counts imports or exports.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    running: AtomicI64,
    failed: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// An import or export in progress. If it is dropped before [`Transfer::succeed`], it has failed.
#[derive(Debug)]
pub(super) struct Transfer {
    of: Arc<Transfers>,
    is_done: bool,
}

impl Transfers {
    pub(super) fn begin(self: &Arc<Self>) -> Transfer {
        self.running.fetch_add(1, Relaxed);
        Transfer {
            of: Arc::clone(self),
            is_done: false,
        }
    }

    pub(super) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    fn figures(&self) -> TransferFigures {
        TransferFigures {
            running: self.running.load(Relaxed),
            failed: self.failed.load(Relaxed),
            rows: self.rows.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

impl Transfer {
    pub(super) fn add_rows(&self, rows: u64) {
        self.of.rows.fetch_add(rows, Relaxed);
    }

    /// Everything was transferred.
    pub(super) fn succeed(&mut self) {
        self.is_done = true;
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.of.running.fetch_sub(1, Relaxed);
        if !self.is_done {
            self.of.failed.fetch_add(1, Relaxed);
        }
    }
}

impl Counted {
    /// The numbers at this moment, with those of the pool.
    pub(super) fn figures(&self, db: &Db) -> Figures {
        let Counted {
            compacted,
            fed,
            waiting,
            watches_dropped,
            schedule_changed,
            schedule_failures,
            imports,
            exports,
        } = self;
        Figures {
            pool: db.pool_status(),
            pool_refused: db.pool_refused(),
            pool_wait: db.pool_wait(),
            waiting: *lock(waiting),
            counts_lag: compacted.lag(),
            watch_lag: fed.seconds_ago(),
            watches_dropped: watches_dropped.load(Relaxed),
            schedule_changed: schedule_changed.load(Relaxed),
            schedule_failures: schedule_failures.load(Relaxed),
            imports: imports.figures(),
            exports: exports.figures(),
        }
    }
}

/// A panic while a lock is held leaves the value valid, so poisoning is ignored.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
