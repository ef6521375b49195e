//! Every setting: a flag, an environment variable, a default, a line of help.

use std::{net::SocketAddr, time::Duration};

use chrono::TimeDelta;
use clap::{Args, ValueEnum, builder::PossibleValue};
use http::{HeaderValue, Uri};

use crate::{
    app::{CATCH_UP_READERS, MAX_UPLOADS, Retention},
    db::{DbOptions, LOGGED_EXPORTS, OWN_CONNECTIONS, url},
    error::{Error, ErrorKind, Result},
    request::{MAX_ANSWER_BYTES, ResponseLimits},
    server::{Limits, Options, Origins},
    telemetry::LogFormat,
};

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Logging {
    /// What to log, as `info` or `warn,outbound_tasks=debug`
    #[arg(
        long,
        global = true,
        env = "OUTBOUND_TASKS_LOG",
        default_value = "warn,outbound_tasks=info"
    )]
    pub log: String,
    /// Form of the log on standard error
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
            Self::Json => ("json", "One JSON object a line, for machines"),
        };
        Some(PossibleValue::new(word).help(help))
    }
}

/// Where the database is.
#[derive(Clone, Args)]
pub struct Database {
    /// PostgreSQL 15 or newer: postgresql://user:password@host:5432/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

impl Database {
    /// Options for a command, which takes one connection and as long as it needs.
    pub fn for_command(&self) -> Result<DbOptions> {
        self.check()?;
        Ok(DbOptions {
            url: self.database_url.clone(),
            pool_size: 2,
            exports: 1,
            statement_timeout: None,
        })
    }

    /// Bad usage unless the URL names a server and holds nothing unknown. clap's own check would repeat the URL, and with
    /// it a password.
    pub fn check(&self) -> Result<()> {
        url::parse(&self.database_url).map(drop)
    }
}

/// Where a service is, and the key to it.
#[derive(Clone, Args)]
pub struct Service {
    /// The service: `http://127.0.0.1:8080`, or `https://tasks.example.com`
    #[arg(long, env = "OUTBOUND_TASKS_URL")]
    pub url: String,
    /// An API key of the scope read; as an environment variable it stays out of lists of processes
    #[arg(long, env = "OUTBOUND_TASKS_API_KEY", hide_env_values = true)]
    pub api_key: String,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Service")
    }
}

impl Service {
    /// Bad usage unless the URL names a service and nothing else. clap's own check would repeat the URL, and with it what
    /// does not belong there.
    pub fn check(&self) -> Result<()> {
        let url: Result<Uri, _> = self.url.parse();
        let names_service = |url: &Uri| {
            let is_http = matches!(url.scheme_str(), Some("http" | "https"));
            let has_host = url.host().is_some_and(|host| !host.is_empty());
            let has_user = url.authority().is_some_and(|a| a.as_str().contains('@'));
            is_http && has_host && !has_user && url.path() == "/" && url.query().is_none()
        };
        match url.is_ok_and(|url| names_service(&url)) {
            true => Ok(()),
            false => Err(bad_usage(
                "--url must be scheme and host, as http://127.0.0.1:8080 or https://tasks.example.com",
            )),
        }
    }
}

