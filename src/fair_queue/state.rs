//! Who holds permits, who waits, and who is next.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::domain::tenant::TenantId;

/// A tenant is active while it holds permits or waits, and for this time after it last asked for one.
const ACTIVE: Duration = Duration::from_secs(1);
/// The state of tenants that use no permits is dropped when so many tenants have one.
const TENANTS: usize = 1024;
/// The weight of the newest interval in a queue's pace, as a divisor.
const PACE_WEIGHT: u32 = 8;
/// The index of the service's own work, which belongs to no tenant.
pub(super) const SERVICE: usize = 0;

/// The lane of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// For statements that are expected to be short.
    Quick = 0,
    /// For statements that are expected to take long.
    Slow = 1,
}

const LANES: [Lane; 2] = [Lane::Quick, Lane::Slow];

/// All permits. `R` is what a waiting call is sent.
pub(super) struct State<R> {
    /// The number of permits, free or held.
    total: usize,
    pub(super) free: usize,
    /// The number of permits held in the slow lane.
    slow: usize,
    /// The number of waiting calls.
    pub(super) waiting: usize,
    /// The number of calls that were refused.
    pub(super) refused: u64,
    /// Counts grants to waiting calls, and numbers waiting calls.
    clock: u64,
    /// The tenants that asked last, and when: the newest first, two different ones.
    active: [Option<(usize, Instant)>; 2],
    /// What each tenant holds and waits for; the first one is the service itself.
    shares: Vec<Share<R>>,
    tenants: HashMap<TenantId, usize>,
    /// Indices in `shares` that no tenant uses.
    unused: Vec<usize>,
}

/// What a tenant holds and waits for.
struct Share<R> {
    /// By lane.
    held: [usize; 2],
    /// By lane.
    queues: [Queue<R>; 2],
}

/// The waiting calls of a tenant in one lane, in order of arrival.
struct Queue<R> {
    waiters: VecDeque<Waiter<R>>,
    /// The value of `clock` at the last grant.
    served: u64,
    /// When it last got a permit, or began to wait for one.
    since: Option<Instant>,
    /// The mean interval of its grants; zero until it is known.
    pace: Duration,
}

/// A pending [`FairQueue::acquire`](super::FairQueue::acquire).
pub(super) struct Waiter<R> {
    number: u64,
    reply: oneshot::Sender<R>,
}

impl<R> State<R> {
    pub(super) fn new(total: usize) -> Self {
        Self {
            total,
            free: total,
            slow: 0,
            waiting: 0,
            refused: 0,
            clock: 0,
            active: [None; 2],
            shares: vec![Share::default()],
            tenants: HashMap::new(),
            unused: Vec::new(),
        }
    }

    /// Adds free permits.
    pub(super) fn add(&mut self, permits: usize) {
        self.total += permits;
        self.free += permits;
    }

    /// Removes a free permit.
    pub(super) fn withdraw(&mut self) {
        self.free -= 1;
        self.total -= 1;
    }

    /// Whether no call waits in this queue.
    pub(super) fn is_first(&self, share: usize, lane: Lane) -> bool {
        self.queue(share, lane).waiters.is_empty()
    }

    /// Removes a waiting call, if it still waits.
    pub(super) fn leave(&mut self, share: usize, lane: Lane, number: u64) -> Option<Waiter<R>> {
        let waiters = &mut self.queue_mut(share, lane).waiters;
        // Numbers rise from the front to the back.
        let at = waiters.binary_search_by_key(&number, |waiter| waiter.number);
        let left = waiters.remove(at.ok()?)?;
        self.waiting -= 1;
        Some(left)
    }

    /// The index of a tenant's share.
    pub(super) fn share(&mut self, tenant: Option<&TenantId>) -> usize {
        let Some(tenant) = tenant else {
            return SERVICE;
        };
        if let Some(share) = self.tenants.get(tenant) {
            return *share;
        }
        if self.tenants.len() >= TENANTS && self.unused.is_empty() {
            let (shares, unused) = (&self.shares, &mut self.unused);
            self.tenants.retain(|_, share| {
                let is_used = !shares[*share].is_unused();
                if !is_used {
                    unused.push(*share);
                }
                is_used
            });
        }
        let share = match self.unused.pop() {
            Some(share) => {
                self.shares[share] = Share::default();
                share
            }
            None => {
                self.shares.push(Share::default());
                self.shares.len() - 1
            }
        };
        self.tenants.insert(tenant.clone(), share);
        share
    }

    fn queue(&self, share: usize, lane: Lane) -> &Queue<R> {
        &self.shares[share].queues[lane as usize]
    }

    fn queue_mut(&mut self, share: usize, lane: Lane) -> &mut Queue<R> {
        &mut self.shares[share].queues[lane as usize]
    }

