//! How the connections of the callers' port begin: with a handshake, or at once.

use std::{io, sync::Arc};

use tokio::net::TcpStream;

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

    /// Does the handshake, if the port has TLS, and notes the subject of the client's certificate.
    pub(crate) async fn open(
        &self,
        stream: TcpStream,
        connection: &Connection,
    ) -> io::Result<ClientStream> {
        let Some(tls) = &self.tls else {
            return Ok(ClientStream::Plain(stream));
        };
        // Boxed, so that it does not enlarge the task of each connection.
        let stream = Box::pin(tls.accept(stream, Port::Callers)).await?;
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
