//! The watch buffer: holds what was read of the change log until every watch has sent it. All watches share it, within
//! a limit.
//!
//! A read stays in memory while a watch still needs it. If all reads together exceed the limit, the buffer empties
//! reads, each time the oldest one of the tenant that holds most, until the rest fits. A watch that reaches an empty
//! read has fallen behind. The buffer does not wait for a stalled watch to give its reads up, since its connection may
//! be stalled for minutes.
//!
//! What a watch sends of a change depends on its filter, its fields and its target limit. The bytes are encoded once
//! for each [`Shape`] and kept with the read.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    app::watch_form::{WatchForm, WatchShape},
    db::{LogChanges, LogRead},
    domain::{
        tenant::TenantId,
        watch::{ChangeKind, LogPosition, LoggedTask},
        watch_token::Snapshot,
    },
};

/// Most shapes whose bytes a read keeps, since callers choose them and could choose any number. Watches of other shapes
/// encode the changes for themselves.
const MOST_SHAPES: usize = 8;

/// What the encoded bytes of a change depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    form: WatchShape,
    target_limit: usize,
    kind: ChangeKind,
}

/// The bytes of each change of a read in one shape, empty until a watch needs them.
type Written = Arc<[OnceLock<Bytes>]>;

/// All reads that are held in memory.
#[derive(Debug)]
pub(in crate::app) struct WatchBuffer {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    tenants: HashMap<TenantId, KeptOfTenant>,
}

#[derive(Debug, Default)]
struct KeptOfTenant {
    bytes: usize,
    /// Oldest first.
    reads: VecDeque<Weak<SharedRead>>,
}

impl WatchBuffer {
    /// Creates a buffer that holds about `limit` bytes.
    pub(in crate::app) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            kept: Mutex::default(),
        })
    }

    /// Most bytes of later reads that may wait for one watch: half of the limit. Half of 64 MiB holds a bulk change of
    /// 10,000 tasks with a hundred targets each, however slow the client is.
    pub(in crate::app) fn limit_per_watch(&self) -> usize {
        self.limit / 2
    }

    /// How many bytes the buffer holds.
    pub(in crate::app) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Adds a read that began at the position `from`. `published` counts the bytes of all reads that the same watches
    /// get.
    pub(in crate::app) fn share(
        self: &Arc<Self>,
        tenant: &TenantId,
        from: LogPosition,
        read: LogRead,
        published: &AtomicUsize,
    ) -> Arc<SharedRead> {
        let LogRead {
            snapshot,
            position,
            as_of,
            changes,
        } = read;
        let (found, changes) = match changes {
            LogChanges::Known(changes) => (Found::Known, changes),
            LogChanges::TooMany => (Found::TooMany, Vec::new()),
            LogChanges::Lost => (Found::Lost, Vec::new()),
        };
        let bytes: usize = changes.iter().map(LoggedTask::memory).sum();
        let read = Arc::new(SharedRead {
            from,
            snapshot,
            position,
            as_of,
            found,
            end: published.fetch_add(bytes, Relaxed) + bytes,
            content: Mutex::new(Some(Arc::new(Content {
                changes,
                written: Mutex::default(),
            }))),
            bytes: AtomicUsize::new(0),
            tenant: tenant.clone(),
            buffer: Arc::clone(self),
        });
        let mut kept = self.lock();
        let reads = &mut kept.tenants.entry(tenant.clone()).or_default().reads;
        while reads.front().is_some_and(|read| read.strong_count() == 0) {
            reads.pop_front();
        }
        reads.push_back(Arc::downgrade(&read));
        drop(kept);
        self.add(&read, bytes);
        read
    }

    /// Counts further bytes of a read, and empties old reads until all fit.
    fn add(&self, read: &SharedRead, bytes: usize) {
        let mut emptied = Vec::new();
        let mut kept = self.lock();
        read.bytes.fetch_add(bytes, Relaxed);
        kept.bytes += bytes;
        kept.tenants.entry(read.tenant.clone()).or_default().bytes += bytes;
        while kept.bytes > self.limit {
            let Some(largest) = kept.tenants.values_mut().max_by_key(|t| t.bytes) else {
                break;
            };
            let Some(oldest) = largest.reads.pop_front() else {
                break;
            };
            if let Some(oldest) = oldest.upgrade() {
                let freed = oldest.bytes.swap(0, Relaxed);
                largest.bytes -= freed;
                kept.bytes -= freed;
                emptied.push(oldest);
            }
        }
        drop(kept);
        // After the lock is released, since dropping a read takes it too.
        for read in emptied {
            lock(&read.content).take();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        lock(&self.kept)
    }
}