    pub(super) fn note_active(&mut self, share: usize, now: Instant) {
        if share == SERVICE {
            return;
        }
        if self.active[0].is_none_or(|(newest, _)| newest != share) {
            self.active[1] = self.active[0];
        }
        self.active[0] = Some((share, now));
    }

    /// Whether a tenant other than that of `share` is active.
    pub(super) fn has_others(&self, share: usize, now: Instant) -> bool {
        let mut active = self.active.iter().flatten();
        active.any(|(other, at)| {
            let is_new = now.duration_since(*at) < ACTIVE;
            *other != share && (is_new || !self.shares[*other].is_unused())
        })
    }

    /// Whether `share` may take a permit of `lane`.
    pub(super) fn allows(&self, share: usize, lane: Lane, now: Instant) -> bool {
        if self.free == 0 {
            return false;
        }
        let most = (self.total * 3 / 4).max(1);
        lane == Lane::Quick
            || self.slow < most && {
                let own = match self.has_others(share, now) {
                    true => (self.total / 8).max(1),
                    false => most,
                };
                self.shares[share].held[lane as usize] < own
            }
    }

    pub(super) fn take(&mut self, share: usize, lane: Lane) {
        self.free -= 1;
        self.shares[share].held[lane as usize] += 1;
        if lane == Lane::Slow {
            self.slow += 1;
        }
    }

    /// Releases a permit. Its tenant is counted as its holder until [`State::end_turn`].
    pub(super) fn give_back(&mut self, lane: Lane) {
        self.free += 1;
        if lane == Lane::Slow {
            self.slow -= 1;
        }
    }

    pub(super) fn end_turn(&mut self, share: usize, lane: Lane) {
        self.shares[share].held[lane as usize] -= 1;
    }

    /// Whether a call that arrives at `now` would wait in this queue for longer than `patience`: by the calls ahead and the
    /// pace, or because the queue has got nothing for that time.
    pub(super) fn is_hopeless(
        &self,
        share: usize,
        lane: Lane,
        now: Instant,
        patience: Duration,
    ) -> bool {
        let queue = self.queue(share, lane);
        let ahead = u32::try_from(queue.waiters.len()).unwrap_or(u32::MAX);
        let Some(since) = queue.since.filter(|_| ahead > 0) else {
            return false;
        };
        let wait = queue.pace.saturating_mul(ahead.saturating_add(1));
        wait > patience || now.duration_since(since) > patience
    }

    /// Adds a waiter to a queue.
    pub(super) fn wait(
        &mut self,
        share: usize,
        lane: Lane,
        now: Instant,
    ) -> (u64, oneshot::Receiver<R>) {
        let (reply, granted) = oneshot::channel();
        self.clock += 1;
        self.waiting += 1;
        let number = self.clock;
        let queue = self.queue_mut(share, lane);
        if queue.waiters.is_empty() {
            // The pace of an earlier queue says nothing about this one.
            queue.since = Some(now);
            queue.pace = Duration::ZERO;
        }
        queue.waiters.push_back(Waiter { number, reply });
        (number, granted)
    }

    /// Takes a permit for the next waiter.
    pub(super) fn next(&mut self) -> Option<(usize, Lane, oneshot::Sender<R>)> {
        if self.free == 0 || self.waiting == 0 {
            return None;
        }
        let now = Instant::now();
        let shares = self.shares.iter().enumerate();
        let queues = shares.flat_map(|(share, of)| LANES.map(|lane| (share, lane, of)));
        let waiting = queues.filter(|(share, lane, of)| {
            !of.queues[*lane as usize].waiters.is_empty() && self.allows(*share, *lane, now)
        });
        let next = waiting.min_by_key(|(_, lane, of)| {
            let held: usize = of.held.iter().sum();
            (held, of.queues[*lane as usize].served)
        });
        let (share, lane, _) = next?;
        self.clock += 1;
        let clock = self.clock;
        let queue = self.queue_mut(share, lane);
        let waiter = queue.waiters.pop_front()?;
        queue.note_grant(clock, now);
        self.waiting -= 1;
        self.take(share, lane);
        Some((share, lane, waiter.reply))
    }
}

impl<R> Default for Share<R> {
    fn default() -> Self {
        Self {
            held: [0; 2],
            queues: [(); 2].map(|()| Queue {
                waiters: VecDeque::new(),
                served: 0,
                since: None,
                pace: Duration::ZERO,
            }),
        }
    }
}

impl<R> Share<R> {
    fn is_unused(&self) -> bool {
        self.held == [0, 0] && self.queues.iter().all(|queue| queue.waiters.is_empty())
    }
}

impl<R> Queue<R> {
    fn note_grant(&mut self, clock: u64, now: Instant) {
        self.served = clock;
        if let Some(since) = self.since.replace(now) {
            let interval = now.duration_since(since);
            self.pace = match self.pace.is_zero() {
                true => interval,
                false => (self.pace * (PACE_WEIGHT - 1) + interval) / PACE_WEIGHT,
            };
        }
    }
}
