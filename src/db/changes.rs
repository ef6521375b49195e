//! Who is told of a commit: the reader of the log, in this process and in others.
//!
//! A commit wakes the reader of its own process through [`Changes`]. That reader tells the other services by NOTIFY on
//! [`CHANNEL`]. A trigger that notifies would make every writer wait for every other writer's commit, since PostgreSQL takes one
//! lock for all transactions that notify.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::domain::tenant::TenantId;

/// Where services tell each other whose tasks changed.
pub(super) const CHANNEL: &str = "outbound_tasks_changed";

/// Whose tasks this process changed, for its reader.
#[derive(Debug, Default)]
pub struct Changes {
    tenants: Mutex<HashSet<TenantId>>,
    wake: Notify,
}

impl Changes {
    /// Notes that a change was committed.
    pub(super) fn note(&self, tenant: &TenantId) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if !tenants.contains(tenant) {
            tenants.insert(tenant.clone());
        }
        drop(tenants);
        self.wake.notify_one();
    }

    /// Waits for a change.
    pub async fn noted(&self) {
        self.wake.notified().await;
    }

    /// Whose tasks changed since the last time.
    pub fn take(&self) -> HashSet<TenantId> {
        std::mem::take(&mut *self.tenants.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
