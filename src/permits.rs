//! Permits that tenants share fairly.
//!
//! [`FairPermits`] is a semaphore that knows who holds its permits. A tenant may take one more permit while it holds
//! fewer than three times as many as are free, and the last free permit goes only to a tenant that holds none. So one
//! tenant alone uses three quarters of the permits, two tenants three sevenths each, and a tenant that comes later finds
//! some left: the more tenants there are, the smaller each one's share, and nobody has to configure it. (Switches share
//! their buffers by the same rule: Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
//!
//! A tenant may also wait. A permit that comes free goes to the waiting tenant that holds the fewest, and among those to
//! the one that waited longest. [`Permit::wanted`] tells a holder that a tenant without any permit waits, so that a holder
//! that makes no progress can give its own back.

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

/// A tenant may hold this many permits for each one that is free.
const PER_FREE: usize = 3;

/// A number of permits, shared by all tenants; a clone gives out the same permits.
#[derive(Clone)]
pub struct FairPermits(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Wakes the holders that ask whether their permit is wanted.
    waiting: Notify,
}

struct State {
    free: usize,
    /// The tenants that hold a permit, and how many each holds.
    held: HashMap<Arc<TenantId>, usize>,
    /// In the order in which they came.
    waiters: Vec<Waiter>,
}

struct Waiter {
    tenant: Arc<TenantId>,
    reply: oneshot::Sender<Permit>,
}

/// One permit of a tenant. It comes free when this is dropped.
pub struct Permit {
    shared: Arc<Shared>,
    tenant: Arc<TenantId>,
}

impl FairPermits {
    /// `total` permits, all free.
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

    /// A permit for `tenant`, or `None` where none is free or the tenant has its share.
    pub fn try_acquire(&self, tenant: &TenantId) -> Option<Permit> {
        let mut state = self.0.lock();
        let held = state.held_by(tenant);
        state.allows(held).then(|| {
            let tenant = state.take(tenant);
            Permit::new(&self.0, tenant)
        })
    }

    /// A permit for `tenant`, as soon as the rule allows it.
    pub async fn acquire(&self, tenant: &TenantId) -> Permit {
        loop {
            let granted = {
                let mut state = self.0.lock();
                let held = state.held_by(tenant);
                if state.allows(held) {
                    let tenant = state.take(tenant);
                    return Permit::new(&self.0, tenant);
                }
                let (reply, granted) = oneshot::channel();
                // Those that gave up waiting are forgotten here too, not only when a permit comes free.
                state.waiters.retain(|waiter| !waiter.reply.is_closed());
                state.waiters.push(Waiter {
                    tenant: Arc::new(tenant.clone()),
                    reply,
                });
                granted
            };
            self.0.waiting.notify_waiters();
            // The sender is dropped only with the permits themselves, which `self` holds.
            if let Ok(permit) = granted.await {
                return permit;
            }
        }
    }

    /// A permit for `tenant`. A tenant that holds some is answered at once; one that holds none waits for at most
    /// `patience`, since others hold what it needs.
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

    /// How many permits are free.
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
        // Every change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held_by(&self, tenant: &TenantId) -> usize {
        self.held.get(tenant).copied().unwrap_or_default()
    }

    /// The rule: whether a tenant that holds `held` permits may take one more.
    fn allows(&self, held: usize) -> bool {
        match held {
            0 => self.free > 0,
            _ => self.free > 1 && held < PER_FREE * self.free,
        }
    }

    fn take(&mut self, tenant: &TenantId) -> Arc<TenantId> {
        self.free -= 1;
        let tenant = match self.held.get_key_value(tenant) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(tenant.clone()),
        };
        *self.held.entry(Arc::clone(&tenant)).or_default() += 1;
        tenant
    }

    fn give_back(&mut self, tenant: &Arc<TenantId>) {
        self.free += 1;
        if let Some(held) = self.held.get_mut(tenant) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(tenant);
            }
        }
    }

    /// Takes a permit for the waiter that may have one: that of the tenant with the fewest, who waited longest.
    fn next(&mut self) -> Option<(Arc<TenantId>, oneshot::Sender<Permit>)> {
        self.waiters.retain(|waiter| !waiter.reply.is_closed());
        let waiters = self.waiters.iter().enumerate();
        let held = waiters.map(|(at, waiter)| (self.held_by(&waiter.tenant), at));
        let (held, at) = held.min()?;
        if !self.allows(held) {
            return None;
        }
        let Waiter { tenant, reply } = self.waiters.remove(at);
        Some((self.take(&tenant), reply))
    }
}

impl Permit {
    fn new(shared: &Arc<Shared>, tenant: Arc<TenantId>) -> Self {
        Self {
            shared: Arc::clone(shared),
            tenant,
        }
    }

    /// Ends once another tenant waits that holds no permit at all.
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
        self.shared.lock().give_back(&self.tenant);
        // The answers are sent outside of the lock: a waiter that is gone meanwhile drops its permit here.
        loop {
            let next = self.shared.lock().next();
            let Some((tenant, reply)) = next else {
                return;
            };
            let _ = reply.send(Permit::new(&self.shared, tenant));
        }
    }
}
