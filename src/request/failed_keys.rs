//! Limits the calls without a valid key from each address.
//!
//! A wrong key costs a query, and each such call costs a log line. An address that has sent too many gets RESOURCE_EXHAUSTED
//! for the next ones, which share one log line a minute, and the keys that the service does not know are checked behind
//! those of other addresses. A valid key is accepted all the same: other callers may have the same address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::origin::Origin;
use crate::{
    domain::rate::{Limit, Rate},
    quota::Bucket,
    telemetry::RareLog,
};

/// The maximum number of addresses with a bucket of their own, of about 50 bytes each. Further ones share a bucket.
const MOST: usize = 50_000;
/// The address of the shared bucket, which no client has.
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// The minimum time between two searches for addresses that may be forgotten.
const CLEAN_STEP: Duration = Duration::from_secs(1);

/// What each address may still send.
#[derive(Debug)]
pub struct FailedKeys {
    limit: Limit,
    buckets: Mutex<Buckets>,
    /// Refused calls.
    pub(super) log: RareLog,
}

#[derive(Debug, Default)]
struct Buckets {
    of: HashMap<Origin, Bucket>,
    cleaned: Option<Instant>,
}

impl FailedKeys {
    /// `limit` is the rate of one address.
    pub fn new(limit: Limit) -> Self {
        Self {
            limit,
            buckets: Mutex::default(),
            log: RareLog::default(),
        }
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the address has sent too many.
    pub(super) fn is_exceeded(&self, address: IpAddr) -> bool {
        self.limit.rate().is_some_and(|rate| {
            let buckets = self.buckets();
            let bucket = buckets.of.get(&buckets.origin(address));
            bucket.is_some_and(|bucket| bucket.wait(rate).is_some())
        })
    }

    /// Counts a call without a valid key. If it is one too many, returns the time until another one is not.
    pub(super) fn count(&self, address: IpAddr) -> Option<Duration> {
        let rate = self.limit.rate()?;
        self.buckets().count(address, rate)
    }
}

impl Buckets {
    /// What the address is counted as.
    fn origin(&self, address: IpAddr) -> Origin {
        let origin = Origin::from(address);
        match self.of.len() < MOST || self.of.contains_key(&origin) {
            true => origin,
            false => Origin::from(OTHERS),
        }
    }

    fn count(&mut self, address: IpAddr, rate: Rate) -> Option<Duration> {
        let is_late = self.cleaned.is_none_or(|at| at.elapsed() >= CLEAN_STEP);
        if self.of.len() >= MOST && is_late {
            self.of.retain(|_, bucket| !bucket.is_full());
            self.cleaned = Some(Instant::now());
        }
        let origin = self.origin(address);
        self.of.entry(origin).or_default().pay(rate).err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        Ipv4Addr::from(0x0a00_0000 + n).into()
    }

    #[test]
    fn the_memory_is_bounded_and_nobody_escapes() {
        let rate = Rate::new(3, Duration::from_secs(3600));
        let mut buckets = Buckets::default();
        let most = u32::try_from(MOST).expect("it is small");
        for n in 0..most {
            assert_eq!(buckets.count(address(n), rate), None, "{n}");
        }
        // Nothing can be forgotten yet, so the others share a bucket.
        for n in most..most + 3 {
            assert_eq!(buckets.count(address(n), rate), None, "{n}");
        }
        assert!(buckets.count(address(most + 3), rate).is_some());
        assert!(buckets.count(address(most + 4), rate).is_some());
        assert_eq!(buckets.of.len(), MOST + 1);
        // An address with a bucket of its own is not affected.
        assert_eq!(buckets.count(address(7), rate), None);
        // Buckets that are full again are forgotten.
        buckets.of.retain(|_, bucket| {
            *bucket = Bucket::default();
            true
        });
        buckets.cleaned = None;
        assert_eq!(buckets.count(address(most + 5), rate), None);
        assert_eq!(buckets.of.len(), 1);
    }
}
