//! Clients that use the wrong protocol: plain text on a port with TLS, or TLS on a port without.

use std::time::{Duration, Instant};
use std::{
    io,
    sync::{Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The first byte of a TLS connection: the record type `handshake` (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// How long the client may take to read the answer, and the bytes that are read from it meanwhile.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;
/// The minimum time between two log lines about the same kind of failure.
const LOG_STEP: Duration = Duration::from_secs(60);

/// For people and for gRPC clients, which show the debug data of a GOAWAY frame.
const TEXT: &str = "this port speaks TLS: use https://";

/// Whether these first bytes of a connection begin a TLS handshake.
pub(super) fn is_tls(begin: &[u8]) -> bool {
    begin.first() == Some(&HANDSHAKE)
}

/// Answers a client that speaks plain HTTP on a port with TLS, in its own version of HTTP.
pub(super) async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let answered = async {
        let mut begin = [0; 1024];
        let length = stream.read(&mut begin).await?;
        let answer = match begin[..length].starts_with(b"PRI * HTTP/2") {
            true => go_away(),
            false => bad_request(),
        };
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        // A socket that is closed with unread bytes resets the connection, and the client loses the answer.
        let mut rest = stream.take(LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        Ok(())
    };
    timeout(LINGER, answered).await?
}

fn bad_request() -> Vec<u8> {
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{TEXT}\n",
        TEXT.len() + 1
    )
    .into_bytes()
}

/// An empty SETTINGS frame and GOAWAY with INADEQUATE_SECURITY (RFC 9113, sections 6.5, 6.8 and 7).
fn go_away() -> Vec<u8> {
    let mut frames = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    frames.extend([0, 0, 8 + TEXT.len() as u8, 7, 0, 0, 0, 0, 0]);
    frames.extend([0, 0, 0, 0, 0, 0, 0, 12]);
    frames.extend(TEXT.bytes());
    frames
}

/// Limits the log lines about one kind of failure to one a minute.
#[derive(Debug, Default)]
pub(super) struct Notice(Mutex<Option<Instant>>);

impl Notice {
    /// Whether to log now.
    pub(super) fn is_due(&self) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = logged.is_none_or(|at| at.elapsed() >= LOG_STEP);
        if is_due {
            *logged = Some(Instant::now());
        }
        is_due
    }
}

/// Logs clients that begin a TLS handshake on a port without TLS.
#[derive(Debug, Default)]
pub(crate) struct TlsOnPlainPort(Notice);

impl TlsOnPlainPort {
    /// Looks at the first bytes of a connection without TLS.
    pub(crate) fn check(&self, begin: &[u8]) {
        if is_tls(begin) && self.0.is_due() {
            tracing::warn!(
                "a client began a TLS handshake, but this port speaks plain HTTP: let clients use http://, or set \
                 --tls-cert and --tls-key; the log repeats this at most once a minute"
            );
        }
    }
}
