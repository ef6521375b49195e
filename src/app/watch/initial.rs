//! The initial tasks of a watch, from one snapshot.
//!
//! The snapshot holds a database connection and one of few permits, which other tenants wait for. A task of its own
//! reads the snapshot and hands over one batch at a time. A client that takes the batches more slowly than [`PATIENCE`]
//! allows loses its watch: the connection, the permit and the batches are released, whether or not the client ever
//! reads again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use tokio::{sync::Notify, task::JoinHandle, time::timeout};

use crate::{
    db::{Batch, Export},
    error::{Error, Result},
};

/// How long a client may keep batches waiting in all. Each batch that it takes gives [`PER_BATCH`] back.
const PATIENCE: Duration = Duration::from_secs(5);
/// A client that reads one batch of 256 KiB per second never runs out of time.
const PER_BATCH: Duration = Duration::from_secs(1);
/// The retry delay suggested to a client that was too slow.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The batches of a snapshot. Dropping it ends the reader.
#[derive(Debug)]
pub(super) struct Initial {
    slot: Arc<Slot>,
    reader: JoinHandle<()>,
}

/// Holds one batch until the client takes it.
#[derive(Debug, Default)]
struct Slot {
    next: Mutex<Option<Result<Option<Batch>>>>,
    filled: Notify,
    taken: Notify,
}

impl Initial {
    /// Starts to read.
    pub(super) fn new(export: Export) -> Self {
        let slot = Arc::new(Slot::default());
        let reader = tokio::spawn(read(export, Arc::clone(&slot)));
        Self { slot, reader }
    }

    /// The next batch; `None` after the last one. It may be cancelled without losing a batch.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(next) = self.slot.lock().take() {
                self.slot.taken.notify_one();
                return next;
            }
            self.slot.filled.notified().await;
        }
    }
}

impl Drop for Initial {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Result<Option<Batch>>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, next: Result<Option<Batch>>) {
        *self.lock() = Some(next);
        self.filled.notify_one();
    }
}

/// Reads all batches into the slot, one at a time.
async fn read(mut export: Export, slot: Arc<Slot>) {
    let mut patience = PATIENCE;
    loop {
        let next = export.try_next().await;
        let is_last = !matches!(next, Ok(Some(_)));
        slot.put(next);
        if is_last {
            return;
        }
        let began = Instant::now();
        if timeout(patience, slot.taken.notified()).await.is_err() {
            // Frees the connection and the permit before the error is stored, which may never be
            // read.
            drop(export);
            let why = "the client reads the initial tasks too slowly";
            slot.put(Err(Error::unavailable(why, RETRY_AFTER)));
            return;
        }
        // A client earns a second for each batch, so a steady slow client keeps its watch, and one
        // that stops loses it after five seconds.
        patience = patience.saturating_sub(began.elapsed()) + PER_BATCH;
        patience = patience.min(PATIENCE);
    }
}