/// How to serve; `dev` and `serve` share it.
#[derive(Debug, Clone, Args)]
pub struct Serving {
    /// Address of gRPC, gRPC-Web and HTTP
    #[arg(long, env = "OUTBOUND_TASKS_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// IANA zone in which bare dates lie when a request names none
    #[arg(long, env = "OUTBOUND_TASKS_TIME_ZONE", default_value = "UTC")]
    pub time_zone: chrono_tz::Tz,
    /// Deadline of a call that brings none
    #[arg(long, env = "OUTBOUND_TASKS_REQUEST_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub request_timeout: Duration,
    /// Latest deadline that a caller can ask for with grpc-timeout
    #[arg(long, env = "OUTBOUND_TASKS_MAX_REQUEST_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub max_request_timeout: Duration,
    /// Deadline of a stream (an export, a watch, targets being added) that brings none, and the latest that it can ask for
    #[arg(long, env = "OUTBOUND_TASKS_STREAM_TIMEOUT", default_value = "15m", value_parser = duration)]
    pub stream_timeout: Duration,
    /// How long the message of a request may take to arrive; of targets being added, the first one
    #[arg(long, env = "OUTBOUND_TASKS_MESSAGE_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub message_timeout: Duration,
    /// Most bytes of requests held in memory at a time, over all connections, as 32MiB; a request beyond them is answered UNAVAILABLE
    #[arg(long, env = "OUTBOUND_TASKS_REQUEST_BUFFER", default_value = "32MiB", value_parser = bytes)]
    pub request_buffer: usize,
    /// Most calls of health and reflection open at a time, which need no key; one more ends the oldest
    #[arg(long, env = "OUTBOUND_TASKS_MAX_KEYLESS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_keyless: u32,
    /// Database connections to keep open: 3 are the service's own (health, watches, counts), the others answer calls. On
    /// demand it opens max-exports more for exports, 4 for watches that begin, 2 for watches that are behind, and 4 for
    /// targets being added: with the defaults, 11 are kept and 25 are the most
    #[arg(long, env = "OUTBOUND_TASKS_POOL_SIZE", default_value_t = 11, value_parser = clap::value_parser!(u16).range(4..=1000))]
    pub pool_size: u16,
    /// Most exports under way at a time, each on a database connection of its own; one more is answered UNAVAILABLE
    #[arg(long, env = "OUTBOUND_TASKS_MAX_EXPORTS", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub max_exports: u16,
    /// Most calls under way at a time; one more is answered UNAVAILABLE
    #[arg(long, env = "OUTBOUND_TASKS_MAX_IN_FLIGHT", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_in_flight: u32,
    /// Most watches open at a time, beside other calls; one more is answered UNAVAILABLE
    #[arg(long, env = "OUTBOUND_TASKS_MAX_WATCHES", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_watches: u32,
    /// Most bytes of changes held for watches that did not take them yet, as 64MiB; a watch that is further behind is sent list_again
    #[arg(long, env = "OUTBOUND_TASKS_WATCH_BUFFER", default_value = "64MiB", value_parser = bytes)]
    pub watch_buffer: usize,
    /// Most client connections at a time; for one more, the one that has been idle for longest is closed
    #[arg(long, env = "OUTBOUND_TASKS_MAX_CONNECTIONS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// Age at which a client connection is asked to end
    #[arg(long, env = "OUTBOUND_TASKS_MAX_CONNECTION_AGE", default_value = "15m", value_parser = duration)]
    pub max_connection_age: Duration,
    /// How long a client may take over its first byte, and over its first headers
    #[arg(long, env = "OUTBOUND_TASKS_HEADER_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub header_timeout: Duration,
    /// How long an HTTP/1.1 connection may take to its next request and its headers; longer than a proxy in front keeps it idle
    #[arg(long, env = "OUTBOUND_TASKS_IDLE_TIMEOUT", default_value = "2m", value_parser = duration)]
    pub idle_timeout: Duration,
    /// How long the bytes of an answer may wait for a client that takes none of them; then its stream is reset, or its connection
    #[arg(long, env = "OUTBOUND_TASKS_WRITE_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub write_timeout: Duration,
    /// Most bytes of answers on their way to callers, as 256MiB; beyond that a call is answered UNAVAILABLE, and streams wait
    #[arg(long, env = "OUTBOUND_TASKS_MAX_RESPONSE_BYTES", default_value = "256MiB", value_parser = bytes)]
    pub max_response_bytes: usize,
    /// The same of one tenant; beyond that its call is answered RESOURCE_EXHAUSTED, and its streams wait
    #[arg(long, env = "OUTBOUND_TASKS_MAX_RESPONSE_BYTES_TENANT", default_value = "64MiB", value_parser = bytes)]
    pub max_response_bytes_tenant: usize,
    /// The same on one connection; beyond that a call on it is answered RESOURCE_EXHAUSTED, and its streams wait
    #[arg(long, env = "OUTBOUND_TASKS_MAX_RESPONSE_BYTES_CONNECTION", default_value = "16MiB", value_parser = bytes)]
    pub max_response_bytes_connection: usize,
    /// Start pending tasks at their start_time and end tasks past their end_time; any number of services may do so
    #[arg(long, env = "OUTBOUND_TASKS_SCHEDULER")]
    pub scheduler: bool,
    /// How long to keep the record of who changed what in a task
    #[arg(long, env = "OUTBOUND_TASKS_AUDIT_RETENTION", default_value = "365d", value_parser = duration)]
    pub audit_retention: Duration,
    /// How long a watch that broke off can be resumed
    #[arg(long, env = "OUTBOUND_TASKS_WATCH_RETENTION", default_value = "1h", value_parser = duration)]
    pub watch_retention: Duration,
    /// How long calls may take to end at a stop, before they are cut off
    #[arg(long, env = "OUTBOUND_TASKS_DRAIN_TIMEOUT", default_value = "25s", value_parser = duration)]
    pub drain_timeout: Duration,
}

