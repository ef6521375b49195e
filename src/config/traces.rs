//! The settings of traces. They have the names and the meanings of OpenTelemetry's environment variables, and no prefix of
//! ours, so that what an operator sets for all services holds here too (OpenTelemetry Specification, "Environment Variable
//! Specification"). An empty value is as good as none.

mod given;

use std::str::FromStr;

use clap::Args;
use http::{HeaderMap, Uri};

use self::given::{Given, bad_usage};
use crate::{
    error::Result,
    traces::{BatchLimits, Collector, Options, Protocol, Sampler},
};

/// Where a collector listens by default.
const GRPC: &str = "http://localhost:4317";
const HTTP: &str = "http://localhost:4318";
/// The path of spans, which is added to an endpoint that is not only theirs.
const PATH: &str = "/v1/traces";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The settings of traces.
#[derive(Clone, Args)]
#[command(next_help_heading = "Traces (OpenTelemetry)")]
pub struct TraceSettings {
    /// Collector that receives the traces of calls by OTLP, such as `http://collector:4317`; without one, and without
    /// otel-traces-exporter, there are no traces
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otel_exporter_otlp_endpoint: Option<String>,
    /// The same for traces alone; with http/protobuf, its path is not extended by /v1/traces
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", value_name = "URL")]
    pub otel_exporter_otlp_traces_endpoint: Option<String>,
    /// How traces are sent: grpc or http/protobuf
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_PROTOCOL",
        value_name = "PROTOCOL",
        default_value = "grpc"
    )]
    pub otel_exporter_otlp_protocol: String,
    /// The same for traces alone
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        value_name = "PROTOCOL"
    )]
    pub otel_exporter_otlp_traces_protocol: Option<String>,
    /// Headers for the collector, as `name=value,name=value` with values percent-encoded; secret, so better in the
    /// environment or the settings file
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        value_name = "HEADERS",
        hide_env_values = true
    )]
    pub otel_exporter_otlp_headers: Option<String>,
    /// The same for traces alone
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        value_name = "HEADERS",
        hide_env_values = true
    )]
    pub otel_exporter_otlp_traces_headers: Option<String>,
    /// How many milliseconds a request to the collector may take, with attempts to send it again
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TIMEOUT",
        value_name = "MILLISECONDS",
        default_value = "10000"
    )]
    pub otel_exporter_otlp_timeout: String,
    /// The same for traces alone
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        value_name = "MILLISECONDS"
    )]
    pub otel_exporter_otlp_traces_timeout: Option<String>,
    /// Compression of requests to the collector: none or gzip
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_COMPRESSION",
        value_name = "COMPRESSION",
        default_value = "none"
    )]
    pub otel_exporter_otlp_compression: String,
    /// The same for traces alone
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        value_name = "COMPRESSION"
    )]
    pub otel_exporter_otlp_traces_compression: Option<String>,
    /// File with the authorities that the collector's certificate may be of, in PEM form, instead of the system's
    #[arg(long, env = "OTEL_EXPORTER_OTLP_CERTIFICATE", value_name = "FILE")]
    pub otel_exporter_otlp_certificate: Option<String>,
    /// The same for traces alone
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        value_name = "FILE"
    )]
    pub otel_exporter_otlp_traces_certificate: Option<String>,
    /// Which exporter traces have: otlp or none; otlp without an endpoint sends them to this machine
    #[arg(long, env = "OTEL_TRACES_EXPORTER", value_name = "EXPORTER")]
    pub otel_traces_exporter: Option<String>,
    /// Which calls are recorded: always_on, always_off or traceidratio; with parentbased_ before it, the caller's decision
    /// goes first
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER",
        value_name = "SAMPLER",
        default_value = "parentbased_always_on"
    )]
    pub otel_traces_sampler: String,
    /// The share of calls that traceidratio records, from 0 to 1; 1 without it
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "SHARE")]
    pub otel_traces_sampler_arg: Option<String>,
    /// Name of this service in traces
    #[arg(
        long,
        env = "OTEL_SERVICE_NAME",
        value_name = "NAME",
        default_value = "outbound-tasks"
    )]
    pub otel_service_name: String,
    /// Further attributes of every span, as `name=value,name=value` with values percent-encoded
    #[arg(long, env = "OTEL_RESOURCE_ATTRIBUTES", value_name = "ATTRIBUTES")]
    pub otel_resource_attributes: Option<String>,
    /// `true` turns traces off, whatever else is set
    #[arg(
        long,
        env = "OTEL_SDK_DISABLED",
        value_name = "BOOLEAN",
        default_value = "false"
    )]
    pub otel_sdk_disabled: String,
    /// How many milliseconds a span waits at most before it is sent
    #[arg(
        long,
        env = "OTEL_BSP_SCHEDULE_DELAY",
        value_name = "MILLISECONDS",
        default_value = "5000"
    )]
    pub otel_bsp_schedule_delay: String,
    /// How many milliseconds a batch of spans may take at most
    #[arg(
        long,
        env = "OTEL_BSP_EXPORT_TIMEOUT",
        value_name = "MILLISECONDS",
        default_value = "30000"
    )]
    pub otel_bsp_export_timeout: String,
    /// Maximum number of spans that wait to be sent; further ones are lost
    #[arg(
        long,
        env = "OTEL_BSP_MAX_QUEUE_SIZE",
        value_name = "SPANS",
        default_value = "2048"
    )]
    pub otel_bsp_max_queue_size: String,
    /// Maximum number of spans in a request
    #[arg(
        long,
        env = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        value_name = "SPANS",
        default_value = "512"
    )]
    pub otel_bsp_max_export_batch_size: String,
}

