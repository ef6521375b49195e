//! Sends what one poll of a connection writes at once.
//!
//! h2 writes and flushes each DATA frame of more than 256 bytes on its own, so an answer of gRPC would leave in two packets: its
//! message, and then its trailers. Each packet costs both sides a system call and wakes the client. So the connection writes into a
//! buffer, its own flushes do nothing, and [`Batch::send`] flushes the buffer after each poll of the connection. What does not
//! fit into the buffer goes to the socket as before, so a client that takes nothing holds the connection up.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

/// A DATA frame of full size does not fit and is not copied.
const HTTP2_BYTES: usize = 16 * 1024;

/// The byte stream of a connection, which collects what is written to it. Clones are the same stream.
pub(super) struct Batch<S>(Arc<Mutex<BufWriter<S>>>);

impl<S: AsyncRead + AsyncWrite + Unpin> Batch<S> {
    /// Over HTTP/1.1, nothing is collected: hyper itself sends an answer at once.
    pub(super) fn new(stream: S, is_http1: bool) -> Self {
        let bytes = if is_http1 { 0 } else { HTTP2_BYTES };
        let writer = BufWriter::with_capacity(bytes, stream);
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Runs the connection that has a clone of this stream, and sends what each poll has written.
    pub(super) async fn send<E: From<io::Error>>(
        &self,
        mut connection: Pin<&mut impl Future<Output = Result<(), E>>>,
    ) -> Result<(), E> {
        std::future::poll_fn(|context| {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                return Poll::Ready(ended);
            }
            match Pin::new(&mut *self.lock()).poll_flush(context) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, BufWriter<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Clone for Batch<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Batch<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Batch<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(context)
    }
}