/// A read of the change log that watches share.
#[derive(Debug)]
pub(in crate::app) struct SharedRead {
    /// The position at which it began.
    pub(in crate::app) from: LogPosition,
    /// The snapshot in which it was read.
    pub(in crate::app) snapshot: Snapshot,
    /// The position after it.
    pub(in crate::app) position: LogPosition,
    /// The time of the snapshot.
    pub(in crate::app) as_of: DateTime<Utc>,
    /// What the read found.
    pub(in crate::app) found: Found,
    /// The value of `published` at the end of this read.
    pub(in crate::app) end: usize,
    /// `None` once the buffer has emptied it.
    content: Mutex<Option<Arc<Content>>>,
    /// The number of bytes accounted for it.
    bytes: AtomicUsize,
    tenant: TenantId,
    buffer: Arc<WatchBuffer>,
}

/// Whether a read found the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Found {
    /// The changes, perhaps none.
    Known,
    /// More changes than the limit of the read.
    TooMany,
    /// The changes are not in the log any more.
    Lost,
}

impl SharedRead {
    /// The changes; `None` if the buffer has emptied the read.
    pub(in crate::app) fn content(&self) -> Option<Arc<Content>> {
        lock(&self.content).clone()
    }

    /// Counts bytes that were encoded of its changes.
    pub(in crate::app) fn note_written(&self, bytes: usize) {
        if bytes > 0 {
            self.buffer.add(self, bytes);
        }
    }
}

impl Drop for SharedRead {
    fn drop(&mut self) {
        let mut kept = self.buffer.lock();
        let bytes = self.bytes.swap(0, Relaxed);
        kept.bytes -= bytes;
        if let Some(own) = kept.tenants.get_mut(&self.tenant) {
            own.bytes -= bytes;
            own.reads.retain(|read| read.strong_count() > 0);
            if own.reads.is_empty() && own.bytes == 0 {
                kept.tenants.remove(&self.tenant);
            }
        }
    }
}

/// The changes of a read with their encoded bytes.
#[derive(Debug)]
pub(in crate::app) struct Content {
    pub(in crate::app) changes: Vec<LoggedTask>,
    written: Mutex<Vec<(Shape, Written)>>,
}

impl Content {
    /// Encodes the changes for one watch.
    pub(in crate::app) fn writer<'a>(
        &'a self,
        form: &'a dyn WatchForm,
        target_limit: usize,
    ) -> Writer<'a> {
        Writer {
            content: self,
            form,
            target_limit,
            tables: Vec::new(),
            added: 0,
        }
    }

    fn written(&self, shape: Shape) -> Option<Written> {
        let mut all = lock(&self.written);
        if let Some((_, written)) = all.iter().find(|(of, _)| *of == shape) {
            return Some(Arc::clone(written));
        }
        if all.len() == MOST_SHAPES {
            return None;
        }
        let written: Written = self.changes.iter().map(|_| OnceLock::new()).collect();
        all.push((shape, Arc::clone(&written)));
        Some(written)
    }
}

/// Encodes the changes of a read for one watch, or returns the bytes that another watch has encoded.
pub(in crate::app) struct Writer<'a> {
    content: &'a Content,
    form: &'a dyn WatchForm,
    target_limit: usize,
    tables: Vec<(ChangeKind, Option<Written>)>,
    /// Bytes that were encoded and kept with the read since the last [`SharedRead::note_written`].
    pub(in crate::app) added: usize,
}

impl Writer<'_> {
    /// The bytes of the change at `index`, which has this kind for the watch.
    pub(in crate::app) fn write(&mut self, index: usize, kind: ChangeKind) -> Bytes {
        let change = &self.content.changes[index];
        let task = match kind {
            ChangeKind::Removed => None,
            _ => change.now.as_ref(),
        };
        let Some(task) = task else {
            return self.form.write(kind, &change.task_id, None);
        };
        let write = || {
            let task = task.task(self.target_limit);
            self.form.write(kind, &change.task_id, Some(task))
        };
        let known = self.tables.iter().find(|(of, _)| *of == kind);
        let table = match known {
            Some((_, table)) => table.clone(),
            None => {
                let table = self.content.written(Shape {
                    form: self.form.shape(),
                    target_limit: self.target_limit,
                    kind,
                });
                self.tables.push((kind, table.clone()));
                table
            }
        };
        let Some(table) = table else {
            return write();
        };
        let mut added = 0;
        let written = table[index].get_or_init(|| {
            let written = write();
            added = written.len();
            written
        });
        self.added += added;
        written.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
