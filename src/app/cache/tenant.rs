//! The checks and the reads of one tenant.
//!
//! An *epoch* begins with the snapshot of a check, and lasts until a check finds that something was committed since. The
//! statement of an answer that is sent during an epoch has a snapshot after the epoch's first one. A later check that finds
//! nothing covers the whole epoch up to its own snapshot, so nothing was committed since the snapshot of the answer either.
//!
//! A check serves all calls that arrived before it was sent, and no other. The calls that arrive meanwhile wait for the
//! next one, which begins when the one before has ended: at most one is under way. Reads of the same answer are grouped
//! in the same way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use tokio::{sync::Mutex as Turn, time::timeout};

use super::{
    ask::Ask,
    flight::{Flight, WeakFlight, flight},
    key::AnswerKey,
    store::{Epoch, Store},
    trust::Trust,
};
use crate::{
    app::answer::Written,
    db::{Db, LogSeen, Reader, ServerId, Work},
    domain::tenant::TenantId,
    error::Result,
};

/// How long a read waits for an earlier read of the same answer. Most statements take less. A slow one must not take twice
/// as long because another call has just sent it.
const PATIENCE: Duration = Duration::from_millis(5);

/// The state of a tenant.
#[derive(Debug)]
pub(super) struct TenantChecks {
    tenant: TenantId,
    state: Mutex<State>,
    /// Held while a check is under way.
    checking: Turn<()>,
}

#[derive(Debug)]
struct State {
    /// The epoch, and the last snapshot that is known to belong to it.
    known: Option<Known>,
    /// The check that has not been sent yet.
    next_check: Option<WeakFlight<Verdict>>,
    /// The answers that are being read.
    reads: HashMap<Arc<AnswerKey>, Reads>,
    trust: Trust,
    /// When the state was used last.
    used: Instant,
}

#[derive(Debug, Clone)]
struct Known {
    epoch: Epoch,
    seen: Arc<LogSeen>,
}

/// The result of a check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    /// The answers of this epoch show the state at `as_of`.
    pub(super) valid: Option<Epoch>,
    /// The time of the check's snapshot.
    pub(super) as_of: DateTime<Utc>,
}

/// The reads of one answer.
#[derive(Debug, Default)]
struct Reads {
    /// The read that has not been sent yet.
    next: Option<WeakFlight<Written>>,
    /// Held while a read is under way.
    turn: Arc<Turn<()>>,
    /// The number of reads, waiting or under way.
    count: usize,
}

impl TenantChecks {
    pub(super) fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            state: Mutex::new(State {
                known: None,
                next_check: None,
                reads: HashMap::new(),
                trust: Trust::default(),
                used: Instant::now(),
            }),
            checking: Turn::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock can panic between two related changes, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was used within `span`.
    pub(super) fn is_used(&self, span: Duration) -> bool {
        self.lock().used.elapsed() < span
    }

    /// The check that a call waits for before it uses an answer of `epoch`. `None` if the epoch is over, or if checks are not
    /// worth their time.
    pub(super) fn join_check(
        self: &Arc<Self>,
        epoch: Epoch,
        db: &Db,
        store: &Arc<Store>,
    ) -> Option<Flight<Verdict>> {
        let mut state = self.lock();
        state.used = Instant::now();
        let is_current = state
            .known
            .as_ref()
            .is_some_and(|known| known.epoch == epoch);
        if !is_current || !state.trust.wants_check() {
            return None;
        }
        if let Some(next) = state.next_check.as_ref().and_then(WeakFlight::upgrade) {
            return Some(next);
        }
        let next = flight(Arc::clone(self).check(db.clone(), Arc::clone(store)));
        state.next_check = next.downgrade();
        Some(next)
    }

    /// Waits for the check before, and sends one.
    async fn check(self: Arc<Self>, db: Db, store: Arc<Store>) -> Result<Verdict> {
        let _turn = self.checking.lock().await;
        let reader = db.reader(Work::named(&self.tenant, "check", 1)).await;
        let known = {
            let mut state = self.lock();
            // From here on, calls join the next check.
            state.next_check = None;
            state.known.clone()
        };
        let mut reader = reader?;
        store.checks.fetch_add(1, Relaxed);
        let earlier = known.as_ref().map(|known| &*known.seen);
        let checked = reader.log_check(&self.tenant, earlier).await;
        reader.give_back();
        let checked = checked?;

        let mut state = self.lock();
        state.trust.note(checked.is_unchanged);
        let epoch = known.map(|known| known.epoch);
        let current = state.known.as_ref().map(|known| known.epoch);
        // If a read on another server has begun an epoch meanwhile, that one goes on.
        if current == epoch {
            let next = match checked.is_unchanged {
                true => epoch,
                false => None,
            };
            state.known = checked.seen.map(|seen| Known {
                epoch: next.unwrap_or_else(|| store.next_epoch()),
                seen: Arc::new(seen),
            });
        }
        Ok(Verdict {
            valid: epoch.filter(|_| checked.is_unchanged),
            as_of: checked.as_of,
        })
    }

