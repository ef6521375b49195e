//! Quotas: how many calls, and how much database time, a key and a tenant may use within a window.
//!
//! Each quota is a token bucket in one atomic number (the generic cell rate algorithm, GCRA: ITU-T I.371): the time at
//! which the bucket is full again. A check takes no lock and costs tens of nanoseconds. Calls are paid for when they
//! begin. Database time is known only afterwards, so it is charged when a statement ends and may take the bucket below
//! zero; calls are then refused until it is above zero again.
//!
//! The cost of a statement is the time for which PostgreSQL worked on it, as the service sees it. The time that a call
//! waits for a connection is not charged. [`paid_by`] names the account for all statements of a future; statements
//! outside of such a future, such as those of the background workers, are free.

mod bucket;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::bucket::Bucket;

use self::bucket::{nanos, now};
use crate::{
    domain::rate::{Limit, Rate, Unit},
    error::{Error, ErrorKind, ErrorReason, Result},
};

tokio::task_local! {
    /// The account that pays for the statements of the current task.
    static PAYER: Arc<Account>;
}

/// The limits of the calls of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The calls of the key.
    pub key_calls: Limit,
    /// The database time of the key.
    pub key_cost: Limit,
    /// The calls of all keys of the tenant together.
    pub tenant_calls: Limit,
    /// The database time of all keys of the tenant together.
    pub tenant_cost: Limit,
}

impl Limits {
    /// No limits.
    pub const OFF: Self = Self {
        key_calls: Limit::Off,
        key_cost: Limit::Off,
        tenant_calls: Limit::Off,
        tenant_cost: Limit::Off,
    };
}

/// The buckets of a key or of a tenant.
#[derive(Debug, Default)]
pub struct Meter {
    calls: Bucket,
    cost: Bucket,
}

impl Meter {
    /// Whether both buckets are full, so that forgetting them changes nothing.
    pub fn is_full(&self) -> bool {
        self.calls.is_full() && self.cost.is_full()
    }
}

/// A quota of an account. The names are those of the `RateLimit` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// `key`, `key-cost`, `tenant` or `tenant-cost`.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Whether it is the tenant's; otherwise the key's.
    pub is_tenants: bool,
}

const QUOTAS: [Quota; 4] = [
    Quota {
        name: "key",
        unit: Unit::Calls,
        is_tenants: false,
    },
    Quota {
        name: "key-cost",
        unit: Unit::Cost,
        is_tenants: false,
    },
    Quota {
        name: "tenant",
        unit: Unit::Calls,
        is_tenants: true,
    },
    Quota {
        name: "tenant-cost",
        unit: Unit::Cost,
        is_tenants: true,
    },
];

/// The state of a quota.
#[derive(Debug, Clone, Copy)]
pub struct QuotaState {
    /// Which quota.
    pub quota: Quota,
    /// Its limit.
    pub rate: Rate,
    /// What is left, in the unit of the quota.
    pub left: u64,
    /// The time until nothing is missing.
    pub full_in: Duration,
}

/// The quotas of one key, and the share of its tenant's.
#[derive(Debug)]
pub struct Account {
    key: Arc<Meter>,
    tenant: Arc<Meter>,
    limits: Limits,
}

impl Account {
    /// An account with these meters; `None` if nothing is limited.
    pub fn new(key: Arc<Meter>, tenant: Arc<Meter>, limits: Limits) -> Option<Arc<Self>> {
        (limits != Limits::OFF).then(|| {
            Arc::new(Self {
                key,
                tenant,
                limits,
            })
        })
    }

    /// The buckets of the key, for the account that replaces this one.
    pub fn key_meter(&self) -> &Arc<Meter> {
        &self.key
    }

