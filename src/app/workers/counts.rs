//! The worker that compacts the deltas of the counts behind totals and deep pages.
//!
//! Lists are exact without it, but become slower with each delta that waits. A tenant that is being listed is compacted
//! several times a second, every other tenant once a minute. Several services on one database take turns.
//!
//! Every [`COUNT`] it also counts what waits for the workers, for the metrics.
//!
//! Tenants are served one after the other, on one connection. PostgreSQL ends a compaction that takes longer than
//! [`QUICK`], as the first one after an import of millions of tasks does. That tenant is then compacted on another
//! connection, where it delays only other [slow](super::slow) tenants.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{failure_log::FailureLog, slow::SlowTenants};
use crate::{
    app::{App, figures::lock},
    domain::tenant::TenantId,
    error::{ErrorKind, Result},
};

/// How often the tenants that are being listed are compacted.
/// A list reads the deltas that wait, so it reads about what was written in this time.
const INTERVAL: Duration = Duration::from_millis(200);
/// How often all tenants are compacted.
const ROUND: Duration = Duration::from_secs(60);
/// How often what waits is counted.
const COUNT: Duration = Duration::from_secs(10);
/// The time limit of a compaction while other tenants wait for it.
const QUICK: Duration = Duration::from_secs(1);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(2);

impl App {
    /// Compacts the counts of all tenants until the future is dropped.
    pub async fn run_counts(self: Arc<Self>) {
        let log = FailureLog::default();
        loop {
            match self.compact_until_failure(&log).await {
                Ok(never) => match never {},
                Err(error) => log.failed(None, &error, "counts are not compacted"),
            }
            sleep(PAUSE).await;
        }
    }

    /// Returns when the connection fails.
    async fn compact_until_failure(&self, log: &FailureLog) -> Result<Infallible> {
        let slow = SlowTenants::default();
        tokio::select! {
            done = self.compact_quickly(&slow, log) => done,
            never = self.compact_slowly(&slow, log) => match never {},
        }
    }

    /// Compacts for one tenant after the other, and leaves the slow ones to [`Self::compact_slowly`].
    async fn compact_quickly(&self, slow: &SlowTenants, log: &FailureLog) -> Result<Infallible> {
        let mut counts = self.db.counts_connection(Some(QUICK)).await?;
        let mut ticks = interval(INTERVAL);
        // A round that took long is followed by a pause, and not by the ticks that it missed.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_round: Option<Instant> = None;
        let mut last_count: Option<Instant> = None;
        loop {
            ticks.tick().await;
            if last_count.is_none_or(|last| last.elapsed() >= COUNT) {
                last_count = Some(Instant::now());
                let waiting = counts.waiting().await;
                log.note(None, &waiting, "what waits for the workers is not counted");
                match waiting {
                    Ok(waiting) => *lock(&self.counted.waiting) = Some(waiting),
                    Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                    Err(_) => {}
                }
            }
            let is_round = last_round.is_none_or(|last| last.elapsed() >= ROUND);
            let tenants = match is_round {
                true => self.tenants().await?,
                false => self.listed.recent(),
            };
            if is_round {
                self.counted.compacted.begin_round(&tenants);
            }
            for tenant in tenants {
                if slow.request(&tenant) {
                    continue;
                }
                let began = Instant::now();
                let done = counts.compact(&tenant).await;
                match done {
                    // PostgreSQL ended it. Any other failure comes again without a time limit.
                    Err(_) if began.elapsed() >= QUICK => slow.add(tenant),
                    // The connection is closed, so no other tenant can be served.
                    Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                    done => {
                        if done.is_ok() {
                            self.counted.compacted.note(&tenant, began);
                        }
                        note(log, &tenant, &done);
                    }
                }
            }
            if is_round {
                last_round = Some(Instant::now());
            }
        }
    }

    /// Compacts for slow tenants on a connection of the pool, since a separate one would exceed what `--pool-size`
    /// promises.
    async fn compact_slowly(&self, slow: &SlowTenants, log: &FailureLog) -> Infallible {
        loop {
            let tenant = slow.next().await;
            let began = Instant::now();
            let done = self.db.tenant(&tenant).counts_compact_pooled().await;
            // Half of the limit, so that a tenant near it does not change between the two
            // connections each time.
            if done.is_ok() && began.elapsed() < QUICK / 2 {
                slow.remove(&tenant);
            }
            if done.is_ok() {
                self.counted.compacted.note(&tenant, began);
            }
            note(log, &tenant, &done);
        }
    }
}

/// Logs what came of the compaction for a tenant.
fn note(log: &FailureLog, tenant: &TenantId, done: &Result<i64>) {
    if let Ok(deltas @ 1..) = done {
        tracing::debug!(tenant.id = tenant.as_str(), deltas, "counts compacted");
    }
    log.note(Some(tenant), done, "the tenant's counts are not compacted");
}
