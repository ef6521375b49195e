//! Permits that tenants share fairly.
//!
//! [`FairPermits`] is a semaphore that knows which tenant holds which permits. A tenant may take another permit while
//! it holds fewer than three times the number of free permits. The last free permit goes only to a tenant that holds
//! none. A single tenant thus uses at most three quarters of the permits, two tenants three sevenths each, and a tenant
//! that arrives later still finds some. Shares shrink as the number of tenants grows, without any configuration.
//! (Switches share packet buffers by the same rule: Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
//!
//! A tenant may also wait. A released permit goes to the waiting tenant that holds the fewest, and among equals to the
//! one that has waited longest. [`Permit::wanted`] resolves while a tenant without any permit waits, so that a holder
//! that makes no progress can release its own.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use crate::domain::tenant::TenantId;

/// The number of permits that a tenant may hold for each free permit.
const PER_FREE: usize = 3;

/// A fixed number of permits shared by all tenants. Clones share the same permits.
#[derive(Clone)]
pub struct FairPermits(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Notified when a tenant begins to wait, for holders in [`Permit::wanted`].
    waiting: Notify,
}

struct State {
    /// Number of free permits.
    free: usize,
    /// The number of permits held by each tenant that holds any.
    held: HashMap<Arc<TenantId>, usize>,
    /// In order of arrival.
    waiters: Vec<Waiter>,
}

/// A pending [`FairPermits::acquire`].
struct Waiter {
    tenant: Arc<TenantId>,
    reply: oneshot::Sender<Permit>,
}

/// Permits of a tenant, mostly one; dropping the value releases them.
pub struct Permit {
    shared: Arc<Shared>,
    tenant: Arc<TenantId>,
    count: usize,
}

impl FairPermits {
    /// Creates `total` free permits.
    pub fn new(total: usize) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                free: total,
                held: HashMap::new(),
                waiters: Vec::new(),
            }),
            waiting: Notify::new(),
        }))
    }

    /// Takes a permit for `tenant` without waiting; `None` if none is free or the tenant holds its share.
    pub fn try_acquire(&self, tenant: &TenantId) -> Option<Permit> {
        self.try_acquire_many(tenant, 1)
    }

    /// Takes `count` permits for `tenant`, as if one after the other; `None` and none if one of them is refused.
    pub fn try_acquire_many(&self, tenant: &TenantId, count: usize) -> Option<Permit> {
        let mut state = self.0.lock();
        let held = state.held_by(tenant);
        state.allows(held, count).then(|| {
            let tenant = state.take(tenant, count);
            Permit::new(&self.0, tenant, count)
        })
    }

    /// Takes a permit for `tenant`, waiting until the rule allows it.
    pub async fn acquire(&self, tenant: &TenantId) -> Permit {
        loop {
            let granted = {
                let mut state = self.0.lock();
                let held = state.held_by(tenant);
                if state.allows(held, 1) {
                    let tenant = state.take(tenant, 1);
                    return Permit::new(&self.0, tenant, 1);
                }
                let (reply, granted) = oneshot::channel();
                // Abandoned waiters are also removed here, so that the list stays short while no permit is released.
                state.waiters.retain(|waiter| !waiter.reply.is_closed());
                state.waiters.push(Waiter {
                    tenant: Arc::new(tenant.clone()),
                    reply,
                });
                granted
            };
            self.0.waiting.notify_waiters();
            // `self` keeps the shared state alive, so the sender is only dropped with a permit or when it is stale.
            if let Ok(permit) = granted.await {
                return permit;
            }
        }
    }

    /// Takes a permit for `tenant`. A tenant that already holds permits does not wait. One that holds none waits for up
    /// to `patience`, because others hold what it needs. `None` if no permit was granted.
    pub async fn acquire_soon(&self, tenant: &TenantId, patience: Duration) -> Option<Permit> {
        if let Some(permit) = self.try_acquire(tenant) {
            return Some(permit);
        }
        let held = self.0.lock().held_by(tenant);
        match held {
            0 => timeout(patience, self.acquire(tenant)).await.ok(),
            _ => None,
        }
    }

    /// The number of free permits.
    pub fn free(&self) -> usize {
        self.0.lock().free
    }
}

impl fmt::Debug for FairPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairPermits")
            .field("free", &self.free())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock can panic between two related changes, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held_by(&self, tenant: &TenantId) -> usize {
        self.held.get(tenant).copied().unwrap_or_default()
    }

    /// The rule: whether a tenant with `held` permits may take `more`, the last of which is the hardest to get.
    fn allows(&self, held: usize, more: usize) -> bool {
        let before = more.saturating_sub(1);
        let Some(free) = self.free.checked_sub(before) else {
            return false;
        };
        match held + before {
            0 => free > 0,
            held => free > 1 && held < PER_FREE * free,
        }
    }

    fn take(&mut self, tenant: &TenantId, count: usize) -> Arc<TenantId> {
        self.free -= count;
        let tenant = match self.held.get_key_value(tenant) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(tenant.clone()),
        };
        *self.held.entry(Arc::clone(&tenant)).or_default() += count;
        tenant
    }

    fn give_back(&mut self, tenant: &Arc<TenantId>, count: usize) {
        self.free += count;
        if let Some(held) = self.held.get_mut(tenant) {
            *held -= count;
            if *held == 0 {
                self.held.remove(tenant);
            }
        }
    }

    /// Takes a permit for the next waiter: the one whose tenant holds the fewest permits, then the oldest.
    fn next(&mut self) -> Option<(Arc<TenantId>, oneshot::Sender<Permit>)> {
        self.waiters.retain(|waiter| !waiter.reply.is_closed());
        let waiters = self.waiters.iter().enumerate();
        let held = waiters.map(|(at, waiter)| (self.held_by(&waiter.tenant), at));
        let (held, at) = held.min()?;
        if !self.allows(held, 1) {
            return None;
        }
        let Waiter { tenant, reply } = self.waiters.remove(at);
        Some((self.take(&tenant, 1), reply))
    }
}

impl Permit {
    fn new(shared: &Arc<Shared>, tenant: Arc<TenantId>, count: usize) -> Self {
        Self {
            shared: Arc::clone(shared),
            tenant,
            count,
        }
    }

    /// How many permits these are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds other permits of the same tenant.
    pub fn merge(&mut self, mut other: Self) {
        self.count += std::mem::take(&mut other.count);
    }

    /// Resolves once a different tenant waits that holds no permit.
    pub async fn wanted(&self) {
        loop {
            let waiting = self.shared.waiting.notified();
            let is_wanted = {
                let state = self.shared.lock();
                let mut waiters = state.waiters.iter();
                waiters.any(|w| {
                    w.tenant != self.tenant && !w.reply.is_closed() && state.held_by(&w.tenant) == 0
                })
            };
            if is_wanted {
                return;
            }
            waiting.await;
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.lock().give_back(&self.tenant, self.count);
        // Sent outside of the lock: if the receiver is gone, dropping the permit here locks again.
        loop {
            let next = self.shared.lock().next();
            let Some((tenant, reply)) = next else {
                return;
            };
            let _ = reply.send(Permit::new(&self.shared, tenant, 1));
        }
    }
}