    /// The limited quotas with their buckets.
    fn each(&self) -> impl Iterator<Item = (Quota, Rate, &Bucket)> {
        let all = [
            (self.limits.key_calls, &self.key.calls),
            (self.limits.key_cost, &self.key.cost),
            (self.limits.tenant_calls, &self.tenant.calls),
            (self.limits.tenant_cost, &self.tenant.cost),
        ];
        let all = QUOTAS.into_iter().zip(all);
        all.filter_map(|(quota, (limit, bucket))| Some((quota, limit.rate()?, bucket)))
    }

    /// Pays for one call. RESOURCE_EXHAUSTED with the delay after which a retry may succeed if a quota is used up; then
    /// nothing is paid.
    pub fn admit(&self) -> Result<()> {
        for (quota, rate, bucket) in self.each() {
            let refused = match quota.unit {
                // At least a microsecond of database time must be left.
                Unit::Cost => bucket.wait(rate),
                Unit::Calls => bucket.pay(rate).err(),
            };
            if let Some(wait) = refused {
                for (paid, rate, bucket) in self.each() {
                    if paid == quota {
                        break;
                    }
                    if paid.unit == Unit::Calls {
                        bucket.give_back(rate, 1);
                    }
                }
                return Err(used_up(quota, rate, wait));
            }
        }
        Ok(())
    }

    /// Charges database time.
    fn charge(&self, time: Duration) {
        let (now, micros) = (now(), time.as_micros() as u64);
        for (quota, rate, bucket) in self.each() {
            if quota.unit == Unit::Cost {
                bucket.charge(rate, micros, now);
            }
        }
    }

    /// The limited quotas of this account: the key's first, calls before database time.
    pub fn states(&self) -> impl Iterator<Item = QuotaState> {
        let now = now();
        self.each().map(move |(quota, rate, bucket)| {
            let missing = bucket.missing(now);
            let window = nanos(rate.window());
            let left = u128::from(window.saturating_sub(missing)) * u128::from(rate.amount());
            QuotaState {
                quota,
                rate,
                left: (left / u128::from(window)) as u64,
                full_in: Duration::from_nanos(missing),
            }
        })
    }

    /// The quota of which the largest share is used.
    pub fn tightest(&self) -> Option<QuotaState> {
        let share = |state: &QuotaState| {
            state.full_in.as_nanos() / u128::from(state.rate.window().as_secs())
        };
        // The first one wins among equals, which `max_by_key` would not do.
        self.states()
            .reduce(|a, b| if share(&b) > share(&a) { b } else { a })
    }
}

fn used_up(quota: Quota, rate: Rate, wait: Duration) -> Error {
    let whose = if quota.is_tenants {
        "this tenant"
    } else {
        "this key"
    };
    let what = match quota.unit {
        Unit::Calls => "calls",
        Unit::Cost => "of database time",
    };
    let limit = Limit::At(rate).text(quota.unit);
    let (amount, window) = limit.split_once('/').unwrap_or_default();
    let text = format!("the quota of {whose} is used up: {amount} {what} in {window}");
    Error::new(ErrorKind::ResourceExhausted, text)
        .because(ErrorReason::QuotaUsedUp)
        .with_fact("quota", quota.name)
        .with_retry_after(wait)
}

/// Runs a future whose statements `account` pays for, if there is one.
pub async fn paid_by<F: Future>(account: Option<Arc<Account>>, future: F) -> F::Output {
    match account {
        Some(account) => PAYER.scope(account, future).await,
        None => future.await,
    }
}

/// The account that pays for the statements of the current task, to charge it elsewhere.
pub fn payer() -> Option<Arc<Account>> {
    PAYER.try_with(Arc::clone).ok()
}

/// Calls a function whose statements `account` pays for, if there is one.
pub fn paid_by_sync<T>(account: Option<&Arc<Account>>, work: impl FnOnce() -> T) -> T {
    match account {
        Some(account) => PAYER.sync_scope(Arc::clone(account), work),
        None => work(),
    }
}

