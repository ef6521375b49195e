//! The socket of a client, which ends with a reset where a graceful close would mislead the client.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tls::ClientStream;
use crate::request::sent::Outgoing;

/// A client's socket.
pub(super) struct Socket {
    stream: ClientStream,
    /// The bytes read to detect the HTTP version, which hyper must still read.
    begin: Vec<u8>,
    outgoing: Arc<Outgoing>,
}

impl Socket {
    pub(super) fn new(stream: ClientStream, begin: Vec<u8>, outgoing: Arc<Outgoing>) -> Self {
        Self {
            stream,
            begin,
            outgoing,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A linger time of zero makes the close a reset (RST). A client over HTTP/1.0 has no other
        // way to tell a response that was cut off from a complete one.
        if self.outgoing.ends_in_reset()
            && let Err(error) = self.stream.tcp().set_zero_linger()
        {
            tracing::debug!(%error, "a connection was not reset");
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The bytes that were read ahead come first.
        if self.begin.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = self.begin.len().min(buffer.remaining());
        buffer.put_slice(&self.begin[..count]);
        self.begin.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
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

    // Without vectored writes hyper copies the frames, so that dropping them would not mean that they were written.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
