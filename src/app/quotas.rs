//! The quotas of a caller, as the API reports them.

use super::{App, Caller};
use crate::{domain::rate::Unit, quota::QuotaState};

/// A quota, in the units of the API: calls, or milliseconds of database time.
#[derive(Debug, Clone, Copy)]
pub struct QuotaReport {
    /// `key`, `key-cost`, `tenant` or `tenant-cost`.
    pub name: &'static str,
    /// Whether it counts calls or database time.
    pub unit: Unit,
    /// The limit.
    pub limit: i32,
    /// The time in which the whole limit flows back, in seconds.
    pub window_seconds: i32,
    /// What is left.
    pub remaining: i32,
    /// The time until the quota is whole again, in seconds, rounded up.
    pub reset_seconds: i32,
}

impl From<QuotaState> for QuotaReport {
    fn from(state: QuotaState) -> Self {
        let QuotaState {
            quota,
            rate,
            left,
            full_in,
        } = state;
        // Limits fit into an i32 by the rules of `Limit`; a debt may last longer than 68 years only in theory.
        let number = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        let reset = full_in.as_millis().div_ceil(1000);
        Self {
            name: quota.name,
            unit: quota.unit,
            limit: number(quota.unit.shown(rate.amount())),
            window_seconds: number(rate.window().as_secs()),
            remaining: number(quota.unit.shown(left)),
            reset_seconds: i32::try_from(reset).unwrap_or(i32::MAX),
        }
    }
}

impl App {
    /// The quotas that limit the caller, the key's first; none if nothing is limited.
    pub fn quota_list(&self, caller: &Caller) -> Vec<QuotaReport> {
        let account = caller.account.iter();
        account
            .flat_map(|account| account.states())
            .map(QuotaReport::from)
            .collect()
    }
}
