//! Serves tenants in turn, so that the backlog of one tenant does not delay the others.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use futures_util::{StreamExt, future::OptionFuture, stream::FuturesUnordered};
use tokio::time::{MissedTickBehavior, interval};

use crate::domain::tenant::TenantId;

/// Serves tenants in turn until the future is dropped.
///
/// `find` is called at each interval of `every` and returns the tenants that have work. `work` does one batch for a
/// tenant; it also receives how many tenants have work, and returns whether the tenant has more. A tenant that has more
/// goes to the end of the queue. At most `at_a_time` tenants are served at the same time, so one slow tenant does not
/// stop the others.
pub(in crate::app) async fn serve_in_turn<Find, Work>(
    every: Duration,
    at_a_time: usize,
    find: impl Fn() -> Find,
    work: impl Fn(TenantId, usize) -> Work,
) where
    Find: Future<Output = Vec<TenantId>>,
    Work: Future<Output = (TenantId, bool)>,
{
    // The search under way. It may need a connection that a tenant's turn holds, so both go on at the same time.
    let mut finding = None;
    let mut waiting = VecDeque::new();
    // The tenants that wait and those that are being served.
    let mut known = HashSet::new();
    let mut serving = FuturesUnordered::new();
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick(), if finding.is_none() => finding = Some(Box::pin(find())),
            Some(found) = OptionFuture::from(finding.as_mut()) => {
                finding = None;
                // Tenants that wait or are being served are skipped, so each has at most one entry
                // in the queue.
                waiting.extend(found.into_iter().filter(|tenant| known.insert(tenant.clone())));
            }
            Some((tenant, has_more)) = serving.next() => match has_more {
                true => waiting.push_back(tenant),
                false => drop(known.remove(&tenant)),
            },
        }
        while serving.len() < at_a_time {
            let Some(tenant) = waiting.pop_front() else {
                break;
            };
            serving.push(work(tenant, known.len()));
        }
    }
}
