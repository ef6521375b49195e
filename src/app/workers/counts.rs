//! Keeps the counts behind totals and deep pages short of unadded changes.
//!
//! Lists are exact without it, only slower the more changes wait. So a tenant that is being listed is looked after
//! several times a second, every other one now and then; several services on one database take turns.
//!
//! Tenants are served one after the other, as long as each takes less than [`QUICK`]. PostgreSQL ends a fold that takes
//! longer (the first one after an import of millions of tasks does), and it is done again on another connection, where it
//! delays only its like.

use std::{
    collections::{HashSet, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    app::App,
    domain::tenant::TenantId,
    error::{ErrorKind, Result},
};

/// How often tenants that are being listed are looked after.
const INTERVAL: Duration = Duration::from_millis(200);
/// How often all tenants are.
const ROUND: Duration = Duration::from_secs(60);
/// How long a fold may take that others wait for.
const QUICK: Duration = Duration::from_secs(1);
/// Pause after a failure; the log tells of it once.
const PAUSE: Duration = Duration::from_secs(2);

impl App {
    /// Keeps the counts until the future is dropped.
    pub async fn run_counts(self: Arc<Self>) {
        let mut failed = false;
        loop {
            match self.run_counts_until_failure(&mut failed).await {
                Ok(never) => match never {},
                // What state of the database keeps them waiting is logged where it is met.
                Err(error) if !failed && !error.is_logged() => {
                    tracing::warn!(cause = error.internal_cause(), "the counts wait: {error}");
                    failed = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Ends when the connection does; `failed` is taken back once all tenants were looked after.
    async fn run_counts_until_failure(&self, failed: &mut bool) -> Result<Infallible> {
        let slow = Slow::default();
        tokio::select! {
            done = self.fold_quickly(&slow, failed) => done,
            never = self.fold_slowly(&slow) => match never {},
        }
    }

    /// Folds for all tenants in turn, except for those that take long.
    async fn fold_quickly(&self, slow: &Slow, failed: &mut bool) -> Result<Infallible> {
        let mut counts = self.db.counts_connection(Some(QUICK)).await?;
        let mut failing = Failing::default();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last_round: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let is_round = last_round.is_none_or(|last| last.elapsed() >= ROUND);
            let tenants = match is_round {
                true => self.tenants().await?,
                false => self.listed.recent(),
            };
            for tenant in tenants {
                if slow.ask(&tenant) {
                    continue;
                }
                let began = Instant::now();
                let done = counts.fold(&tenant).await;
                match done {
                    // PostgreSQL ended it. Any other failure will show again where it has time.
                    Err(_) if began.elapsed() >= QUICK => slow.add(tenant),
                    // The connection is gone, so no other tenant can be served.
                    Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                    done => failing.note(&tenant, &done),
                }
            }
            if is_round {
                last_round = Some(Instant::now());
                *failed = false;
            }
        }
    }

    /// Folds for those that take long, on a connection of the pool: one beside would exceed what `--pool-size` promises.
    async fn fold_slowly(&self, slow: &Slow) -> Infallible {
        let mut failing = Failing::default();
        loop {
            let tenant = slow.next().await;
            let began = Instant::now();
            let done = self.db.tenant(&tenant).counts_fold_pooled().await;
            if done.is_ok() && began.elapsed() < QUICK / 2 {
                slow.forget(&tenant);
            }
            failing.note(&tenant, &done);
        }
    }
}

/// Tenants for which a fold takes long, and which of them are to be folded for. A long fold delays those alone.
#[derive(Default)]
struct Slow {
    tenants: Mutex<SlowTenants>,
    wake: Notify,
}

#[derive(Default)]
struct SlowTenants {
    all: HashSet<TenantId>,
    waiting: VecDeque<TenantId>,
}

impl Slow {
    fn lock(&self) -> MutexGuard<'_, SlowTenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a fold; false for a tenant for which it does not take long.
    fn ask(&self, tenant: &TenantId) -> bool {
        let mut tenants = self.lock();
        if !tenants.all.contains(tenant) {
            return false;
        }
        if !tenants.waiting.contains(tenant) {
            tenants.waiting.push_back(tenant.clone());
            self.wake.notify_one();
        }
        true
    }

    fn add(&self, tenant: TenantId) {
        self.lock().all.insert(tenant.clone());
        self.ask(&tenant);
    }

    fn forget(&self, tenant: &TenantId) {
        self.lock().all.remove(tenant);
    }

    async fn next(&self) -> TenantId {
        loop {
            if let Some(tenant) = self.lock().waiting.pop_front() {
                return tenant;
            }
            self.wake.notified().await;
        }
    }
}

/// Whose counts could not be brought up to date when last tried; the log was told.
#[derive(Default)]
struct Failing(HashSet<TenantId>);

impl Failing {
    fn note(&mut self, tenant: &TenantId, done: &Result<i64>) {
        match done {
            Ok(changes) => {
                self.0.remove(tenant);
                if *changes > 0 {
                    let tenant = tenant.as_str();
                    tracing::debug!(tenant.id = tenant, changes, "counts brought up to date");
                }
            }
            Err(error) => {
                let cause = error.internal_cause();
                if self.0.insert(tenant.clone()) {
                    let tenant = tenant.as_str();
                    tracing::warn!(
                        tenant.id = tenant,
                        cause,
                        "the tenant's counts wait: {error}"
                    );
                }
            }
        }
    }
}
