//! Shared parts of the commands that call a running service over gRPC. They never open a database.

mod filter;
mod output;
mod record;
mod refusal;
mod send;
mod table;
mod tls;

use std::time::Duration;

use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

pub(super) use self::{
    filter::{Filters, mask},
    output::{Form, OutputFormat, unread, write},
    record::{Record, instant, task_status, unknown},
    refusal::retry,
    send::Sending,
    table::{Table, harmless},
};
use self::{refusal::refused, tls::Trust};
use crate::{
    config::Service,
    error::{Error, ErrorKind, Result},
    pb::outbound_task_service_client::OutboundTaskServiceClient,
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
    /// `None` without TLS.
    trust: Option<Trust>,
    key: Key,
}

impl Connector {
    pub(super) fn new(service: &Service) -> Result<Self> {
        service.check()?;
        let bad_usage = |what: &str| Error::new(ErrorKind::BadUsage, what);
        let endpoint = Endpoint::from_shared(service.url.clone())
            .map_err(|_| bad_usage("--url is not a valid URL"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true);
        let is_https = endpoint.uri().scheme_str() == Some("https");
        let trust = is_https.then(|| Trust::of(service));
        let endpoint = match &trust {
            Some(trust) => trust.apply(endpoint)?,
            None => endpoint,
        };
        let mut key: AsciiMetadataValue = service
            .api_key
            .parse()
            .map_err(|_| bad_usage("--api-key contains characters that no key has"))?;
        // Excludes the key from debug output.
        key.set_sensitive(true);
        Ok(Self {
            endpoint,
            trust,
            key: Key(key),
        })
    }

    /// Opens a new connection. UNAVAILABLE if the service cannot be reached.
    pub(super) async fn connect(&self) -> Result<Client> {
        let channel = self.endpoint.connect().await.map_err(|error| {
            let why = format!("the service at {} cannot be reached", self.url());
            let trust = self.trust.as_ref();
            match trust.and_then(|trust| trust.explain(&error)) {
                Some(cause) => {
                    let why = format!("{why}: {}", harmless(&cause));
                    Error::new(ErrorKind::Unavailable, why)
                }
                None => Error::new(ErrorKind::Unavailable, why).caused_by(error),
            }
        })?;
        let client = OutboundTaskServiceClient::with_interceptor(channel, self.key.clone());
        Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// The error for the terminal of a call that was refused or broke off. `was_answered`: whether the service ever
    /// answered.
    pub(super) fn refused(&self, status: &Status, was_answered: bool) -> Error {
        refused(status, &self.url(), self.trust.as_ref(), was_answered)
    }

    fn url(&self) -> String {
        harmless(&self.endpoint.uri().to_string())
    }
}
