//! The settings. Each one has a flag, an environment variable, a default, and a doc comment that is its `--help` text.

mod addresses;
mod database;
mod destination;
mod file;
mod listen;
mod quotas;
mod service;
mod size;
pub mod tls;
mod traces;

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use clap::{Args, ValueEnum, builder::PossibleValue};
use http::HeaderValue;

use crate::{
    app::{CATCH_UP_READERS, MAX_UPLOADS, Retention},
    db::{DbOptions, LOGGED_EXPORTS, OWN_CONNECTIONS, Password},
    domain::rate::Unit,
    error::{Error, ErrorKind, Result},
    quota,
    request::{AddressLimits, MAX_ANSWER_BYTES, ResponseLimits},
    server::{Limits, Options, Origins, Tls},
    telemetry::{LogFormat, Metrics},
    traces::{Count, Tracer},
};

pub use addresses::AddressSettings;
pub use database::Database;
pub use destination::Destination;
pub use file::{FileSettings, Parsed, parse};
pub use listen::ListenAddress;
pub use quotas::{QuotaSettings, call_limit, cost_limit};
pub use service::Service;
pub use size::{bytes, bytes_or_zero};
pub use traces::TraceSettings;

/// Settings of every command.
#[derive(Debug, Clone, Args)]
pub struct Logging {
    /// TOML file with settings of `serve`, such as `pool-size = 20`; flags and environment variables win over it
    #[arg(
        long,
        global = true,
        env = "OUTBOUND_TASKS_CONFIG",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// What to log, such as `info` or `warn,outbound_tasks=debug`
    #[arg(
        long,
        global = true,
        env = "OUTBOUND_TASKS_LOG",
        default_value = "warn,h2=error,outbound_tasks=info"
    )]
    pub log: String,
    /// Format of the log on standard error
    #[arg(
        long,
        global = true,
        env = "OUTBOUND_TASKS_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,
}

impl ValueEnum for LogFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (word, help) = match self {
            Self::Text => ("text", "For people"),
            Self::Json => ("json", "One JSON object per line, for machines"),
        };
        Some(PossibleValue::new(word).help(help))
    }
}

