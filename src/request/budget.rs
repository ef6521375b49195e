//! The memory that answers hold until their callers have read them.
//!
//! An answer counts from when it is encoded until its last byte is in the socket: for its connection, for its tenant and
//! in total, each of which has a limit. A whole answer that does not fit is refused instead of sent. A stream waits
//! with its next part until there is room again, so it may exceed a limit by one part.

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

/// When a caller whose answer did not fit may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Tenants whose budgets are kept before those that hold nothing are forgotten.
const TENANTS: usize = 1024;

/// How many bytes of answers may be under way.
#[derive(Debug, Clone, Copy)]
pub struct ResponseLimits {
    /// On one connection.
    pub connection: usize,
    /// Of one tenant.
    pub tenant: usize,
    /// In total.
    pub total: usize,
}

/// A number of bytes, of which some are in use.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    used: AtomicUsize,
    /// How many wait for room.
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

    /// Takes `bytes`; false where that would be beyond the limit, and then takes nothing.
    fn try_take(&self, bytes: usize) -> bool {
        let fits = self.used.fetch_add(bytes, SeqCst) + bytes <= self.limit;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, SeqCst);
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, SeqCst);
        // Whoever comes to wait after this look sees the room.
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }

    fn has_room(&self) -> bool {
        self.used.load(SeqCst) < self.limit
    }

    async fn room(&self) {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let freed = self.freed.notified();
            if self.has_room() {
                return;
            }
            freed.await;
        }
    }
}

/// Counts one that waits, as long as it does.
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

/// The budgets of all tenants, and that of all answers together.
#[derive(Debug)]
pub struct Budgets {
    of_tenant: usize,
    total: Arc<Budget>,
    tenants: Mutex<HashMap<TenantId, Arc<Budget>>>,
}

impl Budgets {
    /// Budgets with these limits, all unused.
    pub fn new(limits: ResponseLimits) -> Self {
        Self {
            of_tenant: limits.tenant,
            total: Budget::new(limits.total),
            tenants: Mutex::default(),
        }
    }

    /// What an answer to `tenant` on this connection counts for.
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
        if tenants.len() >= TENANTS {
            tenants.retain(|_, budget| Arc::strong_count(budget) > 1);
        }
        let budget = Budget::new(self.of_tenant);
        tenants.insert(tenant.clone(), Arc::clone(&budget));
        budget
    }
}

/// The budgets that one answer counts for.
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

    /// Room for a whole answer. RESOURCE_EXHAUSTED where its connection or its tenant has used up its own, UNAVAILABLE
    /// where all together have.
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

    /// Room for a part of a stream, which comes after [`Shares::room`].
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

    /// Ends once none of them is used up.
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

/// Bytes that an answer holds, until this is dropped.
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
