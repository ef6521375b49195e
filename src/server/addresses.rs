//! The limit of connections per address of a client.
//!
//! Without it, one client could hold all connections that the service may have. A connection of a trusted proxy is not
//! counted, unless it begins with a PROXY header: then it counts for the client that the header names.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::TcpStream, time::Instant};

use super::proxy::{self, HeaderError};
use crate::{
    request::{AddressLimits, Connection, Origin},
    telemetry::{Metrics, RareLog},
};

/// The open connections of each address.
#[derive(Debug)]
pub(super) struct Addresses {
    limits: AddressLimits,
    open: Mutex<HashMap<Origin, usize>>,
    metrics: Arc<Metrics>,
    /// Connections beyond the limit.
    too_many: RareLog,
    /// PROXY headers that are not accepted.
    bad_headers: RareLog,
}

/// A connection that was let in; dropping the value ends it.
#[derive(Debug)]
pub(super) struct Entrance {
    addresses: Arc<Addresses>,
    /// What the connection is counted for; `None` if it is a trusted proxy's own.
    origin: Option<Origin>,
}

impl Addresses {
    pub(super) fn new(limits: AddressLimits, metrics: &Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::default(),
            metrics: Arc::clone(metrics),
            too_many: RareLog::default(),
            bad_headers: RareLog::default(),
        })
    }

    /// Lets a connection from this address in; `None` if the address has the maximum number open.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Entrance> {
        let origin = match self.limits.proxies.contains(peer) {
            true => None,
            false => Some(self.count(peer)?),
        };
        Some(Entrance {
            addresses: Arc::clone(self),
            origin,
        })
    }

    /// Counts a connection; `None` if the address has the maximum number open.
    fn count(&self, address: IpAddr) -> Option<Origin> {
        let origin = Origin::from(address);
        let most = self.limits.connections.unwrap_or(usize::MAX);
        {
            let mut open = self.open();
            let count = open.entry(origin).or_default();
            if *count < most {
                *count += 1;
                return Some(origin);
            }
        }
        self.metrics.connections_refused().inc();
        if self.too_many.is_due() {
            tracing::warn!(
                %address,
                most,
                "a connection was refused because its address has the maximum number open: if the address is a proxy's, \
                 name it with --trusted-proxies, or raise --max-connections-per-address; the metric connections_refused \
                 counts them, and the log repeats this at most once a minute"
            );
        }
        None
    }

    /// Counts a PROXY header that is not accepted.
    fn note(&self, peer: IpAddr, error: &HeaderError) {
        self.metrics.proxy_headers_refused().inc();
        if self.bad_headers.is_due() {
            tracing::warn!(
                %peer,
                "a connection was closed because of its PROXY header: {error}; the metric proxy_headers_refused counts \
                 them, and the log repeats this at most once a minute"
            );
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Origin, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entrance {
    /// Reads the PROXY header, if the connection begins with one, and counts the connection for the client that it
    /// names. An error if the header is not acceptable, or if its client has the maximum number of connections open.
    /// Waits until `deadline` for the first bytes.
    pub(super) async fn read_header(
        &mut self,
        stream: &mut TcpStream,
        connection: &Connection,
        deadline: Instant,
    ) -> io::Result<()> {
        // Only trusted proxies are not counted yet.
        let is_trusted = self.origin.is_none();
        let client = match proxy::read_header(stream, is_trusted, deadline).await {
            Ok(client) => client,
            Err(HeaderError::Io(error)) => return Err(error),
            Err(error) => {
                self.addresses.note(connection.client(), &error);
                return Err(io::Error::other(error));
            }
        };
        if let Some(client) = client {
            connection.forwarded(client);
            let counted = self.addresses.count(client);
            self.origin = Some(counted.ok_or_else(|| {
                io::Error::other("the client has the maximum number of connections open")
            })?);
        }
        Ok(())
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        let Some(origin) = self.origin else {
            return;
        };
        let mut open = self.addresses.open();
        if let Some(count) = open.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                open.remove(&origin);
            }
        }
    }
}
