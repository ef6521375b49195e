//! What a statement is expected to cost, which decides its lane in the queue for connections.
//!
//! Statements of the same [`Work`] take about the same time: it is the tenant, and what distinguishes quick statements
//! from slow ones, such as the order of a list, the kinds of its conditions and how far down the page is. [`Costs`]
//! learns the mean time of each from how long its statements held their connections. A list that searches names, starts
//! far down or adds up targets is taken for slow until it has been measured, and any other statement for quick. A wrong estimate costs
//! fairness only, never an answer.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    mem::discriminant,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{
    domain::{
        fields::OrderBy,
        filter::{Condition, RowCondition},
        list::ListQuery,
        page::Start,
        tenant::TenantId,
    },
    fair_queue::Lane,
};

/// The number of estimates. Two kinds of work may share one.
const ESTIMATES: usize = 4096;
/// The weight of the newest measurement, as a divisor.
const WEIGHT: u32 = 4;
/// Work that takes longer than this is slow, if PostgreSQL itself is not.
const SLOW_MICROS: u32 = 10_000;
/// Added to it for each microsecond that the fastest statement of late took: with PostgreSQL far away, every statement
/// takes long without costing much.
const PER_FASTEST: u32 = 8;
/// How long the fastest statement is remembered; at most twice as long.
const LATE: Duration = Duration::from_secs(10);
/// The offset from which a page is taken for slow until it has been measured.
const FAR: i64 = 256;
/// The longest text that is distinguished by its length. Longer ones find fewer names.
const SHORT_TEXT: usize = 4;

/// A kind of statement of one tenant, or of the service itself.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// The tenant that it takes the turn of; `None` for the service itself.
    pub(super) tenant: Option<&'a TenantId>,
    /// The tenant whose rows it reaches; `None` for functions over all tenants and for what has no tenant.
    pub(super) rows_of: Option<&'a TenantId>,
    estimate: usize,
    is_suspect: bool,
}

impl<'a> Work<'a> {
    /// The service's own work, which waits in a queue of its own.
    pub(super) const SERVICE: Work<'static> = Work {
        tenant: None,
        rows_of: None,
        estimate: 0,
        is_suspect: false,
    };

    /// The same, on rows of a tenant.
    pub(super) fn service_for(tenant: &'a TenantId) -> Self {
        Self {
            rows_of: Some(tenant),
            ..Work::SERVICE
        }
    }

    /// Work that is distinguished by a name and by the number of things that it works on.
    pub(crate) fn named(tenant: &'a TenantId, name: &str, count: usize) -> Self {
        Self::new(tenant, false, (name, count.checked_ilog2()))
    }

    /// Reading a list.
    pub(crate) fn list(tenant: &'a TenantId, query: &ListQuery) -> Self {
        let ListQuery {
            filter,
            order,
            start,
            limit,
            target_limit: _,
            count,
            status_counts,
            target_sums,
            attention_counts,
        } = query;
        let mut shape = DefaultHasher::new();
        (order, limit.checked_ilog2(), count, status_counts).hash(&mut shape);
        (target_sums, attention_counts.is_some()).hash(&mut shape);
        let offset = match start {
            Start::Offset(offset) => *offset,
            Start::After(_) => -1,
        };
        offset.checked_ilog2().hash(&mut shape);
        let mut is_suspect = offset >= FAR || *target_sums;
        for condition in filter.conditions() {
            discriminant(&condition).hash(&mut shape);
            match condition {
                Condition::Row(RowCondition::Status(statuses)) => statuses.hash(&mut shape),
                Condition::Row(RowCondition::Date(date)) => {
                    let span = match date.range.bounds() {
                        (Some(start), Some(end)) => (end - start).num_hours().checked_ilog2(),
                        _ => None,
                    };
                    (date.field, span).hash(&mut shape);
                }
                Condition::Customer(_) => {}
                Condition::Attention(attention) => attention.hash(&mut shape),
                Condition::NamePart(text) => {
                    text.chars().take(SHORT_TEXT).count().hash(&mut shape);
                    is_suspect = true;
                }
                Condition::Id(ids) => ids.as_slice().len().checked_ilog2().hash(&mut shape),
                Condition::Labels(labels) => {
                    labels.terms().len().hash(&mut shape);
                    // One label in the order of its index is fast, however many tasks have it.
                    is_suspect |= labels.terms().len() > 1 || order.by != OrderBy::StartTime;
                }
            }
        }
        Self::new(tenant, is_suspect, shape.finish())
    }

    fn new(tenant: &'a TenantId, is_suspect: bool, shape: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        (tenant, shape).hash(&mut hasher);
        Self {
            tenant: Some(tenant),
            rows_of: Some(tenant),
            // The remainder fits into any integer.
            estimate: (hasher.finish() % ESTIMATES as u64) as usize,
            is_suspect,
        }
    }
}

/// What is known about the time of each kind of work.
pub(super) struct Costs {
    /// Mean times in microseconds; 0 until there is a measurement.
    means: Box<[AtomicU32]>,
    /// The shortest times of the present and of the last period, in microseconds.
    fastest: [AtomicU32; 2],
    began: Instant,
    /// The number of the present period.
    period: AtomicU64,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            means: (0..ESTIMATES).map(|_| AtomicU32::new(0)).collect(),
            fastest: [const { AtomicU32::new(u32::MAX) }; 2],
            began: Instant::now(),
            period: AtomicU64::new(0),
        }
    }
}

impl Costs {
    /// The lane of such work.
    pub(super) fn lane(&self, work: &Work<'_>) -> Lane {
        let mean = self.means[work.estimate].load(Relaxed);
        let is_slow = match (work.tenant, mean) {
            (None, _) => false,
            (Some(_), 0) => work.is_suspect,
            (Some(_), mean) => mean > self.slow_from(),
        };
        if is_slow { Lane::Slow } else { Lane::Quick }
    }

    fn slow_from(&self) -> u32 {
        let [now, before] = &self.fastest;
        match now.load(Relaxed).min(before.load(Relaxed)) {
            u32::MAX => SLOW_MICROS,
            fastest => SLOW_MICROS.saturating_add(fastest.saturating_mul(PER_FASTEST)),
        }
    }

    /// Records how long a statement held its connection.
    pub(super) fn note(&self, estimate: usize, took: Duration) {
        let micros = u32::try_from(took.as_micros())
            .unwrap_or(u32::MAX / WEIGHT)
            .clamp(1, u32::MAX / WEIGHT);
        let mean = &self.means[estimate];
        let next = match mean.load(Relaxed) {
            0 => micros,
            old => (old.min(u32::MAX / WEIGHT) * (WEIGHT - 1) + micros) / WEIGHT,
        };
        // A measurement that another thread records meanwhile may be lost.
        mean.store(next.max(1), Relaxed);

        let period = (self.began.elapsed().as_secs() / LATE.as_secs()).max(1);
        let last = self.period.load(Relaxed);
        let [now, before] = &self.fastest;
        if period != last
            && self
                .period
                .compare_exchange(last, period, Relaxed, Relaxed)
                .is_ok()
        {
            before.store(now.swap(u32::MAX, Relaxed), Relaxed);
        }
        if micros < now.load(Relaxed) {
            now.fetch_min(micros, Relaxed);
        }
    }

    /// The estimate of `work`, to record its time.
    pub(super) fn estimate(work: &Work<'_>) -> usize {
        work.estimate
    }
}
