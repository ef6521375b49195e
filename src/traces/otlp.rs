//! Sends spans to a collector (OpenTelemetry Protocol Specification 1.x): over gRPC, or as POST requests.

use std::time::{Duration, Instant};

use opentelemetry_proto::{
    tonic::collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_client::TraceServiceClient,
    },
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use tokio::time::sleep;
use tonic::{
    Code, Status,
    codec::CompressionEncoding,
    metadata::MetadataMap,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use tonic_types::StatusExt;

use super::{
    Collector, Protocol,
    failure::{Failure, causes},
    post::Post,
};

/// The pause before a batch is sent again, which doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const MOST_PAUSE: Duration = Duration::from_secs(5);

/// Sends spans to one collector.
pub(super) struct Exporter {
    target: Target,
    timeout: Duration,
    endpoint: String,
    resource: ResourceAttributesWithSchema,
}

enum Target {
    Grpc(TraceServiceClient<Channel>, MetadataMap),
    Http(Post),
}

impl Exporter {
    /// Opens no connection yet.
    pub(super) fn new(collector: Collector, resource: &Resource) -> Result<Self, String> {
        let timeout = collector.timeout;
        let endpoint = collector.endpoint.to_string();
        let target = match collector.protocol {
            Protocol::HttpProtobuf => Target::Http(Post::new(collector)?),
            Protocol::Grpc => {
                let metadata = MetadataMap::from_headers(collector.headers.clone());
                let mut client = TraceServiceClient::new(channel(&collector)?);
                if collector.is_compressed {
                    client = client.send_compressed(CompressionEncoding::Gzip);
                }
                Target::Grpc(client, metadata)
            }
        };
        Ok(Self {
            target,
            timeout,
            endpoint,
            resource: resource.into(),
        })
    }

    /// Where it sends spans to.
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends spans, again after a failure that passes, until the time is up. A pause is as long as the collector asks for, or
    /// longer. Returns how many spans the collector rejected.
    pub(super) async fn send(&self, spans: Vec<SpanData>) -> Result<usize, String> {
        let began = Instant::now();
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(spans, &self.resource),
        };
        let mut pause = FIRST_PAUSE;
        loop {
            let left = self.timeout.saturating_sub(began.elapsed());
            let failure = match self.attempt(request.clone(), left).await {
                Ok(response) => {
                    let rejected = response.partial_success.unwrap_or_default().rejected_spans;
                    return Ok(usize::try_from(rejected).unwrap_or(0));
                }
                Err(failure) => failure,
            };
            let Some(least) = failure.retry_after else {
                return Err(failure.why);
            };
            let wait = pause.max(least);
            if began.elapsed().saturating_add(wait) >= self.timeout {
                return Err(failure.why);
            }
            sleep(wait).await;
            pause = (pause * 2).min(MOST_PAUSE);
        }
    }

    async fn attempt(
        &self,
        message: ExportTraceServiceRequest,
        limit: Duration,
    ) -> Result<ExportTraceServiceResponse, Failure> {
        let late = || Failure::lasting(format!("no answer within {:?}", self.timeout));
        let answer = async {
            match &self.target {
                Target::Grpc(client, metadata) => {
                    let mut request = tonic::Request::new(message);
                    *request.metadata_mut() = metadata.clone();
                    let answer = client.clone().export(request).await;
                    answer.map(tonic::Response::into_inner).map_err(of_status)
                }
                Target::Http(post) => post.send(&message).await,
            }
        };
        let answer = tokio::time::timeout(limit, answer).await;
        answer.unwrap_or_else(|_| Err(late()))
    }
}

/// A channel that connects when it is used, and again after a failure.
fn channel(collector: &Collector) -> Result<Channel, String> {
    let mut endpoint =
        Endpoint::from(collector.endpoint.clone()).connect_timeout(collector.timeout);
    if collector.is_encrypted() {
        let tls = match &collector.authorities {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        endpoint = endpoint.tls_config(tls).map_err(|error| {
            format!(
                "the collector's authorities cannot be used: {}",
                causes(&error)
            )
        })?;
    }
    Ok(endpoint.connect_lazy())
}

/// Which codes may pass is OTLP's decision ("OTLP/gRPC Response"). A collector whose resources are exhausted says by RetryInfo
/// that it will recover.
fn of_status(status: Status) -> Failure {
    let asked = status.get_details_retry_info();
    let may_pass = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::ResourceExhausted => asked.is_some(),
        _ => false,
    };
    let least = asked.and_then(|asked| asked.retry_delay);
    let why = match std::error::Error::source(&status) {
        Some(cause) => causes(cause),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    Failure {
        why,
        retry_after: may_pass.then(|| least.unwrap_or_default()),
    }
}
