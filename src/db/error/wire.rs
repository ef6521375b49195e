//! Reads the SQLSTATE of errors from the byte stream.
//!
//! diesel-async reduces an error of PostgreSQL to a kind and a text in the server's language. It
//! drops the five-character code, which is the only way to distinguish a full disk from a deadlock.
//! [`Tapped`] therefore passes all bytes on unchanged and follows the messages of the protocol
//! (type, length, body; PostgreSQL, "Message Formats"). It keeps the code of each ErrorResponse and
//! the process id of BackendKeyData, and skips all other bodies.

use std::sync::{
    Arc,
    atomic::{AtomicI32, AtomicU64, Ordering::Relaxed},
};

use tokio::io::AsyncRead;
use tokio_postgres::error::SqlState;
use tokio_util::io::InspectReader;

/// The part of an ErrorResponse that is kept, in bytes; severity and code come first.
const PREFIX_BYTES: usize = 256;
/// The length of a message's type and length.
const HEADER: usize = 5;

/// The code of the first error since the last call of `take`.
#[derive(Debug, Clone, Default)]
pub(in crate::db) struct FirstError(Arc<Noted>);

/// What was read off a stream.
#[derive(Debug, Default)]
struct Noted {
    /// Five bytes in an integer, 0 for none.
    code: AtomicU64,
    /// Of BackendKeyData, 0 for none.
    process: AtomicI32,
}

impl FirstError {
    /// Takes the code.
    pub(in crate::db) fn take(&self) -> Option<SqlState> {
        let code = self.0.code.swap(0, Relaxed);
        if code == 0 {
            return None;
        }
        let bytes = &code.to_be_bytes()[3..];
        std::str::from_utf8(bytes).ok().map(SqlState::from_code)
    }

    /// Records a code if there is none yet: in a failed transaction, later errors are only consequences.
    fn note(&self, code: [u8; 5]) {
        let [a, b, c, d, e] = code;
        let code = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
        let _ = self.0.code.compare_exchange(0, code, Relaxed, Relaxed);
    }

    /// The process id that the server named for cancel requests, or 0.
    pub(in crate::db) fn process_id(&self) -> i32 {
        self.0.process.load(Relaxed)
    }
}

/// A stream from PostgreSQL that records errors.
pub(in crate::db) type Tapped<S> = InspectReader<S, Box<dyn FnMut(&[u8]) + Send>>;

/// Notes the errors that arrive on a stream in `errors`.
pub(in crate::db) fn tapped<S: AsyncRead>(stream: S, errors: FirstError) -> Tapped<S> {
    let mut frames = Frames {
        errors,
        header: [0; HEADER],
        filled: 0,
        left: 0,
        kept: None,
    };
    InspectReader::new(stream, Box::new(move |bytes| frames.follow(bytes)))
}

/// The parser's state between reads.
struct Frames {
    errors: FirstError,
    header: [u8; HEADER],
    /// The number of header bytes read so far.
    filled: usize,
    /// The number of body bytes still to come.
    left: usize,
    /// The type and the beginning of the body of an ErrorResponse or of BackendKeyData.
    kept: Option<(u8, Vec<u8>)>,
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
                    // The length includes its own four bytes.
                    self.left = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                    self.kept = matches!(kind, b'E' | b'K').then(|| (kind, Vec::new()));
                }
                continue;
            }
            let (body, rest) = bytes.split_at(bytes.len().min(self.left));
            if let Some((_, kept)) = &mut self.kept {
                kept.extend_from_slice(&body[..body.len().min(PREFIX_BYTES - kept.len())]);
            }
            self.left -= body.len();
            bytes = rest;
            if self.left == 0
                && let Some((kind, body)) = self.kept.take()
            {
                self.note(kind, &body);
            }
        }
    }
}

impl Frames {
    fn note(&self, kind: u8, body: &[u8]) {
        if kind == b'E'
            && let Some(code) = code(body)
        {
            self.errors.note(code);
        }
        if kind == b'K'
            && let Some(process) = body.first_chunk()
        {
            let process = i32::from_be_bytes(*process);
            self.errors.0.process.store(process, Relaxed);
        }
    }
}

/// The code among the fields of an ErrorResponse; each field is a type byte and a zero-terminated text.
fn code(fields: &[u8]) -> Option<[u8; 5]> {
    let mut fields = fields.split(|byte| *byte == 0);
    fields.find_map(|field| field.strip_prefix(b"C")?.try_into().ok())
}
