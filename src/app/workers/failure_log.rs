//! Logs the failures of a worker: each kind of them once a minute, however many tenants it affects.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    domain::tenant::TenantId,
    error::{Error, Result},
};

/// The time between two lines about a kind of failure that lasts.
const LOG_AGAIN: Duration = Duration::from_secs(60);

/// Remembers what failed. A line has the cause of one failure, and the number of tenants that failed in the same way since the
/// line before, so the first line of an outage names one.
#[derive(Debug, Default)]
pub(in crate::app) struct FailureLog(Mutex<HashMap<Kind, Met>>);

/// What a failure prevents, and the message of its error.
type Kind = (&'static str, String);

#[derive(Debug)]
struct Met {
    logged: Instant,
    /// The tenants that failed since then.
    tenants: HashSet<TenantId>,
}

impl FailureLog {
    /// Logs a failed attempt for a tenant, or for all of them. `what` describes the consequence of a failure.
    pub(super) fn note<T>(&self, tenant: Option<&TenantId>, done: &Result<T>, what: &'static str) {
        if let Err(error) = done {
            self.failed(tenant, error, what);
        }
    }

    /// Logs a failure.
    pub(super) fn failed(&self, tenant: Option<&TenantId>, error: &Error, what: &'static str) {
        // A state of the database is logged where it is detected.
        if error.is_logged() {
            return;
        }
        let kind = (what, error.message().to_owned());
        if let Some(tenants) = self.due(kind, tenant, Instant::now()) {
            tracing::warn!(
                tenant.id = tenant.map(TenantId::as_str),
                tenants = tenant.map(|_| tenants),
                cause = error.internal_cause(),
                "{what}: {error}"
            );
        }
    }

    /// If a line is due: the number of tenants that failed since the line before, this one included.
    fn due(&self, kind: Kind, tenant: Option<&TenantId>, now: Instant) -> Option<usize> {
        let is_recent = |met: &Met| now.duration_since(met.logged) < LOG_AGAIN;
        // A panic while the lock is held leaves the map valid.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(met) = all.get_mut(&kind).filter(|met| is_recent(met)) {
            met.tenants.extend(tenant.cloned());
            return None;
        }
        let mut tenants = all
            .remove(&kind)
            .map_or_else(HashSet::new, |met| met.tenants);
        tenants.extend(tenant.cloned());
        // Kinds that are over need no memory.
        all.retain(|_, met| is_recent(met));
        let met = Met {
            logged: now,
            tenants: HashSet::new(),
        };
        all.insert(kind, met);
        Some(tenants.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_failure_has_one_line_a_minute() {
        let tenant = |name: &str| TenantId::parse(name).expect("a tenant");
        let (log, began) = (FailureLog::default(), Instant::now());
        let due = |message: &str, name: &str, second| {
            let kind = ("nothing is done", message.to_owned());
            log.due(
                kind,
                Some(&tenant(name)),
                began + Duration::from_secs(second),
            )
        };
        assert_eq!(due("busy", "a", 0), Some(1));
        for (name, second) in [("b", 0), ("a", 1), ("c", 1), ("a", 59)] {
            assert_eq!(due("busy", name, second), None, "{name} {second}");
        }
        assert_eq!(due("broken", "a", 59), Some(1));
        // Those three that failed since, and one more.
        assert_eq!(due("busy", "d", 60), Some(4));
        assert_eq!(due("busy", "d", 61), None);
        assert_eq!(due("busy", "d", 120), Some(1));
    }
}
