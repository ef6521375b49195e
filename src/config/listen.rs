//! An address to listen on, which may be a host name.

use std::{fmt, io, net::SocketAddr, str::FromStr};

use tokio::net::lookup_host;

/// A host and a port to listen on, such as `0.0.0.0:8080`, `[::]:8080` or `tasks.internal:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address.
    Address(SocketAddr),
    /// A host name, resolved when the program starts.
    Name(String, u16),
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let parsed = text.rsplit_once(':').and_then(|(name, port)| {
            let is_name = !name.is_empty() && name.chars().all(is_letter);
            // 1.2.3 is a wrong address, and no name.
            let is_number = name.chars().all(|c| c.is_ascii_digit() || c == '.');
            let port = port.parse().ok()?;
            (is_name && !is_number).then(|| Self::Name(name.to_owned(), port))
        });
        parsed.ok_or_else(|| {
            "must be an address or a host name with a port, such as 127.0.0.1:8080, [::]:8080 or localhost:8080"
                .to_owned()
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl ListenAddress {
    /// The addresses of the host, at least one; IPv4 first, which clients of a name such as `localhost` all try.
    pub async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let (name, port) = match self {
            Self::Address(address) => return Ok(vec![*address]),
            Self::Name(name, port) => (name.as_str(), *port),
        };
        let mut addresses: Vec<SocketAddr> = lookup_host((name, port)).await?.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        match addresses.is_empty() {
            true => Err(io::Error::other("the name stands for no address")),
            false => Ok(addresses),
        }
    }
}