/// The settings of a service; `dev` and `serve` share them.
#[derive(Debug, Clone, Args)]
pub struct Serving {
    /// Address or host name to listen on for gRPC, gRPC-Web and HTTP; of a name, the first address that can be bound
    #[arg(long, env = "OUTBOUND_TASKS_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: ListenAddress,
    /// IANA time zone of bare dates in requests that name none
    #[arg(long, env = "OUTBOUND_TASKS_TIME_ZONE", default_value = "UTC", value_parser = zone)]
    pub time_zone: chrono_tz::Tz,
    /// Deadline of a call that sets none
    #[arg(long, env = "OUTBOUND_TASKS_REQUEST_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub request_timeout: Duration,
    /// Shortest deadline that a call can set with grpc-timeout; a shorter one is DEADLINE_EXCEEDED at once
    #[arg(long, env = "OUTBOUND_TASKS_MIN_REQUEST_TIMEOUT", default_value = "10ms", value_parser = duration_or_zero)]
    pub min_request_timeout: Duration,
    /// Longest deadline that a call can set with grpc-timeout
    #[arg(long, env = "OUTBOUND_TASKS_MAX_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub max_request_timeout: Duration,
    /// Default and longest deadline of a stream: an export, a watch, an upload of targets, or an import; and of a copy
    #[arg(long, env = "OUTBOUND_TASKS_STREAM_TIMEOUT", default_value = "15m", value_parser = duration)]
    pub stream_timeout: Duration,
    /// How long the message of a request may take to arrive; for an upload of targets or an import, its first message
    #[arg(long, env = "OUTBOUND_TASKS_MESSAGE_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub message_timeout: Duration,
    /// Maximum size of request messages in memory, over all connections, which tenants share fairly; further requests get UNAVAILABLE
    #[arg(long, env = "OUTBOUND_TASKS_REQUEST_BUFFER", default_value = "32MiB", value_parser = bytes)]
    pub request_buffer: usize,
    /// Maximum size of a file that a client imports; a larger one gets RESOURCE_EXHAUSTED
    #[arg(long, env = "OUTBOUND_TASKS_MAX_IMPORT_BYTES", default_value = "1GiB", value_parser = bytes)]
    pub max_import_bytes: usize,
    /// Maximum number of open health and reflection calls, which need no key; a further one ends the oldest
    #[arg(long, env = "OUTBOUND_TASKS_MAX_KEYLESS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_keyless: u32,
    /// Database connections to keep open: 3 for the service itself (health, watches, counts), the others for calls.
    /// More are opened when needed: max-exports for exports, 4 for watches that begin, 2 for watches that are behind, 4
    /// for uploads of targets and imports. With the defaults, 11 stay open and 25 are the maximum
    #[arg(long, env = "OUTBOUND_TASKS_POOL_SIZE", default_value_t = 11, value_parser = clap::value_parser!(u16).range(4..=1000))]
    pub pool_size: u16,
    /// Maximum number of concurrent exports, each on its own database connection; further ones get UNAVAILABLE
    #[arg(long, env = "OUTBOUND_TASKS_MAX_EXPORTS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub max_exports: u16,
    /// Maximum number of concurrent calls; further ones get UNAVAILABLE
    #[arg(long, env = "OUTBOUND_TASKS_MAX_IN_FLIGHT", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_in_flight: u32,
    /// Maximum number of open watches, in addition to other calls; further ones get UNAVAILABLE
    #[arg(long, env = "OUTBOUND_TASKS_MAX_WATCHES", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_watches: u32,
    /// Maximum size of the changes buffered for slow watches; a watch that falls further behind is sent list_again
    #[arg(long, env = "OUTBOUND_TASKS_WATCH_BUFFER", default_value = "64MiB", value_parser = bytes)]
    pub watch_buffer: usize,
    /// Maximum size of the answers with lists and tasks kept for later calls, which get them if nothing of the tenant has
    /// changed; 0 keeps none
    #[arg(long, env = "OUTBOUND_TASKS_LIST_CACHE", default_value = "64MiB", value_parser = bytes_or_zero)]
    pub list_cache: usize,
    /// Quotas of keys and tenants.
    #[command(flatten)]
    pub quotas: QuotaSettings,
    /// Maximum number of client connections; a further one closes the connection that has been idle longest
    #[arg(long, env = "OUTBOUND_TASKS_MAX_CONNECTIONS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Limits of single addresses.
    #[command(flatten)]
    pub addresses: AddressSettings,
    /// Age at which a client connection is closed gracefully
    #[arg(long, env = "OUTBOUND_TASKS_MAX_CONNECTION_AGE", default_value = "15m", value_parser = duration)]
    pub max_connection_age: Duration,
    /// How long a client may take to send its first byte, and then its first headers
    #[arg(long, env = "OUTBOUND_TASKS_HEADER_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub header_timeout: Duration,
    /// How long an HTTP/1.1 connection may take to send its next request; set it longer than the keep-alive time of a
    /// proxy in front
    #[arg(long, env = "OUTBOUND_TASKS_IDLE_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub idle_timeout: Duration,
    /// How long response bytes may wait while the client reads none; then its stream or connection is reset
    #[arg(long, env = "OUTBOUND_TASKS_WRITE_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub write_timeout: Duration,
    /// Maximum size of responses that clients have not read yet; beyond it calls get UNAVAILABLE and streams wait
    #[arg(long, env = "OUTBOUND_TASKS_MAX_RESPONSE_BYTES", default_value = "256MiB", value_parser = bytes)]
    pub max_response_bytes: usize,
    /// The same limit per tenant; beyond it its calls get RESOURCE_EXHAUSTED and its streams wait
    #[arg(long, env = "OUTBOUND_TASKS_MAX_RESPONSE_BYTES_TENANT", default_value = "64MiB", value_parser = bytes)]
    pub max_response_bytes_tenant: usize,
    /// The same limit per connection; beyond it its calls get RESOURCE_EXHAUSTED and its streams wait
    #[arg(long, env = "OUTBOUND_TASKS_MAX_RESPONSE_BYTES_CONNECTION", default_value = "16MiB", value_parser = bytes)]
    pub max_response_bytes_connection: usize,
    /// Start pending tasks at their start_time and end tasks at their end_time; several services may do so together
    #[arg(long, env = "OUTBOUND_TASKS_SCHEDULER")]
    pub scheduler: bool,
    /// How long to retain the events of tasks (who changed what) and the points of their progress over time
    #[arg(long, env = "OUTBOUND_TASKS_AUDIT_RETENTION", default_value = "365d", value_parser = duration)]
    pub audit_retention: Duration,
    /// For how long an interrupted watch can be resumed
    #[arg(long, env = "OUTBOUND_TASKS_WATCH_RETENTION", default_value = "1h", value_parser = duration)]
    pub watch_retention: Duration,
    /// How long calls may take to end during a shutdown before they are cut off
    #[arg(long, env = "OUTBOUND_TASKS_DRAIN_TIMEOUT", default_value = "25s", value_parser = duration)]
    pub drain_timeout: Duration,
    /// Traces of calls.
    #[command(flatten)]
    pub traces: TraceSettings,
}

