//! Clients that use the wrong protocol: plain text on a port with TLS, or TLS on a port without.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::telemetry::RareLog;

/// The first byte of a TLS connection: the record type `handshake` (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// How long the client may take to read the answer, and the bytes that are read from it meanwhile.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 64 * 1024;
/// How long an HTTP/2 client may take to begin its first request. Clients that see the end of a connection before their
/// request is on it report only that it ended, and not the text.
const FIRST_REQUEST: Duration = Duration::from_millis(500);
/// The first bytes of an HTTP/2 client (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An empty SETTINGS frame (RFC 9113, section 6.5).
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
/// The type of the frame that begins a request (RFC 9113, section 6.2).
const HEADERS: u8 = 1;

/// For people and for gRPC clients, which show the debug data of a GOAWAY frame.
pub const SPEAKS_TLS: &str = "this port speaks TLS: use https://";

/// Whether these first bytes of a connection begin a TLS handshake.
pub(super) fn is_tls(begin: &[u8]) -> bool {
    begin.first() == Some(&HANDSHAKE)
}

/// Answers a client that speaks plain HTTP on a port with TLS, in its own version of HTTP.
pub(super) async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let answered = async {
        let mut begin = [0; PREFACE.len()];
        let length = stream.peek(&mut begin).await?;
        if begin[..length].starts_with(b"PRI * HTTP/2") {
            stream.write_all(&SETTINGS).await?;
            // However the wait ends, the answer is the same.
            let _ = timeout(FIRST_REQUEST, first_request(&mut stream)).await;
            stream.write_all(&go_away()).await?;
        } else {
            stream.write_all(&bad_request()).await?;
        }
        stream.shutdown().await?;
        // A socket that is closed with unread bytes resets the connection, and the client loses the answer.
        let mut rest = stream.take(LINGER_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        Ok(())
    };
    timeout(LINGER, answered).await?
}

/// Reads to the beginning of the first request of an HTTP/2 connection.
async fn first_request(stream: &mut TcpStream) -> io::Result<()> {
    let mut stream = stream.take(LINGER_BYTES);
    stream.read_exact(&mut [0; PREFACE.len()]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [a, b, c, kind, ..] = head;
        if kind == HEADERS {
            return Ok(());
        }
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = (&mut stream).take(length.into());
        tokio::io::copy(&mut payload, &mut tokio::io::sink()).await?;
    }
}

fn bad_request() -> Vec<u8> {
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{SPEAKS_TLS}\n",
        SPEAKS_TLS.len() + 1
    )
    .into_bytes()
}

/// GOAWAY with INADEQUATE_SECURITY (RFC 9113, sections 6.8 and 7).
fn go_away() -> Vec<u8> {
    let mut frame = vec![0, 0, 8 + SPEAKS_TLS.len() as u8, 7, 0, 0, 0, 0, 0];
    frame.extend([0, 0, 0, 0, 0, 0, 0, 12]);
    frame.extend(SPEAKS_TLS.bytes());
    frame
}

/// Logs clients that begin a TLS handshake on a port without TLS.
#[derive(Debug, Default)]
pub(crate) struct TlsOnPlainPort(RareLog);

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
