//! The tasks that there are at the beginning of a watch, out of one snapshot.
//!
//! The snapshot takes a database connection and one of few permits, which other tenants wait for. A task of its own reads it
//! and hands over one batch at a time. A client that takes the batches more slowly than [`PATIENCE`] allows loses its watch:
//! the connection, the permit and what was read are released, whether or not the client ever reads again.

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

/// How long a client may keep its batches waiting in all: each batch that it takes gives [`PER_BATCH`] of it back.
const PATIENCE: Duration = Duration::from_secs(5);
/// A batch of 256 KiB a second is fast enough for ever.
const PER_BATCH: Duration = Duration::from_secs(1);
/// When a client that was too slow may try again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The batches of a snapshot. Dropping it ends the reading.
#[derive(Debug)]
pub(super) struct Initial {
    slot: Arc<Slot>,
    reader: JoinHandle<()>,
}

/// Holds what was read until the client takes it.
#[derive(Debug, Default)]
struct Slot {
    next: Mutex<Option<Result<Option<Batch>>>>,
    filled: Notify,
    taken: Notify,
}

impl Initial {
    /// Begins to read.
    pub(super) fn new(export: Export) -> Self {
        let slot = Arc::new(Slot::default());
        let reader = tokio::spawn(read(export, Arc::clone(&slot)));
        Self { slot, reader }
    }

    /// The next batch, `None` behind the last one. Cancelling it loses nothing.
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
            drop(export);
            let why = "the client reads the initial tasks too slowly";
            slot.put(Err(Error::unavailable(why, RETRY_AFTER)));
            return;
        }
        patience = patience.saturating_sub(began.elapsed()) + PER_BATCH;
        patience = patience.min(PATIENCE);
    }
}
