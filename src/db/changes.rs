//! Notifies the readers of the change log of commits, in this process and in others.
//!
//! A commit wakes the reader of its own process through [`Changes`]. That reader notifies the other
//! services by NOTIFY on [`CHANNEL`]. A trigger that notifies would make every writer wait for
//! every other writer's commit, since PostgreSQL takes one lock for all transactions that notify.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::domain::tenant::TenantId;

/// The channel on which services notify each other of tenants with changes.
pub(super) const CHANNEL: &str = "outbound_tasks_changed";

/// The tenants whose tasks this process has changed, for its own reader.
#[derive(Debug, Default)]
pub struct Changes {
    tenants: Mutex<HashSet<TenantId>>,
    wake: Notify,
}

impl Changes {
    /// Records a committed change.
    pub(super) fn note(&self, tenant: &TenantId) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if !tenants.contains(tenant) {
            tenants.insert(tenant.clone());
        }
        drop(tenants);
        self.wake.notify_one();
    }

    /// Waits until a change is recorded.
    pub async fn noted(&self) {
        self.wake.notified().await;
    }

    /// Takes the tenants with changes since the last call.
    pub fn take(&self) -> HashSet<TenantId> {
        std::mem::take(&mut *self.tenants.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
