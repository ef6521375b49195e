//! The token bucket of a quota.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::domain::rate::Rate;

/// Nanoseconds since the first call of this function.
pub(super) fn now() -> u64 {
    static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
    // The number fits for 584 years.
    STARTED.elapsed().as_nanos() as u64
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The time in which `amount` flows into a bucket, in nanoseconds.
pub(super) fn refill(rate: Rate, amount: u64) -> u64 {
    let time = u128::from(amount) * u128::from(nanos(rate.window())) / u128::from(rate.amount());
    u64::try_from(time).unwrap_or(u64::MAX)
}

/// A token bucket: when it is full again, in nanoseconds of `now`. The limit is a parameter of each use, because the
/// limit of a key may change while its bucket lives on.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

impl Bucket {
    /// Takes one; if the bucket is empty, takes nothing and returns the time until it holds one.
    pub fn pay(&self, rate: Rate) -> Result<(), Duration> {
        self.try_take(rate, 1, now()).map_err(Duration::from_nanos)
    }

    /// The time until the bucket holds one; `None` if it does.
    pub fn wait(&self, rate: Rate) -> Option<Duration> {
        let owed = self.missing(now()).saturating_add(refill(rate, 1));
        let wait = owed.saturating_sub(nanos(rate.window()));
        (wait > 0).then(|| Duration::from_nanos(wait))
    }

    /// Whether nothing is missing, so that forgetting the bucket changes nothing.
    pub fn is_full(&self) -> bool {
        self.missing(now()) == 0
    }

    /// Takes `amount`; if the bucket holds less, takes nothing and returns the nanoseconds until it holds enough.
    pub(super) fn try_take(&self, rate: Rate, amount: u64, now: u64) -> Result<(), u64> {
        let mut wait = 0;
        let taken = self.0.fetch_update(Relaxed, Relaxed, |full_at| {
            let full_at = full_at.max(now).saturating_add(refill(rate, amount));
            wait = (full_at - now).saturating_sub(nanos(rate.window()));
            (wait == 0).then_some(full_at)
        });
        taken.map(drop).map_err(|_| wait)
    }

    /// Takes `amount`, also if the bucket holds less.
    pub(super) fn charge(&self, rate: Rate, amount: u64, now: u64) {
        let full_at = |full_at: u64| Some(full_at.max(now).saturating_add(refill(rate, amount)));
        // The closure always returns a value, so this does not fail.
        let _ = self.0.fetch_update(Relaxed, Relaxed, full_at);
    }

    pub(super) fn give_back(&self, rate: Rate, amount: u64) {
        let time = refill(rate, amount);
        let _ = self.0.fetch_update(Relaxed, Relaxed, |full_at| {
            Some(full_at.saturating_sub(time))
        });
    }

    /// Nanoseconds until the bucket is full.
    pub(super) fn missing(&self, now: u64) -> u64 {
        self.0.load(Relaxed).saturating_sub(now)
    }
}