impl std::fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The headers may contain a key.
        f.write_str("TraceSettings")
    }
}

impl TraceSettings {
    /// What the settings mean; `None` if there are no traces. BAD_USAGE names the setting that cannot be used.
    pub fn options(&self) -> Result<Option<Options>> {
        if self.is_disabled()? {
            return Ok(None);
        }
        let options = Options {
            collector: self.collector()?,
            batches: self.batches()?,
            sampler: self.sampler()?,
            service: match self.otel_service_name.trim() {
                "" => "outbound-tasks".to_owned(),
                name => name.to_owned(),
            },
            attributes: self.attributes()?,
        };
        Ok(self.is_on()?.then_some(options))
    }

    fn is_disabled(&self) -> Result<bool> {
        match Given::of("OTEL_SDK_DISABLED", &self.otel_sdk_disabled) {
            None => Ok(false),
            Some(given) => match given.text.to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => given.must_be("true or false"),
            },
        }
    }

    fn is_on(&self) -> Result<bool> {
        let exporter = self.otel_traces_exporter.as_deref().unwrap_or_default();
        match Given::of("OTEL_TRACES_EXPORTER", exporter) {
            None => Ok(self.endpoint().is_some()),
            Some(Given { text: "otlp", .. }) => Ok(true),
            Some(Given { text: "none", .. }) => Ok(false),
            Some(given) => given.must_be("otlp or none"),
        }
    }

    fn endpoint(&self) -> Option<Given<'_>> {
        Given::first([
            (
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                self.otel_exporter_otlp_traces_endpoint.as_deref(),
            ),
            (ENDPOINT, self.otel_exporter_otlp_endpoint.as_deref()),
        ])
    }

    fn collector(&self) -> Result<Collector> {
        let protocol = Given::first([
            (
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                self.otel_exporter_otlp_traces_protocol.as_deref(),
            ),
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                Some(&self.otel_exporter_otlp_protocol),
            ),
        ]);
        let protocol = match protocol {
            None | Some(Given { text: "grpc", .. }) => Protocol::Grpc,
            Some(Given {
                text: "http/protobuf",
                ..
            }) => Protocol::HttpProtobuf,
            Some(given) => return given.must_be("grpc or http/protobuf"),
        };
        let timeout = Given::first([
            (
                "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
                self.otel_exporter_otlp_traces_timeout.as_deref(),
            ),
            (
                "OTEL_EXPORTER_OTLP_TIMEOUT",
                Some(&self.otel_exporter_otlp_timeout),
            ),
        ]);
        let compression = Given::first([
            (
                "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
                self.otel_exporter_otlp_traces_compression.as_deref(),
            ),
            (
                "OTEL_EXPORTER_OTLP_COMPRESSION",
                Some(&self.otel_exporter_otlp_compression),
            ),
        ]);
        let headers = Given::first([
            (
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                self.otel_exporter_otlp_traces_headers.as_deref(),
            ),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                self.otel_exporter_otlp_headers.as_deref(),
            ),
        ]);
        let certificate = Given::first([
            (
                "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
                self.otel_exporter_otlp_traces_certificate.as_deref(),
            ),
            (
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                self.otel_exporter_otlp_certificate.as_deref(),
            ),
        ]);
        Ok(Collector {
            endpoint: self.uri(protocol)?,
            protocol,
            headers: headers.map_or_else(|| Ok(HeaderMap::new()), Given::headers)?,
            timeout: given::milliseconds(timeout, 10_000)?,
            is_compressed: match compression {
                None | Some(Given { text: "none", .. }) => false,
                Some(Given { text: "gzip", .. }) => true,
                Some(given) => return given.must_be("none or gzip"),
            },
            authorities: certificate.map(Given::certificates).transpose()?,
        })
    }

    /// The endpoint with the path that spans are sent to.
    fn uri(&self, protocol: Protocol) -> Result<Uri> {
        let default = match protocol {
            Protocol::Grpc => GRPC,
            Protocol::HttpProtobuf => HTTP,
        };
        let given = self.endpoint().unwrap_or(Given {
            name: ENDPOINT,
            text: default,
        });
        let is_for_all = given.name == ENDPOINT;
        let url = match protocol {
            Protocol::HttpProtobuf if is_for_all => {
                format!("{}{PATH}", given.text.trim_end_matches('/'))
            }
            _ => given.text.to_owned(),
        };
        let uri = Uri::from_str(&url).ok().filter(|uri| {
            // The crate reads a port above 65535 as none.
            let is_plain = uri.authority().is_some_and(|of| {
                of.as_str() == of.host() || of.port_u16().is_some() && !of.as_str().contains('@')
            });
            matches!(uri.scheme_str(), Some("http" | "https")) && is_plain
        });
        match uri {
            Some(uri) => Ok(uri),
            // The text is not repeated: it may contain a password.
            None => Err(bad_usage(&format!(
                "{} must be a URL without a user, such as http://collector:4317",
                given.name
            ))),
        }
    }

    fn batches(&self) -> Result<BatchLimits> {
        let delay = Given::of("OTEL_BSP_SCHEDULE_DELAY", &self.otel_bsp_schedule_delay);
        let timeout = Given::of("OTEL_BSP_EXPORT_TIMEOUT", &self.otel_bsp_export_timeout);
        let queue = Given::of("OTEL_BSP_MAX_QUEUE_SIZE", &self.otel_bsp_max_queue_size);
        let batch = Given::of(
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            &self.otel_bsp_max_export_batch_size,
        );
        let limits = BatchLimits {
            delay: given::milliseconds(delay, 5_000)?,
            timeout: given::milliseconds(timeout, 30_000)?,
            queue: given::number(queue, 2_048, 1_000_000)?,
            batch: given::number(batch, 512, 1_000_000)?,
        };
        match (batch, limits.batch > limits.queue) {
            (Some(given), true) => given.must_be("at most OTEL_BSP_MAX_QUEUE_SIZE"),
            _ => Ok(limits),
        }
    }

    fn sampler(&self) -> Result<Sampler> {
        let share = self.otel_traces_sampler_arg.as_deref().unwrap_or_default();
        let share = match Given::of("OTEL_TRACES_SAMPLER_ARG", share) {
            None => 1.0,
            Some(given) => match f64::from_str(given.text) {
                Ok(share) if (0.0..=1.0).contains(&share) => share,
                _ => return given.must_be("a number from 0 to 1"),
            },
        };
        let Some(given) = Given::of("OTEL_TRACES_SAMPLER", &self.otel_traces_sampler) else {
            return Ok(Sampler::default());
        };
        match Sampler::named(given.text, share) {
            Some(sampler) => Ok(sampler),
            None => given.must_be(Sampler::NAMES),
        }
    }

    fn attributes(&self) -> Result<Vec<(String, String)>> {
        let text = self.otel_resource_attributes.as_deref().unwrap_or_default();
        match Given::of("OTEL_RESOURCE_ATTRIBUTES", text) {
            None => Ok(Vec::new()),
            Some(given) => match given.pairs() {
                Some(pairs) => Ok(pairs),
                None => given.must_be("name=value pairs, separated by commas"),
            },
        }
    }
}
