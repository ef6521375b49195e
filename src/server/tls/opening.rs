//! How the connections of the callers' port begin: with a handshake, or at once.

use std::{io, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::Instant};

use super::{
    acceptor::{Port, Tls, subject},
    plain::TlsOnPlainPort,
    stream::ClientStream,
};
use crate::request::Connection;

/// Opens the connections of a port.
pub(crate) struct Opening {
    tls: Option<Arc<Tls>>,
    tls_on_plain_port: TlsOnPlainPort,
}

impl Opening {
    /// With `None` the port speaks plain HTTP.
    pub(crate) fn new(tls: Option<Arc<Tls>>) -> Self {
        Self {
            tls,
            tls_on_plain_port: TlsOnPlainPort::default(),
        }
    }

    /// How long a handshake may take; `None` if the port has none.
    pub(crate) fn handshake_timeout(&self) -> Option<Duration> {
        self.tls.as_ref().map(|tls| tls.handshake_timeout())
    }

    /// Does the handshake until `deadline`, if the port has TLS, and notes the subject of the client's certificate.
    pub(crate) async fn open(
        &self,
        stream: TcpStream,
        connection: &Connection,
        deadline: Instant,
    ) -> io::Result<ClientStream> {
        let Some(tls) = &self.tls else {
            return Ok(ClientStream::Plain(stream));
        };
        // Boxed, so that it does not enlarge the task of each connection.
        let accepted = tls.accept(stream, Port::Callers, connection.client(), deadline);
        let stream = Box::pin(accepted).await?;
        if let Some(subject) = subject(&stream) {
            connection.authenticated(&subject);
        }
        Ok(ClientStream::Tls(Box::new(stream)))
    }

    /// Logs a client that begins a handshake on a port without TLS. `begin`: the first bytes of the connection, or of
    /// what is encrypted.
    pub(crate) fn check(&self, begin: &[u8]) {
        if self.tls.is_none() {
            self.tls_on_plain_port.check(begin);
        }
    }
}
