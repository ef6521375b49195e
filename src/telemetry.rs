//! Telemetry for the operator: logs on standard error, metrics in OpenMetrics format.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

mod calls;
mod code;
mod logs;
mod vitals;

pub use self::{
    calls::{CallTransport, RouteCalls},
    code::Code,
    logs::{LogFormat, RareLog, change_log_filter, end_logging, log_filter, start_logging},
    vitals::{TransferVitals, Vitals},
};

use self::{calls::Calls, vitals::LastVitals};
use crate::traces::Outcome;

/// The commit that the program was built from; `unknown` for a debug build, and outside of a Git repository.
pub const COMMIT: &str = match env!("SOURCE_COMMIT").is_empty() {
    true => "unknown",
    false => env!("SOURCE_COMMIT"),
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuotaLabels {
    quota: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    commit: &'static str,
}

/// The metrics of the process. The accessors return the ones that other modules update.
pub struct Metrics {
    registry: Registry,
    calls: Arc<Calls>,
    vitals: Arc<LastVitals>,
    connections: Gauge,
    floods: Counter,
    given_way: Counter,
    connections_refused: Counter,
    proxy_headers_refused: Counter,
    failed_keys_refused: Counter,
    failed_handshakes: Counter,
    certificate_expiry: Gauge<f64, AtomicU64>,
    watches: Gauge,
    log_lines_lost: Counter,
    refused: Counter,
    quota_refused: Family<QuotaLabels, Counter>,
    trace_spans_sent: Counter,
    trace_spans_lost: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("outbound_tasks"),
            calls: Arc::default(),
            vitals: Arc::default(),
            connections: Gauge::default(),
            floods: Counter::default(),
            given_way: Counter::default(),
            connections_refused: Counter::default(),
            proxy_headers_refused: Counter::default(),
            failed_keys_refused: Counter::default(),
            failed_handshakes: Counter::default(),
            certificate_expiry: Gauge::default(),
            watches: Gauge::default(),
            log_lines_lost: Counter::default(),
            refused: Counter::default(),
            quota_refused: Family::default(),
            trace_spans_sent: Counter::default(),
            trace_spans_lost: Counter::default(),
        };
        // No value until the first measurement.
        metrics.certificate_expiry.set(f64::NAN);
        let registry = &mut metrics.registry;
        let build = BuildLabels {
            version: env!("CARGO_PKG_VERSION"),
            commit: COMMIT,
        };
        let what = "The version of the program, and the commit that it was built from";
        registry.register("build", what, Info::new(build));
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
        registry.register(
            "connections",
            "Open client connections",
            metrics.connections.clone(),
        );
        registry.register("watches", "Open watches", metrics.watches.clone());
        registry.register(
            "log_lines_lost",
            "Log lines that were not written because standard error took too few; those that a full disk refused are not counted",
            metrics.log_lines_lost.clone(),
        );
        registry.register(
            "refused",
            "Calls answered with UNAVAILABLE or RESOURCE_EXHAUSTED; the log has a line a minute instead of one for each",
            metrics.refused.clone(),
        );
        registry.register(
            "quota_refused",
            "Calls refused because a quota of their key or tenant was used up",
            metrics.quota_refused.clone(),
        );
        registry.register(
            "trace_spans_sent",
            "Spans of traces that the collector has taken; 0 without a collector",
            metrics.trace_spans_sent.clone(),
        );
        registry.register(
            "trace_spans_lost",
            "Spans of traces that were not sent, because the collector took none or too many waited",
            metrics.trace_spans_lost.clone(),
        );
        registry.register_collector(Box::new(Arc::clone(&metrics.calls)));
        registry.register_collector(Box::new(Arc::clone(&metrics.vitals)));
        metrics
    }
}

impl Metrics {
    /// The numbers of the calls with a path and transport. `path` must be a known route, because callers can send
    /// arbitrary paths.
    pub fn calls(&self, path: &str, transport: CallTransport) -> Arc<RouteCalls> {
        self.calls.of(path, transport)
    }

    /// Counts a call that a quota refused. `quota` must be the name of a quota.
    pub fn quota_refused(&self, quota: &str) {
        let quota = quota.to_owned();
        self.quota_refused
            .get_or_create(&QuotaLabels { quota })
            .inc();
    }

    /// Counts what became of so many spans.
    pub fn count_spans(&self, outcome: Outcome, spans: usize) {
        let counter = match outcome {
            Outcome::Sent => &self.trace_spans_sent,
            Outcome::Lost => &self.trace_spans_lost,
        };
        counter.inc_by(spans as u64);
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
    pub fn render(&self, vitals: Vitals) -> Result<String, fmt::Error> {
        self.vitals.set(vitals);
        let lost = self.log_lines_lost.inner();
        lost.store(logs::lines_lost(), std::sync::atomic::Ordering::Relaxed);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
