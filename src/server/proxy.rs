//! The PROXY protocol, versions 1 and 2, with which a proxy that forwards bytes names its client.
//!
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>. Only trusted proxies may send it, and they may leave it
//! out: neither HTTP nor TLS begins with its first bytes. The crate `ppp` would bring a second version of `thiserror`.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, sleep, timeout_at},
};

/// The first bytes of both versions.
const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, with its line break.
const MOST_V1: usize = 107;
/// The longest header of version 2, after its first 16 bytes. Addresses take 36 bytes; the rest is extensions, which are
/// skipped.
const MOST_V2: usize = 4096;
/// How long a header may take from its first bytes to its end. Proxies send it in one piece; the protocol recommends 3 s,
/// in which TCP can repeat a lost packet.
const HEADER_TIME: Duration = Duration::from_secs(3);
/// The first pause before the socket is read again, while only some of the first bytes have arrived. It doubles, so a
/// client that sends no more costs little.
const PAUSE: Duration = Duration::from_millis(1);

/// Why a connection ends instead of being served.
#[derive(Debug)]
pub(super) enum HeaderError {
    Untrusted,
    Malformed,
    Late,
    /// The client broke off, or the socket failed.
    Io(io::Error),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("--trusted-proxies does not name its sender"),
            Self::Malformed => f.write_str("it is malformed"),
            Self::Late => write!(f, "it did not arrive within {HEADER_TIME:?}"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HeaderError {}

impl From<io::Error> for HeaderError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the header if the connection begins with one. Returns the client; `None` if there is no header, or if it names
/// no IP address, as in a health check of the proxy itself. A connection without a byte until `deadline` has no header.
pub(super) async fn read_header(
    stream: &mut TcpStream,
    is_trusted: bool,
    deadline: Instant,
) -> Result<Option<IpAddr>, HeaderError> {
    let version = match timeout_at(deadline, begins(stream)).await {
        Ok(version) => version?,
        // What reads the connection next has the same deadline, and reports it.
        Err(_) => None,
    };
    let Some(version) = version else {
        return Ok(None);
    };
    if !is_trusted {
        return Err(HeaderError::Untrusted);
    }
    let header = async {
        match version {
            Version::One => read_v1(stream).await,
            Version::Two => read_v2(stream).await,
        }
    };
    let deadline = deadline.min(Instant::now() + HEADER_TIME);
    let client = timeout_at(deadline, header).await;
    let client = client.map_err(|_| HeaderError::Late)??;
    Ok(client.map(|client| client.to_canonical()))
}

enum Version {
    One,
    Two,
}

/// The version of the header with which the connection begins; `None` if it begins with something else, or ends. The
/// bytes stay in the socket.
async fn begins(stream: &TcpStream) -> io::Result<Option<Version>> {
    let mut begin = [0; V2.len()];
    let mut pause = PAUSE;
    loop {
        let count = stream.peek(&mut begin).await?;
        let begin = &begin[..count];
        if begin.starts_with(V1) {
            return Ok(Some(Version::One));
        }
        if begin == V2 {
            return Ok(Some(Version::Two));
        }
        if count == 0 || !(V1.starts_with(begin) || V2.starts_with(begin)) {
            return Ok(None);
        }
        sleep(pause).await;
        pause *= 2;
    }
}

/// Reads `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443` and the line break. `PROXY UNKNOWN` and anything names no address.
async fn read_v1(stream: &mut TcpStream) -> Result<Option<IpAddr>, HeaderError> {
    let mut line = Vec::with_capacity(MOST_V1);
    // Byte by byte, because what follows the line must stay in the socket.
    while !line.ends_with(b"\r\n") {
        if line.len() == MOST_V1 {
            return Err(HeaderError::Malformed);
        }
        line.push(stream.read_u8().await?);
    }
    let line = std::str::from_utf8(&line).map_err(|_| HeaderError::Malformed)?;
    let words: Vec<&str> = line.trim_end_matches("\r\n").split(' ').collect();
    match words[1..] {
        ["UNKNOWN", ..] => Ok(None),
        ["TCP4", source, target, from, to] => {
            let source: Ipv4Addr = read(source)?;
            read::<Ipv4Addr>(target)?;
            ports(from, to)?;
            Ok(Some(source.into()))
        }
        ["TCP6", source, target, from, to] => {
            let source: Ipv6Addr = read(source)?;
            read::<Ipv6Addr>(target)?;
            ports(from, to)?;
            Ok(Some(source.into()))
        }
        _ => Err(HeaderError::Malformed),
    }
}

fn read<T: FromStr>(word: &str) -> Result<T, HeaderError> {
    word.parse().map_err(|_| HeaderError::Malformed)
}

fn ports(from: &str, to: &str) -> Result<(), HeaderError> {
    read::<u16>(from)?;
    read::<u16>(to)?;
    Ok(())
}

/// Reads the signature, version and command, family, the length of the rest; then the addresses and extensions.
async fn read_v2(stream: &mut TcpStream) -> Result<Option<IpAddr>, HeaderError> {
    let mut head = [0; V2.len() + 4];
    stream.read_exact(&mut head).await?;
    let [.., command, family, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST_V2 {
        return Err(HeaderError::Malformed);
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (command, family) {
        // LOCAL: a connection of the proxy itself, whatever the family.
        (0x20, _) => Ok(None),
        (0x21, 0x11) => {
            let source = rest.first_chunk::<4>().filter(|_| length >= 12);
            let source = source.ok_or(HeaderError::Malformed)?;
            Ok(Some(Ipv4Addr::from(*source).into()))
        }
        (0x21, 0x21) => {
            let source = rest.first_chunk::<16>().filter(|_| length >= 36);
            let source = source.ok_or(HeaderError::Malformed)?;
            Ok(Some(Ipv6Addr::from(*source).into()))
        }
        // Another family, such as a Unix socket.
        (0x21, _) => Ok(None),
        _ => Err(HeaderError::Malformed),
    }
}
