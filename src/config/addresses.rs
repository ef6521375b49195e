//! The settings of limits per address.

use std::time::Duration;

use clap::Args;

use super::call_limit;
use crate::{
    domain::rate::{Limit, Rate},
    request::{AddressLimits, Network, Proxies},
};

/// The smallest default of the maximum number of connections of one address. A proxy that nobody has named may have many.
const LEAST_CONNECTIONS: usize = 1_000;
/// The default number of calls without a valid key in a minute.
const FAILED_KEYS: u64 = 60;

/// The limits of what comes from one address. The defaults of `dev` and `serve` differ.
#[derive(Debug, Clone, Args)]
pub struct AddressSettings {
    /// Maximum number of client connections of one address (of IPv6: of one /64 network); a further one is refused. Not for
    /// trusted proxies. By default half of --max-connections, but at least 1000, in `serve`, and without a limit in `dev`
    #[arg(long, env = "OUTBOUND_TASKS_MAX_CONNECTIONS_PER_ADDRESS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections_per_address: Option<u32>,
    /// Maximum rate of calls without a valid key from one address (of IPv6: from one /64 network), such as 60/m; beyond it
    /// such calls get RESOURCE_EXHAUSTED, and calls with a valid key go on; off: no limit. By default 60/m in `serve` and off
    /// in `dev`
    #[arg(long, env = "OUTBOUND_TASKS_FAILED_KEYS", value_parser = call_limit)]
    pub failed_keys: Option<Limit>,
    /// Proxies in front of the service, as addresses or networks such as 10.0.0.0/8; repeat or separate by commas. The
    /// service takes the address of a client from their X-Forwarded-For or PROXY header
    #[arg(long, env = "OUTBOUND_TASKS_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',', value_parser = Network::parse)]
    pub trusted_proxies: Vec<Network>,
}

impl AddressSettings {
    /// The limits of a service for others, which has `connections` at most.
    pub fn limits(&self, connections: usize) -> AddressLimits {
        let default = (connections / 2).max(LEAST_CONNECTIONS);
        let failed_keys = Rate::new(FAILED_KEYS, Duration::from_secs(60));
        let limits = self.developer_limits();
        AddressLimits {
            connections: limits.connections.or(Some(default)),
            failed_keys: self.failed_keys.unwrap_or(Limit::At(failed_keys)),
            ..limits
        }
    }

    /// The limits of a developer's service: none unless they are set.
    pub fn developer_limits(&self) -> AddressLimits {
        AddressLimits {
            connections: self.max_connections_per_address.map(|most| most as usize),
            failed_keys: self.failed_keys.unwrap_or_default(),
            proxies: Proxies::new(&self.trusted_proxies),
        }
    }
}
