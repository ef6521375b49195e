//! The registry of connections, which finds the one that has been idle longest when no permit is free.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{request::Connection, telemetry::Metrics};

/// How long to wait for a permit before another idle connection is closed.
/// A connection that is asked to end needs a moment for its GOAWAY.
const PAUSE: Duration = Duration::from_millis(100);

type All = HashMap<u64, Arc<Connection>>;

/// All open connections.
#[derive(Default)]
pub(super) struct Registry {
    all: Arc<Mutex<All>>,
    next: u64,
    /// The connections that were idle at the last scan, with the start of their idle time, longest last. One scan
    /// serves many new connections.
    idle: Vec<(Instant, u64)>,
}

/// The registration of a connection; dropping the value removes it.
pub(super) struct Entry {
    all: Arc<Mutex<All>>,
    number: u64,
}

impl Registry {
    /// Registers a new connection from this address.
    pub(super) fn enter(&mut self, peer: IpAddr) -> (Arc<Connection>, Entry) {
        let (connection, number) = (Connection::new(peer), self.next);
        self.next += 1;
        lock(&self.all).insert(number, Arc::clone(&connection));
        let all = Arc::clone(&self.all);
        (connection, Entry { all, number })
    }

    /// Takes a permit for a new connection. If none is free, closes the connections that have been idle longest, one
    /// per [`PAUSE`], until a permit is free.
    pub(super) async fn permit(
        &mut self,
        permits: &Arc<Semaphore>,
        metrics: &Metrics,
    ) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(permits).try_acquire_owned() {
            return permit;
        }
        loop {
            if let Some(connection) = self.idlest() {
                connection.end();
                metrics.given_way().inc();
            }
            let permit = timeout(PAUSE, Arc::clone(permits).acquire_owned()).await;
            if let Ok(permit) = permit {
                return permit.expect("nobody closes this semaphore");
            }
        }
    }

    /// Removes and returns the connection that has been idle longest. Each connection is returned only once.
    fn idlest(&mut self) -> Option<Arc<Connection>> {
        let mut all = lock(&self.all);
        let mut is_scanned = false;
        loop {
            while let Some((since, number)) = self.idle.pop() {
                let is_still = |c: &mut Arc<Connection>| c.idle_since() == Some(since);
                if all.get_mut(&number).is_some_and(is_still) {
                    return all.remove(&number);
                }
            }
            if is_scanned {
                return None;
            }
            is_scanned = true;
            let idle = all.iter().filter_map(|(n, c)| Some((c.idle_since()?, *n)));
            self.idle.extend(idle);
            self.idle.sort_unstable_by(|a, b| b.cmp(a));
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.number);
    }
}

fn lock(all: &Mutex<All>) -> MutexGuard<'_, All> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