    /// The read that a call waits for, which is sent after this.
    pub(super) fn join_read(self: &Arc<Self>, ask: Ask, store: &Arc<Store>) -> Flight<Written> {
        let mut state = self.lock();
        state.used = Instant::now();
        let reads = state.reads.entry(Arc::clone(&ask.key)).or_default();
        if let Some(next) = reads.next.as_ref().and_then(WeakFlight::upgrade) {
            return next;
        }
        reads.count += 1;
        let counted = Counted {
            tenant: Arc::clone(self),
            key: Arc::clone(&ask.key),
        };
        let turn = Arc::clone(&reads.turn);
        let next = flight(Arc::clone(self).read(ask, Arc::clone(store), turn, counted));
        reads.next = next.downgrade();
        next
    }

    /// Waits for the read before, for a limited time, and sends one. Keeps the answer if it can be checked later.
    async fn read(
        self: Arc<Self>,
        ask: Ask,
        store: Arc<Store>,
        turn: Arc<Turn<()>>,
        _counted: Counted,
    ) -> Result<Written> {
        let _turn = timeout(PATIENCE, turn.lock()).await;
        let mut reader = match ask.db.reader(ask.work()).await {
            Ok(reader) => reader,
            Err(error) => {
                self.close_read(&ask.key);
                return Err(error);
            }
        };
        let position = self.position(&mut reader, &store).await;
        // From here on, calls join the next read.
        let epoch = self
            .close_read(&ask.key)
            .filter(|known| Some(known.seen.server()) == reader.server());
        let written = match position {
            Ok(()) => ask.read(&mut reader).await,
            Err(error) => Err(error),
        };
        reader.give_back();
        let written = written?;
        // That nothing was committed says nothing about an answer that time alone can change.
        if let Some(Known { epoch, .. }) = epoch
            && !ask.key.question.depends_on_time()
        {
            let state = self.lock();
            let is_current = state
                .known
                .as_ref()
                .is_some_and(|known| known.epoch == epoch);
            drop(state);
            if is_current {
                store.put(ask.key, epoch, &written);
            }
        }
        Ok(written)
    }

    /// Begins an epoch if there is none yet on the server of `reader`.
    async fn position(&self, reader: &mut Reader, store: &Store) -> Result<()> {
        let Some(server) = reader.server() else {
            return Ok(());
        };
        if self.is_known_on(server) {
            return Ok(());
        }
        store.checks.fetch_add(1, Relaxed);
        let Some(seen) = reader.log_check(&self.tenant, None).await?.seen else {
            return Ok(());
        };
        let mut state = self.lock();
        // Another call may have begun one meanwhile.
        if state
            .known
            .as_ref()
            .is_none_or(|known| known.seen.server() != server)
        {
            state.known = Some(Known {
                epoch: store.next_epoch(),
                seen: Arc::new(seen),
            });
        }
        Ok(())
    }

    fn is_known_on(&self, server: ServerId) -> bool {
        let state = self.lock();
        state
            .known
            .as_ref()
            .is_some_and(|known| known.seen.server() == server)
    }

    /// Lets no further call join the next read of an answer. Returns the present epoch.
    fn close_read(&self, key: &AnswerKey) -> Option<Known> {
        let mut state = self.lock();
        if let Some(reads) = state.reads.get_mut(key) {
            reads.next = None;
        }
        state.known.clone()
    }
}

/// Counts a read until it is dropped, however it ends.
#[derive(Debug)]
struct Counted {
    tenant: Arc<TenantChecks>,
    key: Arc<AnswerKey>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.tenant.lock();
        if let Some(reads) = state.reads.get_mut(&self.key) {
            reads.count -= 1;
            if reads.count == 0 {
                state.reads.remove(&self.key);
            }
        }
    }
}
