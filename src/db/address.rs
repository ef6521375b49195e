//! The addresses of PostgreSQL: the hosts of the URL, the addresses of their names, and the address that was used last.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, lookup_host},
};
use tokio_postgres::{
    Config,
    config::{Host, LoadBalanceHosts},
};

/// An idle connection is probed after this time.
/// Together with the probes, a dead host is noticed within 40 seconds; the default of Linux is two
/// hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// The interval between probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// The number of probes that may remain unanswered.
const KEEPALIVE_RETRIES: u32 = 2;
/// How long sent data may remain unacknowledged.
/// Without it, Linux sends data again for some 15 minutes before it gives up a connection whose
/// other end is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(15);

/// A byte stream to PostgreSQL.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// An address where PostgreSQL may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// With the name of the URL that it belongs to, for TLS; `None` if the URL gives an address.
    Tcp(SocketAddr, Option<Arc<str>>),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address, _) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Address {
    /// Opens a stream. The caller sets the time limit.
    pub(super) async fn open(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp(address, _) => {
                let stream = TcpStream::connect(address).await?;
                // A pipelined statement must not wait for the acknowledgement of the one before.
                stream.set_nodelay(true)?;
                let socket = SockRef::from(&stream);
                let keepalive = TcpKeepalive::new()
                    .with_time(KEEPALIVE_IDLE)
                    .with_interval(KEEPALIVE_INTERVAL)
                    .with_retries(KEEPALIVE_RETRIES);
                socket.set_tcp_keepalive(&keepalive)?;
                #[cfg(target_os = "linux")]
                socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// One host of the URL.
#[derive(Debug, Clone)]
pub(super) enum UrlHost {
    Address(Address),
    Name(String, u16),
}

impl fmt::Display for UrlHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl UrlHost {
    /// All addresses of the host, at least one.
    pub(super) async fn addresses(&self) -> io::Result<Vec<Address>> {
        let (name, port) = match self {
            Self::Address(address) => return Ok(vec![address.clone()]),
            Self::Name(name, port) => (name.as_str(), *port),
        };
        let shared: Arc<str> = name.into();
        let address = |socket| Address::Tcp(socket, Some(Arc::clone(&shared)));
        let addresses: Vec<_> = lookup_host((name, port)).await?.map(address).collect();
        match addresses.is_empty() {
            true => Err(io::Error::other("the name stands for no address")),
            false => Ok(addresses),
        }
    }
}

/// The hosts of the URL, and the address that was used last.
#[derive(Debug)]
pub(super) struct Hosts {
    hosts: Vec<UrlHost>,
    /// Whether load_balance_hosts=random is set.
    is_random: bool,
    last_good: Mutex<Option<Address>>,
}

impl Hosts {
    /// The hosts of `config`. [`super::url::parse`] has checked that the numbers of hosts and ports match.
    pub(super) fn of(config: &Config) -> Self {
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let ports = config.get_ports();
        let host = |i: usize| {
            let port = ports.get(i).or(ports.first()).copied().unwrap_or(5432);
            match (addresses.get(i), hosts.get(i)) {
                (Some(ip), host) => {
                    let name = match host {
                        Some(Host::Tcp(name)) => Some(name.as_str().into()),
                        _ => None,
                    };
                    Some(UrlHost::Address(Address::Tcp((*ip, port).into(), name)))
                }
                (None, Some(Host::Tcp(name))) => Some(UrlHost::Name(name.clone(), port)),
                (None, Some(Host::Unix(directory))) => {
                    let path = directory.join(format!(".s.PGSQL.{port}"));
                    Some(UrlHost::Address(Address::Unix(path)))
                }
                (None, None) => None,
            }
        };
        Self {
            hosts: (0..hosts.len().max(addresses.len()))
                .filter_map(host)
                .collect(),
            is_random: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            last_good: Mutex::default(),
        }
    }

    /// All hosts in the order of the URL.
    pub(super) fn listed(&self) -> impl Iterator<Item = &UrlHost> {
        self.hosts.iter()
    }

    /// All hosts in the order in which they should be tried.
    pub(super) fn in_order(&self) -> Vec<UrlHost> {
        let mut hosts = self.hosts.clone();
        if self.is_random {
            shuffle(&mut hosts);
        }
        hosts
    }

    /// The address to try first: the one used last, so that an unreachable host before it costs its time limit only
    /// once.
    pub(super) fn first(&self) -> Option<Address> {
        let good = self.last_good.lock();
        good.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a successful address; returns whether it differs from the previous one. With random load balancing, an
    /// address is recorded only after another one failed.
    pub(super) fn note(&self, address: &Address, after_failure: bool) -> bool {
        let mut good = self
            .last_good
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_another = good.as_ref() != Some(address);
        // A random choice must not become a permanent one.
        if (!self.is_random || after_failure) && is_another {
            *good = Some(address.clone());
        }
        is_another
    }

    /// Forgets the address used last, so that the next connection follows the order of the URL.
    pub(super) fn forget(&self) {
        let good = self.last_good.lock();
        *good.unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Fisher-Yates shuffle. If the system has no randomness, the order is unchanged.
fn shuffle(hosts: &mut [UrlHost]) {
    for i in (1..hosts.len()).rev() {
        let chance = getrandom::u32().unwrap_or_default() as usize;
        hosts.swap(i, chance % (i + 1));
    }
}
