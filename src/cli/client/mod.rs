//! Shared parts of the commands that call a running service over gRPC. They never open a database.

mod filter;
mod output;
mod record;
mod refusal;
mod table;

use std::{path::Path, time::Duration};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

pub(super) use self::{
    filter::{Filters, mask},
    output::{Form, OutputFormat, note, unread, write},
    record::{Record, instant, task_status, unknown},
    refusal::{refused, retry},
    table::{Table, harmless},
};
use crate::{
    cli::terminal::failed,
    config::Service,
    error::{Error, ErrorKind, Result},
    pb::outbound_task_service_client::OutboundTaskServiceClient,
    pem_file,
};

/// How long a connection may take to be established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A page of 1,000 tasks, each with 100 customer ids of maximum length, takes 50 MiB.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// A client that sends the key with every call.
pub(super) type Client = OutboundTaskServiceClient<InterceptedService<Channel, Key>>;

/// Adds the API key to each call.
#[derive(Clone)]
pub(super) struct Key(AsciiMetadataValue);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("x-api-key", self.0.clone());
        Ok(request)
    }
}

/// The checked address and key of a service.
pub(super) struct Connector {
    endpoint: Endpoint,
    key: Key,
}

/// Sets up TLS with the authorities of `--ca-file`, else those of the system, and the client's certificate.
fn tls(endpoint: Endpoint, service: &Service) -> Result<Endpoint> {
    let (mut tls, source) = match &service.ca_file {
        Some(file) => {
            let pem = read(file)?;
            // tonic would take a file without a certificate, and then trust nobody.
            if CertificateDer::pem_slice_iter(&pem)
                .next()
                .is_none_or(|c| c.is_err())
            {
                let why = "it contains no certificate in PEM form";
                return Err(failed(format!("{} cannot be used", file.display()), why));
            }
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            (tls, file.display().to_string())
        }
        None => {
            let tls = ClientTlsConfig::new().with_native_roots();
            (tls, "the system's certificates".to_owned())
        }
    };
    if let (Some(cert), Some(key)) = (&service.client_cert, &service.client_key) {
        tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
    }
    endpoint
        .tls_config(tls)
        .map_err(|e| failed(format!("{source} cannot be used"), e))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    pem_file::read(file).map_err(|e| failed(format!("{} cannot be read", file.display()), e))
}

impl Connector {
    pub(super) fn new(service: &Service) -> Result<Self> {
        service.check()?;
        let bad_usage = |what: &str| Error::new(ErrorKind::BadUsage, what);
        let endpoint = Endpoint::from_shared(service.url.clone())
            .map_err(|_| bad_usage("--url is not a valid URL"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        let endpoint = match endpoint.uri().scheme_str() == Some("https") {
            true => tls(endpoint, service)?,
            false => endpoint,
        };
        let mut key: AsciiMetadataValue = service
            .api_key
            .parse()
            .map_err(|_| bad_usage("--api-key contains characters that no key has"))?;
        // Excludes the key from debug output.
        key.set_sensitive(true);
        Ok(Self {
            endpoint,
            key: Key(key),
        })
    }

    /// Opens a new connection. UNAVAILABLE if the service cannot be reached.
    pub(super) async fn connect(&self) -> Result<Client> {
        let channel = self.endpoint.connect().await.map_err(|error| {
            let url = harmless(&self.endpoint.uri().to_string());
            Error::new(
                ErrorKind::Unavailable,
                format!("the service at {url} cannot be reached"),
            )
            .caused_by(error)
        })?;
        let client = OutboundTaskServiceClient::with_interceptor(channel, self.key.clone());
        Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES))
    }
}
