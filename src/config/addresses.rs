//! The settings of limits per address.

use clap::Args;

use crate::request::{AddressLimits, Network, Proxies};

/// The smallest default of the maximum number of connections of one address. A proxy that nobody has named may have many.
const LEAST_CONNECTIONS: usize = 1_000;

/// The limits of what comes from one address. The defaults of `dev` and `serve` differ.
#[derive(Debug, Clone, Args)]
pub struct AddressSettings {
    /// Maximum number of client connections of one address (of IPv6: of one /64 network); a further one is refused. Not for
    /// trusted proxies. By default half of --max-connections, but at least 1000, in `serve`, and without a limit in `dev`
    #[arg(long, env = "OUTBOUND_TASKS_MAX_CONNECTIONS_PER_ADDRESS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections_per_address: Option<u32>,
    /// Proxies in front of the service, as addresses or networks such as 10.0.0.0/8; repeat or separate by commas. The
    /// service takes the address of a client from their X-Forwarded-For or PROXY header
    #[arg(long, env = "OUTBOUND_TASKS_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',', value_parser = Network::parse)]
    pub trusted_proxies: Vec<Network>,
}

impl AddressSettings {
    /// The limits of a service for others, which has `connections` at most.
    pub fn limits(&self, connections: usize) -> AddressLimits {
        let default = (connections / 2).max(LEAST_CONNECTIONS);
        let limits = self.developer_limits();
        AddressLimits {
            connections: limits.connections.or(Some(default)),
            ..limits
        }
    }

    /// The limits of a developer's service: none unless they are set.
    pub fn developer_limits(&self) -> AddressLimits {
        AddressLimits {
            connections: self.max_connections_per_address.map(|most| most as usize),
            proxies: Proxies::new(&self.trusted_proxies),
        }
    }
}
