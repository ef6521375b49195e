//! Values that other modules keep, and that are read when the metrics are requested.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::calls::{encode_counter, encode_histogram};
use crate::histogram::HistogramValues;

/// Values that are read when the metrics are requested. Reading them costs no query: what needs SQL is read by workers.
#[derive(Debug, Default)]
pub struct Vitals {
    /// Database connections in use, and open database connections.
    pub pool_used: usize,
    /// Open database connections.
    pub pool_open: usize,
    /// Calls waiting for a database connection.
    pub pool_waiting: usize,
    /// Calls that got no database connection because their turn would have come too late.
    pub pool_refused: u64,
    /// How long calls waited for a database connection; `None` before the metrics are first requested.
    pub pool_wait: Option<HistogramValues>,
    /// Seconds by which this machine's clock is ahead of PostgreSQL's; `None` until it has been measured.
    pub clock_skew: Option<f64>,
    /// Bytes of changes buffered for slow watches.
    pub watch_buffer: usize,
    /// Seconds since the watches' reader last had all that is committed; `None` before that.
    pub watch_lag: Option<f64>,
    /// Watches that ended because changes were lost to them.
    pub watches_dropped: u64,
    /// Calls that got a cached list answer.
    pub list_cache_hits: u64,
    /// Calls that got the answer of a list statement.
    pub list_cache_misses: u64,
    /// Checks whether anything has changed.
    pub list_cache_checks: u64,
    /// Bytes of the cached list answers.
    pub list_cache_bytes: u64,
    /// Deltas of the counts that are not compacted; `None` until they have been counted.
    pub counts_pending: Option<u64>,
    /// Seconds since the compaction of the tenant that has waited longest; `None` before the first compaction.
    pub counts_lag: Option<f64>,
    /// Tasks that are due to be started or ended; `None` until they have been counted.
    pub schedule_due: Option<u64>,
    /// Seconds for which the first of them has been due.
    pub schedule_lag: Option<f64>,
    /// Tasks that the schedule started or ended.
    pub schedule_changed: u64,
    /// Attempts of the schedule that failed.
    pub schedule_failures: u64,
    /// Imports by callers.
    pub imports: TransferVitals,
    /// Bytes of files that imports read.
    pub import_bytes: u64,
    /// Exports by callers.
    pub exports: TransferVitals,
    /// For each background worker: its name, whether it runs, and how often it was restarted.
    pub workers: Vec<(&'static str, bool, u64)>,
}

/// The numbers of imports or exports.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransferVitals {
    /// Those in progress.
    pub running: i64,
    /// Those that did not complete.
    pub failed: u64,
    /// Tasks, or customers of lead lists.
    pub rows: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabels {
    worker: &'static str,
}

/// The values of the last request for metrics.
#[derive(Debug, Default)]
pub(super) struct LastVitals(Mutex<Arc<Vitals>>);

impl LastVitals {
    pub(super) fn set(&self, vitals: Vitals) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(vitals);
    }

    fn get(&self) -> Arc<Vitals> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Collector for LastVitals {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let vitals = self.get();
        let mut out = Output(&mut encoder);
        out.pool(&vitals)?;
        out.list_cache(&vitals)?;
        out.counts(&vitals)?;
        out.watches(&vitals)?;
        out.schedule(&vitals)?;
        out.transfers(&vitals)?;
        out.seconds(
            "clock_skew",
            "Seconds by which this machine's clock is ahead of PostgreSQL's; NaN until it has been measured",
            vitals.clock_skew,
        )?;
        out.workers(&vitals)
    }
}

