//! Where PostgreSQL may be: the URL's hosts, each address that a name stands for, and which of them answered last.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
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

/// When a silent connection is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// How often it is probed from then on.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// How many probes may stay unanswered.
const KEEPALIVE_RETRIES: u32 = 2;
/// How long sent bytes may stay unacknowledged.
const USER_TIMEOUT: Duration = Duration::from_secs(15);

/// A stream to PostgreSQL.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// One place where PostgreSQL may listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Address {
    /// Opens a stream, without a time limit of its own.
    pub(super) async fn open(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
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
pub(super) enum Place {
    Address(Address),
    Name(String, u16),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl Place {
    /// All addresses that it stands for, at least one.
    pub(super) async fn addresses(&self) -> io::Result<Vec<Address>> {
        let (name, port) = match self {
            Self::Address(address) => return Ok(vec![address.clone()]),
            Self::Name(name, port) => (name.as_str(), *port),
        };
        let addresses: Vec<_> = lookup_host((name, port)).await?.map(Address::Tcp).collect();
        match addresses.is_empty() {
            true => Err(io::Error::other("the name stands for no address")),
            false => Ok(addresses),
        }
    }
}

/// The URL's hosts, and the address that answered last.
#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    is_random: bool,
    last_good: Mutex<Option<Address>>,
}

impl Places {
    /// What `config` names; [`super::url::parse`] saw to it that the numbers of hosts and ports fit.
    pub(super) fn of(config: &Config) -> Self {
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let ports = config.get_ports();
        let place = |i: usize| {
            let port = ports.get(i).or(ports.first()).copied().unwrap_or(5432);
            match (addresses.get(i), hosts.get(i)) {
                (Some(ip), _) => Some(Place::Address(Address::Tcp((*ip, port).into()))),
                (None, Some(Host::Tcp(name))) => Some(Place::Name(name.clone(), port)),
                (None, Some(Host::Unix(directory))) => {
                    let path = directory.join(format!(".s.PGSQL.{port}"));
                    Some(Place::Address(Address::Unix(path)))
                }
                (None, None) => None,
            }
        };
        Self {
            places: (0..hosts.len().max(addresses.len()))
                .filter_map(place)
                .collect(),
            is_random: config.get_load_balance_hosts() == LoadBalanceHosts::Random,
            last_good: Mutex::default(),
        }
    }

    /// All hosts, in the order in which to try them.
    pub(super) fn in_order(&self) -> Vec<Place> {
        let mut places = self.places.clone();
        if self.is_random {
            shuffle(&mut places);
        }
        places
    }

    /// The address to try before all others: the one that answered last, so that a dead host in front of it costs its
    /// time limit once and not at every connection.
    pub(super) fn first(&self) -> Option<Address> {
        let good = self.last_good.lock();
        good.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes which address answered; true if it was another one before. Where load is to be spread, it is noted only
    /// after another one did not answer.
    pub(super) fn note(&self, address: &Address, after_failure: bool) -> bool {
        let mut good = self
            .last_good
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_another = good.as_ref() != Some(address);
        if (!self.is_random || after_failure) && is_another {
            *good = Some(address.clone());
        }
        is_another
    }

    /// Forgets which address answered last: the next connection is made in the URL's order.
    pub(super) fn forget(&self) {
        let good = self.last_good.lock();
        *good.unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Fisher and Yates' shuffle; without chance, where the system has none to give, the order stays.
fn shuffle(places: &mut [Place]) {
    for i in (1..places.len()).rev() {
        let chance = getrandom::u32().unwrap_or_default() as usize;
        places.swap(i, chance % (i + 1));
    }
}
