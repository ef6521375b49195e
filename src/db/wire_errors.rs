//! Reads the SQLSTATE of each error off the wire.
//!
//! diesel-async turns an error of PostgreSQL into a kind and a text in the server's language. The five-character code,
//! which alone tells a full disk from a deadlock, is not in it. So [`Tapped`] passes all bytes on unchanged and follows
//! the frames of the protocol (a type, a length, a body; PostgreSQL, "Message Formats"): of an ErrorResponse it keeps
//! the code, of all others it only skips the body.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::error::SqlState;

/// As much of an ErrorResponse as is kept: severity and code come first.
const KEPT: usize = 256;
/// A type and a length.
const HEADER: usize = 5;

/// The code of the first error on a connection since it was last taken, as five bytes in a number; 0 is none.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstError(Arc<AtomicU64>);

impl FirstError {
    /// The code, which is forgotten by it.
    pub(super) fn take(&self) -> Option<SqlState> {
        let code = self.0.swap(0, Relaxed);
        if code == 0 {
            return None;
        }
        let bytes = &code.to_be_bytes()[3..];
        std::str::from_utf8(bytes).ok().map(SqlState::from_code)
    }

    /// Later errors only follow from the first one: a failed transaction refuses all that comes behind it.
    fn note(&self, code: [u8; 5]) {
        let [a, b, c, d, e] = code;
        let code = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let _ = self.0.compare_exchange(0, code, Relaxed, Relaxed);
    }
}

/// A stream from PostgreSQL whose errors are noted.
pub(super) struct Tapped<S> {
    stream: S,
    frames: Frames,
}

impl<S> Tapped<S> {
    pub(super) fn new(stream: S, errors: FirstError) -> Self {
        Self {
            stream,
            frames: Frames {
                errors,
                header: [0; HEADER],
                filled: 0,
                left: 0,
                error: None,
            },
        }
    }
}

struct Frames {
    errors: FirstError,
    header: [u8; HEADER],
    /// How much of the header is there.
    filled: usize,
    /// How much of the body is to come.
    left: usize,
    /// The beginning of the body, if it is an ErrorResponse.
    error: Option<Vec<u8>>,
}

impl Frames {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left == 0 {
                let (head, rest) = bytes.split_at(bytes.len().min(HEADER - self.filled));
                self.header[self.filled..self.filled + head.len()].copy_from_slice(head);
                self.filled += head.len();
                bytes = rest;
                if self.filled == HEADER {
                    let [kind, a, b, c, d] = self.header;
                    self.filled = 0;
                    // The length counts its own four bytes.
                    self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                    self.error = (kind == b'E').then(Vec::new);
                }
                continue;
            }
            let (body, rest) = bytes.split_at(bytes.len().min(self.left));
            if let Some(error) = &mut self.error {
                error.extend_from_slice(&body[..body.len().min(KEPT - error.len())]);
            }
            self.left -= body.len();
            bytes = rest;
            if self.left == 0
                && let Some(code) = self.error.take().as_deref().and_then(code)
            {
                self.errors.note(code);
            }
        }
    }
}

/// The code among an ErrorResponse's fields, each a type and a text that ends with a zero.
fn code(fields: &[u8]) -> Option<[u8; 5]> {
    let mut fields = fields.split(|byte| *byte == 0);
    fields.find_map(|field| field.strip_prefix(b"C")?.try_into().ok())
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.frames.follow(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
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