struct Output<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Output<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(&value)
    }

    /// A gauge whose value may not be known yet: NaN then.
    fn known(&mut self, name: &str, help: &str, value: Option<u64>) -> fmt::Result {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(&value.map_or(f64::NAN, |value| value as f64))
    }

    /// A gauge in seconds whose value may not be known yet: NaN then.
    fn seconds(&mut self, name: &str, help: &str, value: Option<f64>) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let mut metric = (self.0).encode_descriptor(name, help, unit, MetricType::Gauge)?;
        metric.encode_gauge(&value.unwrap_or(f64::NAN))
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let mut metric = (self.0).encode_descriptor(name, help, None, MetricType::Counter)?;
        encode_counter(&mut metric, value)
    }

    fn pool(&mut self, vitals: &Vitals) -> fmt::Result {
        let (used, open) = (vitals.pool_used as i64, vitals.pool_open as i64);
        self.gauge("pool_used", "Database connections in use", used)?;
        let idle = "Open database connections that no call uses";
        self.gauge("pool_idle", idle, open.saturating_sub(used).max(0))?;
        self.gauge("pool_open", "Open database connections", open)?;
        self.gauge(
            "pool_waiting",
            "Calls waiting for a database connection",
            vitals.pool_waiting as i64,
        )?;
        self.counter(
            "pool_refused",
            "Calls refused because they would have waited too long for a database connection",
            vitals.pool_refused,
        )?;
        let mut wait = self.0.encode_descriptor(
            "pool_wait",
            "Time for which statements waited for a database connection, 0 for most",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        match &vitals.pool_wait {
            Some(values) => encode_histogram(&mut wait, values),
            None => Ok(()),
        }
    }

    fn list_cache(&mut self, vitals: &Vitals) -> fmt::Result {
        self.gauge(
            "list_cache_bytes",
            "Bytes of the answers kept for later calls",
            vitals.list_cache_bytes as i64,
        )?;
        self.counter(
            "list_cache_hits",
            "Lists and tasks that were answered from the cache, after a check that nothing has changed",
            vitals.list_cache_hits,
        )?;
        self.counter(
            "list_cache_misses",
            "Lists and tasks that were answered by a statement, alone or together with others",
            vitals.list_cache_misses,
        )?;
        self.counter(
            "list_cache_checks",
            "Checks whether anything of a tenant has changed; one serves all calls that wait for it",
            vitals.list_cache_checks,
        )
    }

    fn counts(&mut self, vitals: &Vitals) -> fmt::Result {
        self.known(
            "counts_pending_deltas",
            "Deltas of the count index that are not compacted, of all tenants, up to 100,000; NaN until they have been counted",
            vitals.counts_pending,
        )?;
        self.seconds(
            "counts_compaction_lag",
            "Time since the compaction of the tenant that has waited longest; a minute is normal",
            vitals.counts_lag,
        )
    }

    fn watches(&mut self, vitals: &Vitals) -> fmt::Result {
        self.gauge(
            "watch_buffer_bytes",
            "Bytes of changes buffered for slow watches",
            vitals.watch_buffer as i64,
        )?;
        self.seconds(
            "watch_lag",
            "Time since the reader of the change log last had all that is committed; up to a second is normal",
            vitals.watch_lag,
        )?;
        self.counter(
            "watches_dropped",
            "Watches that had to list their tasks again, because they were too far behind or changes were lost",
            vitals.watches_dropped,
        )
    }

    fn schedule(&mut self, vitals: &Vitals) -> fmt::Result {
        self.known(
            "schedule_due",
            "Tasks that are due to be started or ended, up to 1,000 of each tenant and status; NaN until they have been counted",
            vitals.schedule_due,
        )?;
        self.seconds(
            "schedule_lag",
            "Time for which the first of the due tasks has been due; 0 without any",
            vitals.schedule_lag,
        )?;
        self.counter(
            "schedule_changed",
            "Tasks that this service started or ended at their times",
            vitals.schedule_changed,
        )?;
        self.counter(
            "schedule_failures",
            "Attempts to start and end the due tasks of a tenant that failed",
            vitals.schedule_failures,
        )
    }

    fn transfers(&mut self, vitals: &Vitals) -> fmt::Result {
        let TransferVitals {
            running,
            failed,
            rows,
        } = vitals.imports;
        self.gauge("imports_running", "Imports in progress", running)?;
        self.counter(
            "imports_failed",
            "Imports that loaded nothing: an error, a bad file, or a caller that disconnected",
            failed,
        )?;
        let what = "Tasks, and customers of lead lists, that imports loaded";
        self.counter("imports_rows", what, rows)?;
        let what = "Bytes of files that imports read";
        self.counter("imports_bytes", what, vitals.import_bytes)?;
        let TransferVitals {
            running,
            failed,
            rows,
        } = vitals.exports;
        self.gauge("exports_running", "Exports in progress", running)?;
        self.counter(
            "exports_failed",
            "Exports that did not reach their end: an error, or a caller that disconnected",
            failed,
        )?;
        let what = "Tasks that were exported; stream_sent_bytes has the bytes";
        self.counter("exports_rows", what, rows)
    }

    fn workers(&mut self, vitals: &Vitals) -> fmt::Result {
        let mut up = self.0.encode_descriptor(
            "worker_up",
            "Whether a background worker runs (1) or is waiting to be restarted (0)",
            None,
            MetricType::Gauge,
        )?;
        for (worker, is_up, _) in &vitals.workers {
            let labels = WorkerLabels { worker };
            let mut of_worker = up.encode_family(&labels)?;
            of_worker.encode_gauge(&i64::from(*is_up))?;
        }
        let mut restarts = self.0.encode_descriptor(
            "worker_restarts",
            "How often a background worker was restarted after it failed",
            None,
            MetricType::Counter,
        )?;
        for (worker, _, count) in &vitals.workers {
            let labels = WorkerLabels { worker };
            encode_counter(&mut restarts.encode_family(&labels)?, *count)?;
        }
        Ok(())
    }
}
