//! Which tenants are being listed: the worker of the counts serves them more often than others.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::domain::tenant::TenantId;

/// A tenant counts as being listed for this time after its last list.
const LISTED: Duration = Duration::from_secs(60);

/// The tenants that were listed lately, each with the time of its last list.
#[derive(Debug, Default)]
pub(in crate::app) struct Listed(Mutex<HashMap<TenantId, Instant>>);

impl Listed {
    /// Records a list.
    pub(in crate::app) fn note(&self, tenant: &TenantId) {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match listed.get_mut(tenant) {
            Some(last) => *last = Instant::now(),
            None => drop(listed.insert(tenant.clone(), Instant::now())),
        }
    }

    /// The tenants that are being listed.
    pub(super) fn recent(&self) -> Vec<TenantId> {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.retain(|_, last| last.elapsed() < LISTED);
        listed.keys().cloned().collect()
    }
}
