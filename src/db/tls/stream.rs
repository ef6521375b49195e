//! The handshake, and what the driver gets of its result.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_postgres::{
    config::{Config, SslMode, SslNegotiation},
    tls::{ChannelBinding, TlsConnect, TlsStream},
};
use tokio_rustls::TlsConnector;

use super::{Mode, Tls, TlsFailure, config::ALPN, endpoint::end_point};
use crate::db::address::{Address, Stream};

/// The message that asks the server for TLS: its length and a code (PostgreSQL, "Message Formats", SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A stream to the server, encrypted or not.
pub(in crate::db) struct Channel {
    pub(in crate::db) stream: Box<dyn Stream>,
    pub(in crate::db) prepared: Prepared,
}

/// Tells the driver what was agreed before it got the stream. For the driver, this is a TLS implementation whose handshake
/// is over.
#[derive(Debug, Clone)]
pub(in crate::db) enum Prepared {
    /// The stream is not encrypted.
    Plain,
    /// It is, with the data of the channel binding if there is one.
    Encrypted(Option<Vec<u8>>),
}

impl Stream for tokio_rustls::client::TlsStream<Box<dyn Stream>> {}

impl Channel {
    pub(in crate::db) fn plain(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            prepared: Prepared::Plain,
        }
    }
}

impl Tls {
    /// Encrypts a stream to `address`. Unencrypted if the mode is `prefer` and the server has no TLS.
    pub(in crate::db) async fn handshake(
        &self,
        mut stream: Box<dyn Stream>,
        address: &Address,
    ) -> Result<Channel, TlsFailure> {
        let parameters = &self.parameters;
        let failed = |error| TlsFailure::of_handshake(error, parameters);
        if !parameters.is_direct {
            match ask(&mut stream).await.map_err(failed)? {
                b'S' => {}
                b'N' if parameters.mode == Mode::Prefer => return Ok(Channel::plain(stream)),
                b'N' => return Err(TlsFailure::NoTls(parameters.mode)),
                other => return Err(TlsFailure::NoAnswer(other)),
            }
        }
        let name = self.server_name(address)?;
        let connector = TlsConnector::from(self.client_config().await);
        let stream = connector.connect(name, stream).await.map_err(failed)?;
        let (_, session) = stream.get_ref();
        // Without this check, a server of another protocol could be made to take the bytes for its own.
        if parameters.is_direct && session.alpn_protocol() != Some(ALPN) {
            return Err(TlsFailure::OtherProtocol);
        }
        let certificate = session.peer_certificates().and_then(|chain| chain.first());
        let binding = certificate.and_then(|certificate| end_point(certificate));
        Ok(Channel {
            stream: Box::new(stream),
            prepared: Prepared::Encrypted(binding),
        })
    }

    /// The name that the server is asked for, and that its certificate must be for.
    fn server_name(&self, address: &Address) -> Result<ServerName<'static>, TlsFailure> {
        let Address::Tcp(socket, name) = address else {
            return Err(TlsFailure::Name(address.to_string()));
        };
        let Some(name) = name else {
            return Ok(ServerName::IpAddress(socket.ip().into()));
        };
        match ServerName::try_from(name.to_string()) {
            Ok(name) => Ok(name),
            // Where the name is not checked, any will do.
            Err(_) if self.parameters.mode != Mode::VerifyFull => {
                Ok(ServerName::IpAddress(socket.ip().into()))
            }
            Err(_) => Err(TlsFailure::Name(name.to_string())),
        }
    }

    /// The failure that shows after the handshake, if TLS caused it.
    pub(in crate::db) fn of_session(&self, error: &tokio_postgres::Error) -> Option<TlsFailure> {
        TlsFailure::of_session(error, &self.parameters)
    }

    /// Whether a connection without TLS may follow one that failed.
    pub(in crate::db) fn may_be_plain(&self) -> bool {
        self.parameters.mode == Mode::Prefer
    }
}

/// Asks the server for TLS. A single byte is read, because whatever followed it in clear could come from somebody else.
async fn ask(stream: &mut Box<dyn Stream>) -> io::Result<u8> {
    stream.write_all(&SSL_REQUEST).await?;
    stream.flush().await?;
    stream.read_u8().await
}

impl Prepared {
    /// Makes the driver take the stream as it is.
    pub(in crate::db) fn apply(&self, config: &mut Config) {
        match self {
            Self::Plain => config.ssl_mode(SslMode::Disable),
            // So the driver does not ask the server for TLS, and calls `connect` below at once.
            Self::Encrypted(_) => config
                .ssl_mode(SslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct),
        };
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for Prepared {
    type Stream = Bound<S>;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Bound<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        let binding = match self {
            Self::Plain => None,
            Self::Encrypted(binding) => binding,
        };
        std::future::ready(Ok(Bound { stream, binding }))
    }
}

/// An encrypted stream with the data of its channel binding.
pub(in crate::db) struct Bound<S> {
    stream: S,
    binding: Option<Vec<u8>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Bound<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.binding {
            Some(binding) => ChannelBinding::tls_server_end_point(binding.clone()),
            None => ChannelBinding::none(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