/// Measures a statement, and charges its time to the payer when it is dropped.
#[derive(Debug)]
pub struct Timer(Option<(Arc<Account>, Instant)>);

impl Timer {
    /// Starts to measure for the payer of the current task, if it has one.
    pub fn start() -> Self {
        Self::of(payer())
    }

    /// Starts to measure for this account.
    pub fn of(account: Option<Arc<Account>>) -> Self {
        Self(account.map(|account| (account, Instant::now())))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some((account, began)) = &self.0 {
            account.charge(began.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(amount: u64, seconds: u64) -> Rate {
        Rate::new(amount, Duration::from_secs(seconds))
    }

    #[test]
    fn a_bucket_holds_its_amount_and_refills_evenly() {
        let (bucket, rate) = (Bucket::default(), rate(10, 5));
        let start = 100 * SECOND;
        for n in 0..10 {
            assert_eq!(bucket.try_take(rate, 1, start), Ok(()), "{n}");
        }
        assert_eq!(bucket.try_take(rate, 1, start), Err(SECOND / 2));
        assert_eq!(bucket.try_take(rate, 4, start), Err(2 * SECOND));
        assert_eq!(bucket.try_take(rate, 1, start + SECOND / 2), Ok(()));
        assert!(bucket.try_take(rate, 1, start + SECOND / 2).is_err());
        // After any long pause it holds no more than its amount.
        let later = start + 1000 * SECOND;
        assert_eq!(bucket.try_take(rate, 11, later), Err(SECOND / 2));
        assert_eq!(bucket.try_take(rate, 10, later), Ok(()));
        bucket.give_back(rate, 2);
        assert_eq!(bucket.try_take(rate, 2, later), Ok(()));
    }

    #[test]
    fn a_charge_may_go_below_zero_and_is_paid_off() {
        let (bucket, rate) = (Bucket::default(), rate(1000, 1));
        bucket.charge(rate, 3000, SECOND);
        assert_eq!(bucket.missing(SECOND), 3 * SECOND);
        assert_eq!(
            bucket.try_take(rate, 1, SECOND),
            Err(2 * SECOND + SECOND / 1000)
        );
        assert_eq!(bucket.try_take(rate, 1000, 4 * SECOND), Ok(()));
    }

    /// A refused call pays nothing, whichever quota refuses it.
    #[test]
    fn a_refused_call_pays_nothing() {
        let hour = |amount| Limit::At(rate(amount, 3600));
        let limits = Limits {
            key_calls: hour(10),
            tenant_calls: hour(3),
            ..Limits::OFF
        };
        let account = Account::new(Arc::default(), Arc::default(), limits).expect("limits");
        for _ in 0..3 {
            account.admit().expect("the quotas allow it");
        }
        for _ in 0..5 {
            let error = account.admit().expect_err("the tenant's quota is used up");
            assert_eq!(error.facts(), [("quota", "tenant".to_owned())]);
            assert!(error.retry_after() > Some(Duration::from_secs(1000)));
        }
        let left: Vec<_> = account.states().map(|state| state.left).collect();
        assert_eq!(left, [7, 0]);
        assert_eq!(
            account.tightest().map(|state| state.quota.name),
            Some("tenant")
        );
    }

    #[test]
    fn database_time_is_refused_once_it_is_used_up() {
        let limits = Limits {
            key_cost: Limit::At(rate(1_000_000, 3600)),
            ..Limits::OFF
        };
        let account = Account::new(Arc::default(), Arc::default(), limits).expect("limits");
        account.charge(Duration::from_millis(999));
        account.admit().expect("a millisecond is left");
        account.charge(Duration::from_secs(9));
        let error = account.admit().expect_err("the quota is used up");
        assert_eq!(error.facts(), [("quota", "key-cost".to_owned())]);
        // Nine thousandths of a second more than the amount of an hour: about nine hours.
        assert!(error.retry_after() > Some(Duration::from_secs(8 * 3600)));
    }
}
