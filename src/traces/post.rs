//! OTLP as POST requests with protobuf, each on a connection of its own: there is one every few seconds.

use std::{io::Write, sync::Arc, time::Duration};

use chrono::DateTime;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

use super::{
    Collector,
    failure::{Failure, causes},
};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
/// The largest answer that is read. It holds a sentence at most.
const MOST_ANSWER_BYTES: usize = 64 * 1024;

/// Sends POST requests to a collector.
pub(super) struct Post {
    collector: Collector,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Post {
    pub(super) fn new(collector: Collector) -> Result<Self, String> {
        let host = collector.endpoint.host().unwrap_or_default();
        // An IPv6 address stands in brackets in a URL.
        let host = host.trim_matches(['[', ']']).to_owned();
        let is_encrypted = collector.is_encrypted();
        let default_port = if is_encrypted { 443 } else { 80 };
        let tls = match is_encrypted {
            true => {
                let name = ServerName::try_from(host.clone());
                let name = name.map_err(|error| format!("the collector's name: {error}"))?;
                Some((TlsConnector::from(Arc::new(config(&collector)?)), name))
            }
            false => None,
        };
        Ok(Self {
            port: collector.endpoint.port_u16().unwrap_or(default_port),
            collector,
            host,
            tls,
        })
    }

    pub(super) async fn send(
        &self,
        message: &ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Failure> {
        let stream = self.connect().await.map_err(Failure::passing)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::passing(causes(&error)))?;
        // Drives the connection until this function ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(self.request(message)?).await;
        let response = response.map_err(|error| Failure::passing(causes(&error)))?;
        let status = response.status();
        if status != StatusCode::OK {
            let may_pass = matches!(status.as_u16(), 429 | 502..=504);
            return Err(Failure {
                why: format!("the collector answered {status}"),
                retry_after: may_pass.then(|| asked(response.headers())),
            });
        }
        let body = Limited::new(response.into_body(), MOST_ANSWER_BYTES);
        let body = body.collect().await;
        let body = body.map_err(|error| Failure::passing(error.to_string()))?;
        let answer = ExportTraceServiceResponse::decode(body.to_bytes());
        Ok(answer.unwrap_or_default())
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                Box::new(stream.map_err(|error| causes(&error))?)
            }
        })
    }

    fn request(
        &self,
        message: &ExportTraceServiceRequest,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let Collector {
            endpoint,
            headers,
            is_compressed,
            ..
        } = &self.collector;
        let mut body = message.encode_to_vec();
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = endpoint
            .path_and_query()
            .map_or_else(Default::default, |path| path.clone().into());
        *request.headers_mut() = headers.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROTOBUF);
        if let Some(host) = endpoint.authority()
            && let Ok(host) = HeaderValue::from_str(host.as_str())
        {
            headers.insert(header::HOST, host);
        }
        if *is_compressed {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            let compressed = gzip.write_all(&body).and_then(|()| gzip.finish());
            body = compressed.map_err(|error| Failure::lasting(error.to_string()))?;
            headers.insert(header::CONTENT_ENCODING, GZIP);
        }
        *request.body_mut() = Full::from(body);
        Ok(request)
    }
}

/// How long the collector asks to wait: a number of seconds, or a date, which counts from the answer's own `Date`, so that it
/// does not matter how two clocks differ. Zero if it asks for nothing that can be read.
fn asked(headers: &HeaderMap) -> Duration {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let date = |text: &str| DateTime::parse_from_rfc2822(text).ok();
    let Some(after) = text(header::RETRY_AFTER) else {
        return Duration::ZERO;
    };
    if let Ok(seconds) = after.trim().parse() {
        return Duration::from_secs(seconds);
    }
    let wait = date(after).zip(text(header::DATE).and_then(date));
    let wait = wait.map(|(until, now)| (until - now).to_std().unwrap_or_default());
    wait.unwrap_or_default()
}

/// TLS with the authorities of the settings, or those of the system.
fn config(collector: &Collector) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match &collector.authorities {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|certificate| roots.add(certificate).map_err(|e| e.to_string()));
                added
                    .map_err(|why| format!("the collector's authorities cannot be used: {why}"))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no authority for the collector's certificate".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
