//! A histogram of durations that many threads add to without a lock: two relaxed atomic additions each.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The numbers of durations up to each of some bounds, and their sum.
#[derive(Debug)]
pub struct Histogram {
    /// The upper bounds in microseconds, ascending.
    bounds: &'static [u64],
    /// One for each bound, and one for the durations above all of them.
    counts: Box<[AtomicU64]>,
    /// In microseconds.
    sum: AtomicU64,
}

/// The content of a [`Histogram`].
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramValues {
    /// The upper bound in seconds and the number of durations up to it and above the bound before; the last bound is
    /// infinite.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of the durations, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// An empty histogram. `bounds` are upper bounds in microseconds, ascending; a bound belongs to its bucket.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Adds a duration.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < micros);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.sum.fetch_add(micros, Relaxed);
    }

    /// The content. Durations that are added meanwhile may be in the sum and not yet in a bucket, or the reverse.
    pub fn values(&self) -> HistogramValues {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let bounds = self.bounds.iter().map(|bound| seconds(*bound));
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        HistogramValues {
            buckets: bounds.chain([f64::INFINITY]).zip(counts).collect(),
            sum: seconds(self.sum.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&[1_000, 250_000]);
        for micros in [0, 1_000, 1_001, 250_000, 250_001, 9_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let HistogramValues { buckets, sum } = histogram.values();
        assert_eq!(buckets, [(0.001, 2), (0.25, 2), (f64::INFINITY, 2)]);
        assert!((sum - 9.502_002).abs() < 1e-9, "{sum}");
    }
}
