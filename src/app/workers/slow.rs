//! The tenants whose compaction takes long, and the queue of those that wait for one.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::domain::tenant::TenantId;

/// Marks tenants as slow, and queues the slow ones that need a compaction.
#[derive(Default)]
pub(super) struct SlowTenants {
    tenants: Mutex<Tenants>,
    wake: Notify,
}

#[derive(Default)]
struct Tenants {
    slow: HashSet<TenantId>,
    waiting: VecDeque<TenantId>,
}

impl SlowTenants {
    fn lock(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a slow tenant into the queue unless it is there already. Returns false if the tenant is not slow.
    pub(super) fn request(&self, tenant: &TenantId) -> bool {
        let mut tenants = self.lock();
        if !tenants.slow.contains(tenant) {
            return false;
        }
        // One entry is enough: a compaction takes all deltas that there are when it begins.
        if !tenants.waiting.contains(tenant) {
            tenants.waiting.push_back(tenant.clone());
            self.wake.notify_one();
        }
        true
    }

    /// From now on the tenant is slow. It goes into the queue.
    pub(super) fn add(&self, tenant: TenantId) {
        self.lock().slow.insert(tenant.clone());
        self.request(&tenant);
    }

    /// From now on the tenant is not slow.
    pub(super) fn remove(&self, tenant: &TenantId) {
        self.lock().slow.remove(tenant);
    }

    /// Takes the first tenant of the queue; waits while the queue is empty.
    pub(super) async fn next(&self) -> TenantId {
        loop {
            if let Some(tenant) = self.lock().waiting.pop_front() {
                return tenant;
            }
            self.wake.notified().await;
        }
    }
}
