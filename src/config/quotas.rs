//! The settings of quotas.

use std::time::Duration;

use clap::Args;

use crate::{
    domain::rate::{Limit, Rate, Unit},
    quota::Limits,
};

/// The window of the default limits.
const WINDOW: Duration = Duration::from_secs(10);

/// The limits of keys that have none of their own, and of tenants. The defaults of `dev` and `serve` differ.
#[derive(Debug, Clone, Args)]
pub struct QuotaSettings {
    /// Maximum rate of calls with one key, such as 100/s or 5000/10s; beyond it calls get RESOURCE_EXHAUSTED; off: no limit.
    /// `keys create --rate` sets another one for a key. By default 1000000/10s in `serve` and off in `dev`
    #[arg(long, env = "OUTBOUND_TASKS_KEY_RATE", value_parser = call_limit)]
    pub key_rate: Option<Limit>,
    /// Maximum database time of calls with one key, such as 2s/s or 500ms/10s; beyond it calls get RESOURCE_EXHAUSTED; off:
    /// no limit. `keys create --cost` sets another one for a key. By default off: connections are shared fairly among tenants
    #[arg(long, env = "OUTBOUND_TASKS_KEY_COST", value_parser = cost_limit)]
    pub key_cost: Option<Limit>,
    /// Maximum rate of calls with all keys of a tenant together. By default 2000000/10s in `serve` and off in `dev`
    #[arg(long, env = "OUTBOUND_TASKS_TENANT_RATE", value_parser = call_limit)]
    pub tenant_rate: Option<Limit>,
    /// Maximum database time of calls with all keys of a tenant together. By default off, as for a key
    #[arg(long, env = "OUTBOUND_TASKS_TENANT_COST", value_parser = cost_limit)]
    pub tenant_cost: Option<Limit>,
}

impl QuotaSettings {
    /// The limits of a service for others.
    pub fn limits(&self) -> Limits {
        let calls = |amount| Limit::At(Rate::new(amount, WINDOW));
        Limits {
            key_calls: self.key_rate.unwrap_or(calls(1_000_000)),
            key_cost: self.key_cost.unwrap_or(Limit::Off),
            tenant_calls: self.tenant_rate.unwrap_or(calls(2_000_000)),
            tenant_cost: self.tenant_cost.unwrap_or(Limit::Off),
        }
    }

    /// The limits of a developer's service: none unless they are set.
    pub fn developer_limits(&self) -> Limits {
        let limit = |set: Option<Limit>| set.unwrap_or(Limit::Off);
        Limits {
            key_calls: limit(self.key_rate),
            key_cost: limit(self.key_cost),
            tenant_calls: limit(self.tenant_rate),
            tenant_cost: limit(self.tenant_cost),
        }
    }
}

/// Parses a limit of calls, such as `100/s` or `off`.
pub fn call_limit(text: &str) -> Result<Limit, String> {
    Limit::parse(text, Unit::Calls)
}

/// Parses a limit of database time, such as `2s/s` or `off`.
pub fn cost_limit(text: &str) -> Result<Limit, String> {
    Limit::parse(text, Unit::Cost)
}