/// The longest deadline: PostgreSQL's `statement_timeout` is a number of milliseconds in 31 bits.
const MAX_TIMEOUT: Duration = Duration::from_hours(24 * 24);

impl Serving {
    /// Returns BAD_USAGE if settings contradict each other.
    pub fn check(&self) -> Result<()> {
        if self.request_timeout > self.max_request_timeout {
            return Err(bad_usage(
                "--request-timeout must not be longer than --max-request-timeout",
            ));
        }
        if self.max_request_timeout > MAX_TIMEOUT {
            return Err(bad_usage(
                "--max-request-timeout must not be longer than 24d",
            ));
        }
        if self.min_request_timeout > self.request_timeout {
            return Err(bad_usage(
                "--min-request-timeout must not be longer than --request-timeout",
            ));
        }
        let responses = [
            self.max_response_bytes,
            self.max_response_bytes_tenant,
            self.max_response_bytes_connection,
        ];
        if responses.into_iter().any(|bytes| bytes < MAX_ANSWER_BYTES) {
            return Err(bad_usage(
                "--max-response-bytes, --max-response-bytes-tenant and --max-response-bytes-connection must be at least \
                8MiB, the size of the largest response",
            ));
        }
        self.traces.options().map(drop)
    }

    /// The options of the server; the parameters differ between `dev` and `serve`.
    pub fn options(
        &self,
        origins: Origins,
        shutdown_delay: Duration,
        tls: Option<Arc<Tls>>,
        addresses: AddressLimits,
        tracer: Option<Tracer>,
    ) -> Options {
        Options {
            request_timeout: self.request_timeout,
            min_request_timeout: self.min_request_timeout,
            max_request_timeout: self.max_request_timeout,
            stream_timeout: self.stream_timeout,
            message_timeout: self.message_timeout,
            request_buffer: self.request_buffer,
            max_import_bytes: self.max_import_bytes,
            max_keyless: self.max_keyless as usize,
            max_in_flight: self.max_in_flight as usize,
            max_watches: self.max_watches as usize,
            watch_buffer: self.watch_buffer,
            responses: ResponseLimits {
                connection: self.max_response_bytes_connection,
                tenant: self.max_response_bytes_tenant,
                total: self.max_response_bytes,
            },
            origins,
            time_zone: self.time_zone,
            limits: Limits {
                connections: self.max_connections as usize,
                addresses,
                age: self.max_connection_age,
                age_grace: self.max_request_timeout.max(self.stream_timeout),
                header_timeout: self.header_timeout,
                idle_timeout: self.idle_timeout,
                write_timeout: self.write_timeout,
            },
            tls,
            tracer,
            scheduler: self.scheduler,
            // A retention longer than chrono can represent never ends.
            retention: Retention {
                audit: TimeDelta::from_std(self.audit_retention).unwrap_or(TimeDelta::MAX),
                watch: TimeDelta::from_std(self.watch_retention).unwrap_or(TimeDelta::MAX),
            },
            shutdown_delay,
            drain_timeout: self.drain_timeout,
        }
    }