impl Serving {
    /// Bad usage where settings contradict each other.
    pub fn check(&self) -> Result<()> {
        if self.request_timeout > self.max_request_timeout {
            return Err(bad_usage(
                "--request-timeout must not be longer than --max-request-timeout",
            ));
        }
        let responses = [
            self.max_response_bytes,
            self.max_response_bytes_tenant,
            self.max_response_bytes_connection,
        ];
        if responses.into_iter().any(|bytes| bytes < MAX_ANSWER_BYTES) {
            return Err(bad_usage(
                "--max-response-bytes, --max-response-bytes-tenant and --max-response-bytes-connection must be 8MiB or \
                more, the size of the largest answer",
            ));
        }
        Ok(())
    }

    /// Options for the server; `origins` and `shutdown_delay` differ between `dev` and `serve`.
    pub fn options(&self, origins: Origins, shutdown_delay: Duration) -> Options {
        Options {
            request_timeout: self.request_timeout,
            max_request_timeout: self.max_request_timeout,
            stream_timeout: self.stream_timeout,
            message_timeout: self.message_timeout,
            request_buffer: self.request_buffer,
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
                age: self.max_connection_age,
                age_grace: self.max_request_timeout.max(self.stream_timeout),
                header_timeout: self.header_timeout,
                idle_timeout: self.idle_timeout,
                write_timeout: self.write_timeout,
            },
            scheduler: self.scheduler,
            // A span beyond what chrono can hold is for ever.
            retention: Retention {
                audit: TimeDelta::from_std(self.audit_retention).unwrap_or(TimeDelta::MAX),
                watch: TimeDelta::from_std(self.watch_retention).unwrap_or(TimeDelta::MAX),
            },
            shutdown_delay,
            drain_timeout: self.drain_timeout,
        }
    }

    /// How many database connections answer calls.
    pub fn calls_connections(&self) -> usize {
        usize::from(self.pool_size).saturating_sub(OWN_CONNECTIONS)
    }

    /// How many database connections there may be at most, and what they are for.
    pub fn most_connections(&self) -> (usize, String) {
        let (kept, calls) = (self.pool_size, self.calls_connections());
        let exports = self.max_exports;
        let most = usize::from(kept)
            + usize::from(exports)
            + LOGGED_EXPORTS
            + CATCH_UP_READERS
            + MAX_UPLOADS;
        let what = format!(
            "{kept} kept open ({calls} for calls, {OWN_CONNECTIONS} of the service's own), {exports} for exports, \
            {LOGGED_EXPORTS} for watches that begin, \
            {CATCH_UP_READERS} for watches that are behind, {MAX_UPLOADS} for targets being added"
        );
        (most, what)
    }

    /// Options for the database behind the server.
    pub fn database(&self, url: String) -> DbOptions {
        DbOptions {
            url,
            pool_size: self.calls_connections(),
            exports: self.max_exports.into(),
            // The last resort, when the cancel request at a call's deadline got lost.
            statement_timeout: Some(self.max_request_timeout + Duration::from_secs(1)),
        }
    }
}

/// Reads a span of time as `5s`, `250ms` or `90d`; none at all is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span = duration_or_zero(text)?;
    if span.is_zero() {
        return Err("must be longer than nothing".to_owned());
    }
    Ok(span)
}

/// The same where doing without makes sense.
pub fn duration_or_zero(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| e.to_string())
}

/// Reads a size as `64MiB`, `512KiB` or `4096`; none at all is none.
pub fn bytes(text: &str) -> Result<usize, String> {
    let units = [
        ("GiB", 1 << 30),
        ("MiB", 1 << 20),
        ("KiB", 1 << 10),
        ("B", 1),
    ];
    let unit = units
        .iter()
        .find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let size = number
        .trim_end()
        .parse::<usize>()
        .ok()
        .and_then(|n| n.checked_mul(unit));
    match size {
        Some(size) if size > 0 => Ok(size),
        _ => Err("must be a whole number above 0 of B, KiB, MiB or GiB, as 64MiB".to_owned()),
    }
}

fn bad_usage(what: &str) -> Error {
    Error::new(ErrorKind::BadUsage, what)
}

/// Reads an origin as a browser sends it: scheme, host, and port where it is not the scheme's own.
pub fn origin(text: &str) -> Result<HeaderValue, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match (host, HeaderValue::from_str(text)) {
        (Some(host), Ok(value)) if !host.is_empty() && !host.contains('/') => Ok(value),
        _ => Err("must be scheme and host, as https://console.example.com".to_owned()),
    }
}
