//! Limits the memory of responses that clients have not read yet.
//!
//! A response counts from the moment it is encoded until its last byte is in the socket. It counts against three
//! budgets: its connection's, its tenant's and the total. A unary response that exceeds one of them is rejected. A
//! stream waits until all three have room before it polls its next message, so it may exceed a limit by one message.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    domain::tenant::TenantId,
    error::{Error, ErrorKind, ErrorReason, Result},
};

/// The retry delay suggested to a caller whose response did not fit.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The map of tenants is cleaned of unused budgets when it reaches this size.
const TENANTS: usize = 1024;

/// How many bytes of responses may be waiting for clients.
#[derive(Debug, Clone, Copy)]
pub struct ResponseLimits {
    /// Per connection.
    pub connection: usize,
    /// Per tenant.
    pub tenant: usize,
    /// Of all connections and tenants together.
    pub total: usize,
}

/// A limit in bytes, and how many of them are in use.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
    /// Number of streams that wait for room; lets [`Budget::give_back`] skip the notification in the common case.
    waiting: AtomicUsize,
    freed: Notify,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        })
    }

    /// Takes `bytes`; returns false and takes nothing if they would exceed the limit.
    fn try_take(&self, bytes: usize) -> bool {
        let fits = self.used.fetch_add(bytes, SeqCst) + bytes <= self.limit;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    /// Takes `bytes` without checking the limit.
    fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, SeqCst);
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, SeqCst);
        // A stream that begins to wait after this load re-checks the budget, so it does not miss the freed bytes.
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }

    fn has_room(&self) -> bool {
        self.used.load(SeqCst) < self.limit
    }

    /// Waits until the budget is below its limit.
    async fn room(&self) {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let freed = self.freed.notified();
            // Registered before the check: a notification between check and await would be lost otherwise.
            if self.has_room() {
                return;
            }
            freed.await;
        }
    }
}

/// Counts a waiting stream until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// The budgets of all tenants and the total.
#[derive(Debug)]
pub struct Budgets {
    of_tenant: usize,
    total: Arc<Budget>,
    tenants: Mutex<HashMap<TenantId, Arc<Budget>>>,
}

impl Budgets {
    /// Creates unused budgets with these limits.
    pub fn new(limits: ResponseLimits) -> Self {
        Self {
            of_tenant: limits.tenant,
            total: Budget::new(limits.total),
            tenants: Mutex::default(),
        }
    }

    /// The budgets that a response to `tenant` on this connection counts against.
    pub(super) fn shares(
        &self,
        connection: Option<Arc<Budget>>,
        tenant: Option<&TenantId>,
    ) -> Shares {
        Shares {
            connection,
            tenant: tenant.map(|tenant| self.tenant(tenant)),
            total: Arc::clone(&self.total),
        }
    }

    fn tenant(&self, tenant: &TenantId) -> Arc<Budget> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = tenants.get(tenant) {
            return Arc::clone(budget);
        }
        // A budget with another owner is in use by a response and must stay unique for its tenant.
        if tenants.len() >= TENANTS {
            tenants.retain(|_, budget| Arc::strong_count(budget) > 1);
        }
        let budget = Budget::new(self.of_tenant);
        tenants.insert(tenant.clone(), Arc::clone(&budget));
        budget
    }
}

/// The budgets that one response counts against. `connection` and `tenant` are absent for calls without them.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    connection: Option<Arc<Budget>>,
    tenant: Option<Arc<Budget>>,
    total: Arc<Budget>,
}

impl Shares {
    fn each(&self) -> impl Iterator<Item = &Budget> {
        let own = [self.connection.as_deref(), self.tenant.as_deref()];
        own.into_iter().flatten().chain([&*self.total])
    }

    /// Reserves memory for a unary response. RESOURCE_EXHAUSTED if the budget of the connection or of the tenant is
    /// used up, UNAVAILABLE if the total is.
    pub(super) fn try_reserve(&self, bytes: usize) -> Result<Reservation> {
        for (taken, budget) in self.each().enumerate() {
            if !budget.try_take(bytes) {
                for taken in self.each().take(taken) {
                    taken.give_back(bytes);
                }
                return Err(self.full(budget));
            }
        }
        Ok(Reservation {
            shares: self.clone(),
            bytes,
        })
    }

    /// Reserves memory for one message of a stream. The caller waits for [`Shares::room`] first, so no limit is
    /// checked.
    pub(super) fn reserve(&self, bytes: usize) -> Reservation {
        self.each().for_each(|budget| budget.take(bytes));
        Reservation {
            shares: self.clone(),
            bytes,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.each().all(Budget::has_room)
    }

    /// Waits until no budget is used up.
    pub(super) async fn room(self) {
        while let Some(full) = self.each().find(|budget| !budget.has_room()) {
            full.room().await;
        }
    }

    fn full(&self, budget: &Budget) -> Error {
        if std::ptr::eq(budget, &*self.total) {
            return Error::unavailable("the service is overloaded", RETRY_AFTER)
                .because(ErrorReason::Overloaded);
        }
        let whose = match &self.tenant {
            Some(tenant) if std::ptr::eq(budget, &**tenant) => "this tenant",
            _ => "this connection",
        };
        let what = format!(
            "the answers to {whose} that were not read yet would exceed {} bytes with this one; read them first",
            budget.limit
        );
        Error::new(ErrorKind::ResourceExhausted, what)
            .because(ErrorReason::AnswersUnread)
            .with_retry_after(RETRY_AFTER)
    }
}

/// Bytes reserved for a response; dropping the value releases them.
#[derive(Debug)]
pub(super) struct Reservation {
    shares: Shares,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for budget in self.shares.each() {
            budget.give_back(self.bytes);
        }
    }
}