    /// Starts to send traces, and counts in `metrics` what becomes of them; `None` if the settings name no collector.
    pub fn tracer(&self, metrics: &Arc<Metrics>) -> Result<Option<Tracer>> {
        let Some(options) = self.traces.options()? else {
            return Ok(None);
        };
        let metrics = Arc::clone(metrics);
        let count: Count = Arc::new(move |outcome, spans| metrics.count_spans(outcome, spans));
        let tracer = Tracer::start(options, count);
        tracer.map(Some).map_err(|why| bad_usage(&why))
    }

    /// The quotas of a service for others.
    pub fn quotas(&self) -> quota::Limits {
        self.quotas.limits()
    }

    /// The limits per address of a service for others.
    pub fn address_limits(&self) -> AddressLimits {
        self.addresses.limits(self.max_connections as usize)
    }

    /// The settings whose defaults are those of a service for others, with their values.
    pub fn limits_for_others(&self) -> [(&'static str, String); 6] {
        let (quotas, addresses) = (self.quotas(), self.address_limits());
        let connections = addresses.connections;
        let connections = connections.map_or("off".to_owned(), |most| most.to_string());
        [
            ("key-rate", quotas.key_calls.text(Unit::Calls)),
            ("key-cost", quotas.key_cost.text(Unit::Cost)),
            ("tenant-rate", quotas.tenant_calls.text(Unit::Calls)),
            ("tenant-cost", quotas.tenant_cost.text(Unit::Cost)),
            ("max-connections-per-address", connections),
            ("failed-keys", addresses.failed_keys.text(Unit::Calls)),
        ]
    }

    /// The number of database connections that serve calls.
    pub fn calls_connections(&self) -> usize {
        usize::from(self.pool_size).saturating_sub(OWN_CONNECTIONS)
    }

    /// The maximum number of database connections, and a description of what they are for.
    pub fn most_connections(&self) -> (usize, String) {
        let (kept, calls) = (self.pool_size, self.calls_connections());
        let exports = self.max_exports;
        let most = usize::from(kept)
            + usize::from(exports)
            + LOGGED_EXPORTS
            + CATCH_UP_READERS
            + MAX_UPLOADS;
        let what = format!(
            "{kept} kept open ({calls} for calls, {OWN_CONNECTIONS} for the service itself), {exports} for exports, \
            {LOGGED_EXPORTS} for watches that begin, \
            {CATCH_UP_READERS} for watches that are behind, {MAX_UPLOADS} for uploads of targets"
        );
        (most, what)
    }

    /// The database options of the server.
    pub fn database(&self, url: String, password: Password) -> DbOptions {
        DbOptions {
            url,
            password,
            pool_size: self.calls_connections(),
            exports: self.max_exports.into(),
            // A fallback for the case that the cancel request at a call's deadline is lost.
            statement_timeout: Some(self.max_request_timeout + Duration::from_secs(1)),
        }
    }
}

/// A time zone by its IANA name.
pub fn zone(text: &str) -> Result<chrono_tz::Tz, String> {
    let what = "must be an IANA name such as Asia/Shanghai or UTC";
    text.parse().map_err(|_| what.to_owned())
}

/// Parses a duration above zero, such as `5s`, `250ms` or `90d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span = duration_or_zero(text)?;
    if span.is_zero() {
        return Err("must be longer than 0s".to_owned());
    }
    Ok(span)
}

/// Parses a duration that may be zero.
pub fn duration_or_zero(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| e.to_string())
}

fn bad_usage(what: &str) -> Error {
    Error::new(ErrorKind::BadUsage, what)
}

/// Parses a web origin as browsers send it: scheme, host, and a port unless it is the default of the scheme.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match (host, HeaderValue::from_str(text)) {
        (Some(host), Ok(value)) if !host.is_empty() && !host.contains('/') => Ok(value),
        _ => Err("must be a scheme and a host, such as https://console.example.com".to_owned()),
    }
}
