//! A collector of traces, by OTLP over gRPC and as POST requests.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span as Sent, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{
    Request, Response, Status, codec::CompressionEncoding, transport::server::TcpIncoming,
};

use super::{PATIENCE, eventually};

/// A span that the collector received.
#[derive(Debug, Clone)]
pub struct Span {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub state: String,
    pub is_error: bool,
    /// Numbers as texts.
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    /// Start and end, in nanoseconds.
    pub time: (u64, u64),
}

impl Span {
    pub fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

#[derive(Clone, Default)]
struct Received {
    spans: Arc<Mutex<Vec<Span>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
    /// How many requests are answered with an error that passes.
    refusals: Arc<Mutex<usize>>,
}

pub struct Collector {
    received: Received,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    _servers: JoinSet<()>,
}

impl Collector {
    pub async fn start() -> Self {
        let received = Received::default();
        let mut servers = JoinSet::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let grpc = listener.local_addr().unwrap();
        let service =
            TraceServiceServer::new(received.clone()).accept_compressed(CompressionEncoding::Gzip);
        let served = tonic::transport::Server::builder().add_service(service);
        servers.spawn(async {
            let incoming = TcpIncoming::from(listener);
            served.serve_with_incoming(incoming).await.unwrap();
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .with_state(received.clone());
        servers.spawn(async { axum::serve(listener, router).await.unwrap() });
        Self {
            received,
            grpc,
            http,
            _servers: servers,
        }
    }

    /// Answers the next requests with an error that passes.
    pub fn refuse(&self, requests: usize) {
        *self.received.refusals.lock().unwrap() = requests;
    }

    /// All spans so far, in the order of their starts.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.received.spans.lock().unwrap().clone();
        spans.sort_by_key(|span| span.time);
        spans
    }

    /// The spans of a trace, once that of its call is there.
    pub async fn trace(&self, trace: &str) -> Vec<Span> {
        let of_trace = || -> Vec<Span> {
            let spans = self.spans().into_iter();
            spans.filter(|span| span.trace == trace).collect()
        };
        let has_come = async || of_trace().iter().any(|span| span.kind == SpanKind::Server);
        eventually("the span of the call comes", PATIENCE, has_come).await;
        of_trace()
    }

    /// The value of a header of each request.
    pub fn header(&self, name: &str) -> Vec<String> {
        let headers = self.received.headers.lock().unwrap();
        let values = headers.iter().filter_map(|headers| headers.get(name));
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }
}

impl Received {
    /// False if the request is refused.
    fn take(&self, request: ExportTraceServiceRequest, headers: &HeaderMap) -> bool {
        let mut refusals = self.refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return false;
        }
        self.headers.lock().unwrap().push(headers.clone());
        for of_resource in request.resource_spans {
            let resource = attributes(&of_resource.resource.unwrap().attributes);
            let spans = of_resource.scope_spans.into_iter().flat_map(|s| s.spans);
            let mut received = self.spans.lock().unwrap();
            received.extend(spans.map(|span| read(span, &resource)));
        }
        true
    }
}

fn read(span: Sent, resource: &BTreeMap<String, String>) -> Span {
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind(),
        is_error: span
            .status
            .as_ref()
            .is_some_and(|status| status.code() == SpanStatus::Error),
        attributes: attributes(&span.attributes),
        name: span.name,
        state: span.trace_state,
        resource: resource.clone(),
        time: (span.start_time_unix_nano, span.end_time_unix_nano),
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    let of = of.iter().map(|pair| {
        let value = match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        (pair.key.clone(), value)
    });
    of.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        match self.take(request.into_inner(), &headers) {
            true => Ok(Response::new(ExportTraceServiceResponse::default())),
            false => Err(Status::unavailable("later")),
        }
    }
}

async fn receive(
    State(received): State<Received>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    let body = match headers.get("content-encoding") {
        Some(_) => {
            let mut plain = Vec::new();
            let mut gzip = flate2::read::GzDecoder::new(&body[..]);
            std::io::Read::read_to_end(&mut gzip, &mut plain).unwrap();
            plain.into()
        }
        None => body,
    };
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    match received.take(request, &headers) {
        true => (
            StatusCode::OK,
            ExportTraceServiceResponse::default().encode_to_vec(),
        ),
        false => (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
    }
}

/// The time within which a span must have come that has ended before.
pub const SOON: Duration = Duration::from_millis(50);
