//! What a tracer is made of. The names and the meanings are those of OpenTelemetry's environment variables.

use std::time::Duration;

use http::{HeaderMap, Uri};
use opentelemetry::KeyValue;
use opentelemetry_sdk::{Resource, trace::Sampler as SdkSampler};

/// The settings of a tracer.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where spans are sent to.
    pub collector: Collector,
    /// How spans are collected.
    pub batches: BatchLimits,
    /// Which calls are recorded.
    pub sampler: Sampler,
    /// The name of the service.
    pub service: String,
    /// Further attributes of every span, such as `deployment.environment.name`.
    pub attributes: Vec<(String, String)>,
}

/// Where spans are sent to, and how.
#[derive(Clone)]
pub struct Collector {
    /// `http` or `https`, a host, and the path of HTTP.
    pub endpoint: Uri,
    /// The form of the requests.
    pub protocol: Protocol,
    /// Headers of every request, such as a key of the collector.
    pub headers: HeaderMap,
    /// The time for one batch, attempts to send it again included.
    pub timeout: Duration,
    /// Whether requests are compressed with gzip.
    pub is_compressed: bool,
    /// The authorities of the collector's certificate, in PEM form; those of the system without it.
    pub authorities: Option<Vec<u8>>,
}

impl Collector {
    /// Whether requests are encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        self.endpoint.scheme_str() == Some("https")
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The headers are left out, because they may contain a key.
        f.debug_struct("Collector")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The form of the requests to a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// POST requests with protobuf.
    HttpProtobuf,
}

/// How spans are collected.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// How long a span waits at most before it is sent.
    pub delay: Duration,
    /// The maximum time for a batch.
    pub timeout: Duration,
    /// The maximum number of spans that wait; further ones are lost.
    pub queue: usize,
    /// The maximum number of spans in a request.
    pub batch: usize,
}

/// Decides which calls are recorded.
#[derive(Debug, Clone)]
pub struct Sampler(pub(super) SdkSampler);

impl Default for Sampler {
    /// Records every call, except those of callers that do not record theirs.
    fn default() -> Self {
        Self(SdkSampler::ParentBased(Box::new(SdkSampler::AlwaysOn)))
    }
}

impl Sampler {
    /// The names that [`Sampler::named`] knows.
    pub const NAMES: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
        parentbased_traceidratio";

    /// The sampler of this name, with the share of traces that one of the ratio samplers records; `None` for another name.
    /// Those with `parentbased` follow the caller's decision, if a call has one.
    pub fn named(name: &str, ratio: f64) -> Option<Self> {
        let (root, is_parent_based) = match name.strip_prefix("parentbased_") {
            Some(root) => (root, true),
            None => (name, false),
        };
        let root = match root {
            "always_on" => SdkSampler::AlwaysOn,
            "always_off" => SdkSampler::AlwaysOff,
            "traceidratio" => SdkSampler::TraceIdRatioBased(ratio),
            _ => return None,
        };
        Some(Self(match is_parent_based {
            true => SdkSampler::ParentBased(Box::new(root)),
            false => root,
        }))
    }
}

impl Options {
    /// What all spans have in common.
    pub(super) fn resource(&self) -> Resource {
        let own = [
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.name", "opentelemetry"),
        ];
        let own = own.map(|(name, value)| KeyValue::new(name, value));
        let given = self.attributes.iter();
        let given = given.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
        // Of two attributes with one name, the later one holds.
        Resource::builder_empty()
            .with_attributes(own)
            .with_attributes(given)
            .with_service_name(self.service.clone())
            .build()
    }
}
