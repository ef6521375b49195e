//! A collector of traces, by OTLP over gRPC and as POST requests.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use chrono::{DateTime, Utc};
use http::{
    HeaderMap, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span as Sent, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tonic::{
    Code, Request, Response, Status, codec::CompressionEncoding, transport::server::TcpIncoming,
};
use tonic_types::{ErrorDetails, StatusExt};

use super::{PATIENCE, eventually, tls::Pair};

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

/// How a request is refused.
#[derive(Debug, Clone, Copy)]
pub enum Refusal {
    /// UNAVAILABLE, or 503.
    Unavailable,
    /// RESOURCE_EXHAUSTED, or 429; perhaps with the time after which it may be sent again.
    Exhausted(Option<Duration>),
    /// The same over HTTP, where the time is a date, and the collector's clock stands at 2001.
    ExhaustedUntil(Duration),
}

#[derive(Clone, Default)]
struct Received {
    spans: Arc<Mutex<Vec<Span>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
    /// How the next requests are refused.
    refusals: Arc<Mutex<VecDeque<Refusal>>>,
    /// When the requests came, those that were refused too.
    times: Arc<Mutex<Vec<Instant>>>,
}

pub struct Collector {
    received: Received,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
    servers: JoinSet<()>,
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
            servers,
        }
    }

    /// From now on, both ports take TLS only.
    pub async fn require_tls(&mut self, pair: &Pair) {
        let chain = vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        for address in [&mut self.grpc, &mut self.http] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let plain = std::mem::replace(address, listener.local_addr().unwrap());
            let acceptor = acceptor.clone();
            self.servers.spawn(async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    connections.spawn(async move {
                        if let Ok(mut stream) = acceptor.accept(stream).await {
                            let mut plain = TcpStream::connect(plain).await.unwrap();
                            // The client may end the connection in any way.
                            let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
                        }
                    });
                }
            });
        }
    }

    /// Refuses one more of the next requests.
    pub fn refuse(&self, how: Refusal) {
        self.received.refusals.lock().unwrap().push_back(how);
    }

    /// When the requests came, those that were refused too.
    pub fn times(&self) -> Vec<Instant> {
        self.received.times.lock().unwrap().clone()
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
    fn take(&self, request: ExportTraceServiceRequest, headers: &HeaderMap) -> Result<(), Refusal> {
        self.times.lock().unwrap().push(Instant::now());
        if let Some(how) = self.refusals.lock().unwrap().pop_front() {
            return Err(how);
        }
        self.headers.lock().unwrap().push(headers.clone());
        for of_resource in request.resource_spans {
            let resource = attributes(&of_resource.resource.unwrap().attributes);
            let spans = of_resource.scope_spans.into_iter().flat_map(|s| s.spans);
            let mut received = self.spans.lock().unwrap();
            received.extend(spans.map(|span| read(span, &resource)));
        }
        Ok(())
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
            Ok(()) => Ok(Response::new(ExportTraceServiceResponse::default())),
            Err(Refusal::Unavailable) => Err(Status::unavailable("later")),
            Err(Refusal::Exhausted(None) | Refusal::ExhaustedUntil(_)) => {
                Err(Status::resource_exhausted("full"))
            }
            Err(Refusal::Exhausted(after)) => {
                let details = ErrorDetails::with_retry_info(after);
                let code = Code::ResourceExhausted;
                Err(Status::with_error_details(code, "full", details))
            }
        }
    }
}

async fn receive(
    State(received): State<Received>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Vec<u8>) {
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
    let mut headers_back = HeaderMap::new();
    let (status, body) = match received.take(request, &headers) {
        Ok(()) => {
            let body = ExportTraceServiceResponse::default().encode_to_vec();
            (StatusCode::OK, body)
        }
        Err(Refusal::Unavailable) => (StatusCode::SERVICE_UNAVAILABLE, Vec::new()),
        Err(Refusal::Exhausted(after)) => {
            headers_back.extend(after.map(|after| (RETRY_AFTER, after.as_secs().into())));
            (StatusCode::TOO_MANY_REQUESTS, Vec::new())
        }
        Err(Refusal::ExhaustedUntil(after)) => {
            let now = DateTime::from_timestamp(1_000_000_000, 0).unwrap();
            let date = |at: DateTime<Utc>| {
                let text = at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
                text.try_into().unwrap()
            };
            headers_back.insert(DATE, date(now));
            headers_back.insert(RETRY_AFTER, date(now + after));
            (StatusCode::TOO_MANY_REQUESTS, Vec::new())
        }
    };
    (status, headers_back, body)
}

/// The time within which a span must have come that has ended before.
pub const SOON: Duration = Duration::from_millis(50);
