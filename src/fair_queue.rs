//! A semaphore that tenants take in turn, with a quick and a slow lane.
//!
//! The pool has one permit for each of its connections. If one is free, a call takes it and nothing else happens. If
//! none is free, the call waits in the queue of its tenant and [`Lane`]. A released permit goes to the tenant that holds
//! the fewest, and among equals to the queue that got one longest ago. So under load each waiting tenant gets the same
//! share, however many calls the others send.
//!
//! Turns alone are not enough if one tenant's statements take long: they would hold all permits, and keep all
//! processors of PostgreSQL busy. Statements that are known to be slow take the slow lane. It has three quarters of the
//! permits, and each tenant an eighth while another tenant is active; at least one in both cases. So the quick lane
//! always finds permits, and a tenant alone keeps its speed. An eighth of the default pool is one statement, which leaves
//! one of two processors to the others. Even so, a call that wakes up on the processor of a slow statement waits for the
//! end of a time slice. So a tenant's share of the slow lane stays taken after a statement, while another tenant is active,
//! for as long as the statement took, and for 100 ms at most: fewer calls of others meet a slow statement.
//!
//! Queues are bounded by the time that a call would wait. It follows from the calls ahead and from the pace at which the
//! queue got permits lately. A call that would wait too long is refused at once, and so is each call while the queue has
//! got nothing for that time. So the calls that wait are those that can be served.

mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, sleep, timeout_at},
};

use self::state::{SERVICE, State};
use crate::{
    domain::tenant::TenantId,
    histogram::{Histogram, HistogramValues},
};

pub use self::state::Lane;

/// The upper bounds of the times that calls wait, in microseconds: 1 ms to 2 s. Most calls do not wait.
const WAIT_BOUNDS: [u64; 9] = [
    1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_000_000,
];

/// The longest time that a tenant's share of the slow lane stays taken after a statement. It bounds what a tenant loses by
/// statements of seconds, which are few.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// No permit was granted: the call would wait, or has waited, for longer than the queue allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// A number of permits that tenants share. Clones share the same permits.
#[derive(Clone)]
pub struct FairQueue(Arc<Shared>);

struct Shared {
    /// The longest time that a call waits.
    patience: Duration,
    state: Mutex<State<QueuePermit>>,
    /// For how long calls waited, those included that got no permit in time.
    waits: Histogram,
}

/// One permit; dropping the value releases it.
pub struct QueuePermit {
    shared: Arc<Shared>,
    share: usize,
    lane: Lane,
    since: Instant,
    is_withdrawn: bool,
}

impl FairQueue {
    /// Creates `total` free permits. A call waits for at most `patience`.
    pub fn new(total: usize, patience: Duration) -> Self {
        Self(Arc::new(Shared {
            patience,
            state: Mutex::new(State::new(total)),
            waits: Histogram::new(&WAIT_BOUNDS),
        }))
    }

    /// Takes a permit for a tenant, or for the service itself, waiting for its turn. [`Refused`] at once if the turn
    /// would come too late, and later if it does not come in time.
    pub async fn acquire(
        &self,
        tenant: Option<&TenantId>,
        lane: Lane,
    ) -> Result<QueuePermit, Refused> {
        let now = Instant::now();
        let mut waiting = {
            let mut state = self.0.lock();
            let share = state.share(tenant);
            state.note_active(share, now);
            if state.allows(share, lane, now) && state.is_first(share, lane) {
                state.take(share, lane);
                drop(state);
                self.0.waits.observe(Duration::ZERO);
                return Ok(QueuePermit::new(&self.0, share, lane));
            }
            if state.is_hopeless(share, lane, now, self.0.patience) {
                state.refused += 1;
                return Err(Refused);
            }
            let (number, granted) = state.wait(share, lane, now);
            Waiting {
                shared: &self.0,
                share,
                lane,
                number,
                granted,
            }
        };
        let granted = timeout_at(now + self.0.patience, &mut waiting.granted).await;
        self.0.waits.observe(now.elapsed());
        match granted {
            Ok(Ok(permit)) => Ok(permit),
            // A sender is dropped only with its waiter, which lives as long as this call.
            Ok(Err(_)) | Err(_) => {
                self.0.lock().refused += 1;
                Err(Refused)
            }
        }
    }

    /// Takes a free permit for the service's own work without waiting.
    pub fn try_acquire(&self) -> Option<QueuePermit> {
        let mut state = self.0.lock();
        (state.free > 0).then(|| {
            state.take(SERVICE, Lane::Quick);
            QueuePermit::new(&self.0, SERVICE, Lane::Quick)
        })
    }

    /// Adds permits.
    pub fn add(&self, permits: usize) {
        self.0.lock().add(permits);
        self.0.grant();
    }

    /// Withdraws a permit: it is not released.
    pub fn withdraw(&self, mut permit: QueuePermit) {
        permit.is_withdrawn = true;
        let mut state = self.0.lock();
        state.give_back(permit.lane);
        state.end_turn(permit.share, permit.lane);
        state.withdraw();
    }

    /// The number of calls that wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().waiting
    }

    /// For how long calls waited so far, those included that got no permit in time. A call that was refused at once is
    /// not counted.
    pub fn waits(&self) -> HistogramValues {
        self.0.waits.values()
    }

    /// The number of calls that were refused so far.
    pub fn refused(&self) -> u64 {
        self.0.lock().refused
    }

    /// The number of free permits.
    pub fn free(&self) -> usize {
        self.0.lock().free
    }
}

impl fmt::Debug for FairQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairQueue")
            .field("free", &self.free())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

/// A waiting call. Dropping it leaves the queue, and releases a permit that was granted meanwhile.
struct Waiting<'a> {
    shared: &'a Shared,
    share: usize,
    lane: Lane,
    number: u64,
    granted: oneshot::Receiver<QueuePermit>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let left = state.leave(self.share, self.lane, self.number);
        drop(state);
        drop(left);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State<QueuePermit>> {
        // No code under the lock can panic between two related changes, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants free permits to waiting calls.
    fn grant(self: &Arc<Self>) {
        loop {
            let next = {
                let mut state = self.lock();
                state.next()
            };
            let Some((share, lane, reply)) = next else {
                return;
            };
            // Sent outside of the lock: if the receiver is gone, dropping the permit locks again.
            let _ = reply.send(QueuePermit::new(self, share, lane));
        }
    }
}

impl QueuePermit {
    fn new(shared: &Arc<Shared>, share: usize, lane: Lane) -> Self {
        Self {
            shared: Arc::clone(shared),
            share,
            lane,
            since: Instant::now(),
            is_withdrawn: false,
        }
    }
}

impl fmt::Debug for QueuePermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuePermit")
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl Drop for QueuePermit {
    fn drop(&mut self) {
        if self.is_withdrawn {
            return;
        }
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.give_back(self.lane);
        let rests = self.lane == Lane::Slow && state.has_others(self.share, now);
        // Without a runtime nothing could end a rest.
        match rests.then(Handle::try_current) {
            Some(Ok(runtime)) => {
                let (shared, share, lane) = (Arc::clone(&self.shared), self.share, self.lane);
                let rest = now.duration_since(self.since).min(LONGEST_REST);
                runtime.spawn(async move {
                    sleep(rest).await;
                    shared.lock().end_turn(share, lane);
                    shared.grant();
                });
            }
            _ => state.end_turn(self.share, self.lane),
        }
        drop(state);
        self.shared.grant();
    }
}
