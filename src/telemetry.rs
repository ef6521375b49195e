//! Telemetry for the operator: logs on standard error, metrics in OpenMetrics format.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

mod logs;

pub use self::logs::{LogFormat, RareLog, end_logging, start_logging};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    path: String,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WorkerLabels {
    worker: &'static str,
}

/// Values that are read when the metrics are requested.
#[derive(Debug)]
pub struct Vitals {
    /// Database connections in use, open database connections, and calls waiting for one.
    pub pool: (usize, usize, usize),
    /// Calls that got no database connection because their turn would have come too late.
    pub pool_refused: u64,
    /// Seconds by which this machine's clock is ahead of PostgreSQL's; `None` until it has been measured.
    pub clock_skew: Option<f64>,
    /// Bytes of changes buffered for slow watches.
    pub watch_buffer: usize,
    /// Calls that got a cached list answer, calls that got the answer of a list statement, and checks that were sent.
    pub list_cache: [u64; 3],
    /// Bytes of the cached list answers.
    pub list_cache_bytes: u64,
    /// For each background worker: its name, whether it runs, and how often it was restarted.
    pub workers: Vec<(&'static str, bool, u64)>,
}

/// The metrics of the process. The accessors return the ones that other modules update.
pub struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    seconds: Histogram,
    connections: Gauge,
    floods: Counter,
    given_way: Counter,
    connections_refused: Counter,
    proxy_headers_refused: Counter,
    failed_keys_refused: Counter,
    failed_handshakes: Counter,
    certificate_expiry: Gauge<f64, AtomicU64>,
    watches: Gauge,
    watch_buffer: Gauge,
    list_cache: [Counter; 3],
    list_cache_bytes: Gauge,
    pool_used: Gauge,
    pool_open: Gauge,
    pool_waiting: Gauge,
    pool_refused: Counter,
    log_lines_lost: Counter,
    refused: Counter,
    clock_skew: Gauge<f64, AtomicU64>,
    worker_up: Family<WorkerLabels, Gauge>,
    worker_restarts: Family<WorkerLabels, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        // Buckets from 0.25 ms, doubling, to 33 s; longer calls are streams.
        let seconds = Histogram::new((0..18).map(|i| 0.00025 * f64::from(1 << i)));
        let mut metrics = Self {
            registry: Registry::with_prefix("outbound_tasks"),
            calls: Family::default(),
            seconds,
            connections: Gauge::default(),
            floods: Counter::default(),
            given_way: Counter::default(),
            connections_refused: Counter::default(),
            proxy_headers_refused: Counter::default(),
            failed_keys_refused: Counter::default(),
            failed_handshakes: Counter::default(),
            certificate_expiry: Gauge::default(),
            watches: Gauge::default(),
            watch_buffer: Gauge::default(),
            list_cache: Default::default(),
            list_cache_bytes: Gauge::default(),
            pool_used: Gauge::default(),
            pool_open: Gauge::default(),
            pool_waiting: Gauge::default(),
            pool_refused: Counter::default(),
            log_lines_lost: Counter::default(),
            refused: Counter::default(),
            clock_skew: Gauge::default(),
            worker_up: Family::default(),
            worker_restarts: Family::default(),
        };
        // No value until the first measurement.
        metrics.clock_skew.set(f64::NAN);
        metrics.certificate_expiry.set(f64::NAN);
        let registry = &mut metrics.registry;
        registry.register(
            "calls",
            "Calls by path and code: the gRPC status number or, for an HTTP GET, the HTTP status; gone: the caller disconnected; cut: an HTTP stream was aborted",
            metrics.calls.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "Time from the headers of a call to its response, or to the end of its stream",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register(
            "control_frame_floods",
            "Connections closed because their clients sent too many HTTP/2 control frames",
            metrics.floods.clone(),
        );
        registry.register(
            "connections_given_way",
            "Idle client connections closed to make room for new ones",
            metrics.given_way.clone(),
        );
        registry.register(
            "connections_refused",
            "Client connections refused because their address had the maximum number open",
            metrics.connections_refused.clone(),
        );
        registry.register(
            "proxy_headers_refused",
            "Client connections closed because their PROXY header was malformed, late, or not of a trusted proxy",
            metrics.proxy_headers_refused.clone(),
        );
        registry.register(
            "failed_keys_refused",
            "Calls refused because too many without a valid key came from their address",
            metrics.failed_keys_refused.clone(),
        );
        registry.register(
            "tls_handshakes_failed",
            "TLS handshakes of clients that failed or took too long",
            metrics.failed_handshakes.clone(),
        );
        registry.register_with_unit(
            "tls_certificate_expiry",
            "Unix time at which the TLS certificate in use expires; NaN without TLS",
            Unit::Seconds,
            metrics.certificate_expiry.clone(),
        );
        for (name, help, gauge) in [
            (
                "connections",
                "Open client connections",
                &metrics.connections,
            ),
            ("watches", "Open watches", &metrics.watches),
            (
                "watch_buffer_bytes",
                "Bytes of changes buffered for slow watches",
                &metrics.watch_buffer,
            ),
            (
                "list_cache_bytes",
                "Bytes of the answers kept for later calls",
                &metrics.list_cache_bytes,
            ),
            (
                "pool_used",
                "Database connections in use",
                &metrics.pool_used,
            ),
            ("pool_open", "Open database connections", &metrics.pool_open),
            (
                "pool_waiting",
                "Calls waiting for a database connection",
                &metrics.pool_waiting,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        registry.register(
            "pool_refused",
            "Calls refused because they would have waited too long for a database connection",
            metrics.pool_refused.clone(),
        );
        registry.register(
            "log_lines_lost",
            "Log lines that were not written because standard error took too few",
            metrics.log_lines_lost.clone(),
        );
        registry.register(
            "refused",
            "Calls answered with UNAVAILABLE or RESOURCE_EXHAUSTED; the log has a line a minute instead of one for each",
            metrics.refused.clone(),
        );
        let cached = [
            (
                "list_cache_hits",
                "Lists and tasks that were answered from the cache, after a check that nothing has changed",
            ),
            (
                "list_cache_misses",
                "Lists and tasks that were answered by a statement, alone or together with others",
            ),
            (
                "list_cache_checks",
                "Checks whether anything of a tenant has changed; one serves all calls that wait for it",
            ),
        ];
        for ((name, help), counter) in cached.into_iter().zip(&metrics.list_cache) {
            registry.register(name, help, counter.clone());
        }
        registry.register_with_unit(
            "clock_skew",
            "Seconds by which this machine's clock is ahead of PostgreSQL's; NaN until it has been measured",
            Unit::Seconds,
            metrics.clock_skew.clone(),
        );
        registry.register(
            "worker_up",
            "Whether a background worker runs (1) or is waiting to be restarted (0)",
            metrics.worker_up.clone(),
        );
        registry.register(
            "worker_restarts",
            "How often a background worker was restarted after it failed",
            metrics.worker_restarts.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// Counts one call. `path` must be a known route, because callers can send arbitrary paths.
    pub fn count_call(&self, path: &str, code: &str, elapsed: Duration) {
        let labels = CallLabels {
            path: path.to_owned(),
            code: code.to_owned(),
        };
        self.calls.get_or_create(&labels).inc();
        self.seconds.observe(elapsed.as_secs_f64());
    }

    /// The gauge of open client connections.
    pub fn connections(&self) -> &Gauge {
        &self.connections
    }

    /// The counter of connections closed because of too many HTTP/2 control frames.
    pub fn floods(&self) -> &Counter {
        &self.floods
    }

    /// The counter of idle connections closed to make room for new ones.
    pub fn given_way(&self) -> &Counter {
        &self.given_way
    }

    /// The counter of connections refused because of the limit of their address.
    pub fn connections_refused(&self) -> &Counter {
        &self.connections_refused
    }

    /// The counter of connections closed because of their PROXY header.
    pub fn proxy_headers_refused(&self) -> &Counter {
        &self.proxy_headers_refused
    }

    /// The counter of calls refused because too many without a valid key came from their address.
    pub fn failed_keys_refused(&self) -> &Counter {
        &self.failed_keys_refused
    }

    /// The counter of failed TLS handshakes.
    pub fn failed_handshakes(&self) -> &Counter {
        &self.failed_handshakes
    }

    /// The gauge of the Unix time at which the TLS certificate expires, in seconds.
    pub fn certificate_expiry(&self) -> &Gauge<f64, AtomicU64> {
        &self.certificate_expiry
    }

    /// The counter of refused calls.
    pub fn refused(&self) -> &Counter {
        &self.refused
    }

    /// The gauge of open watches.
    pub fn watches(&self) -> &Gauge {
        &self.watches
    }

    /// All metrics in OpenMetrics text format.
    pub fn render(&self, vitals: &Vitals) -> Result<String, fmt::Error> {
        let (used, open, waiting) = vitals.pool;
        // Read at each request instead of at each change, which would cost the calls.
        self.watch_buffer.set(vitals.watch_buffer as i64);
        self.list_cache_bytes.set(vitals.list_cache_bytes as i64);
        for (counter, count) in self.list_cache.iter().zip(vitals.list_cache) {
            counter.inner().store(count, Ordering::Relaxed);
        }
        self.pool_used.set(used as i64);
        self.pool_open.set(open as i64);
        self.pool_waiting.set(waiting as i64);
        let refused = self.pool_refused.inner();
        refused.store(vitals.pool_refused, Ordering::Relaxed);
        let lost = self.log_lines_lost.inner();
        lost.store(logs::lines_lost(), Ordering::Relaxed);
        if let Some(skew) = vitals.clock_skew {
            self.clock_skew.set(skew);
        }
        for (worker, is_up, restarts) in &vitals.workers {
            let labels = WorkerLabels { worker };
            self.worker_up.get_or_create(&labels).set(i64::from(*is_up));
            // Stores instead of adding, so that concurrent requests do not count a restart twice.
            let counter = self.worker_restarts.get_or_create(&labels);
            counter.inner().store(*restarts, Ordering::Relaxed);
        }
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
