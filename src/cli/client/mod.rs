//! What the commands share that ask a service over gRPC, as any other client does: they know no database.

mod filter;
mod output;
mod record;
mod refusal;
mod table;

use std::time::Duration;

use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, ClientTlsConfig, Endpoint},
};

pub(super) use self::{
    filter::{Filters, mask},
    output::{Form, OutputFormat, tell, unread, write},
    record::{instant, record, task_status, unknown},
    refusal::{refused, retry},
    table::{Table, cell, harmless},
};
use crate::{
    config::Service,
    error::{Error, ErrorKind, Result},
    pb::outbound_task_service_client::OutboundTaskServiceClient,
};

/// What a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A page of 1,000 tasks with 100 of the longest customer ids each comes to 50 MiB.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// A client whose every call carries the key.
pub(super) type Client = OutboundTaskServiceClient<InterceptedService<Channel, Key>>;

/// The key as it travels.
#[derive(Clone)]
pub(super) struct Key(AsciiMetadataValue);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("x-api-key", self.0.clone());
        Ok(request)
    }
}

/// How to reach a service, every value checked.
pub(super) struct Connector {
    endpoint: Endpoint,
    key: Key,
}

impl Connector {
    pub(super) fn new(service: &Service) -> Result<Self> {
        service.check()?;
        let bad_usage = |what: &str| Error::new(ErrorKind::BadUsage, what);
        let endpoint = Endpoint::from_shared(service.url.clone())
            .map_err(|_| bad_usage("--url is no URL"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        let endpoint = match endpoint.uri().scheme_str() == Some("https") {
            true => endpoint
                .tls_config(ClientTlsConfig::new().with_native_roots())
                .map_err(|e| super::failed("this machine's certificates cannot be read", e))?,
            false => endpoint,
        };
        let mut key: AsciiMetadataValue = service
            .api_key
            .parse()
            .map_err(|_| bad_usage("--api-key holds characters that no key has"))?;
        // Whatever is logged below, this is not.
        key.set_sensitive(true);
        Ok(Self {
            endpoint,
            key: Key(key),
        })
    }

    /// A client on a new connection. UNAVAILABLE where there is none to be had.
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
