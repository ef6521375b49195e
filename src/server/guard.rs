//! A layer between hyper and the socket of a client.
//!
//! For HTTP/2, it limits control frames (see [`flood`](super::flood)) and rewrites authorities that h2 would reject
//! (see [`authority`]). For HTTP/1.1, it delays the close of a connection with an unread request body. If a socket is
//! closed with unread data, the operating system resets the connection, and the client loses the response.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    authority,
    flood::{Allowance, CALM_DOWN},
    frames::{Frames, HEADERS},
};
use crate::request::Connection;

/// How long a closing connection waits for the client to read the response and close its side.
const LINGER: Duration = Duration::from_secs(2);
/// The maximum number of bytes that are read and discarded meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;

/// The byte stream of one client.
pub(super) struct Guard<S> {
    stream: S,
    connection: Arc<Connection>,
    /// `None` over HTTP/1.1.
    http2: Option<Http2>,
    /// The end of the wait before the close, and the bytes that may still be discarded.
    linger: Option<(Pin<Box<Sleep>>, usize)>,
}

/// The state of the HTTP/2 checks.
struct Http2 {
    received: Frames,
    sent: Frames,
    allowance: Allowance,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Guard<S> {
    /// Wraps a connection. `preface` is the length of the HTTP/2 preface; `None` for HTTP/1.1.
    pub(super) fn new(stream: S, preface: Option<usize>, connection: Arc<Connection>) -> Self {
        Self {
            stream,
            connection,
            http2: preface.map(|length| Http2 {
                received: Frames::behind(length),
                sent: Frames::behind(0),
                allowance: Allowance::new(),
            }),
            linger: None,
        }
    }

    /// Checks the bytes just read; an error if the client has exceeded its allowance of control frames.
    fn check(&mut self, context: &mut Context<'_>, bytes: &mut [u8]) -> io::Result<()> {
        let Some(http2) = &mut self.http2 else {
            return Ok(());
        };
        let mut at = 0;
        while let Some((head, payload)) = http2.received.next(bytes, &mut at) {
            if !http2.allowance.received(head) {
                self.connection.flooded();
                if http2.sent.is_between() {
                    // Best effort: the connection ends even if the socket does not take the frame at once.
                    let _ = Pin::new(&mut self.stream).poll_write(context, &CALM_DOWN);
                }
                return Err(io::Error::other("too many control frames"));
            }
            if head.kind == HEADERS {
                authority::mend(head, &mut bytes[payload]);
            }
        }
        Ok(())
    }

    /// Follows the frames just written.
    fn note_sent(&mut self, bytes: &[u8]) {
        if let Some(http2) = &mut self.http2 {
            let mut at = 0;
            while let Some((head, _)) = http2.sent.next(bytes, &mut at) {
                http2.allowance.sent(head);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        Poll::Ready(self.check(context, &mut buffer.filled_mut()[before..]))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.note_sent(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        let mut left = count;
        for slice in slices {
            let sent = left.min(slice.len());
            self.note_sent(&slice[..sent]);
            left -= sent;
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            stream,
            connection,
            linger,
            ..
        } = &mut *self;
        let (until, left) = match linger {
            Some((until, left)) => (until, left),
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
                if !connection.is_body_left() {
                    return Poll::Ready(Ok(()));
                }
                let (until, left) = linger.insert((Box::pin(sleep(LINGER)), LINGER_BYTES));
                (until, left)
            }
        };
        loop {
            // What the client still sends is read and thrown away; nobody waits for it.
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && *left > 0 => {
                    *left = left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return until.as_mut().poll(context).map(Ok),
            }
        }
    }
}
