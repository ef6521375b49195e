//! The use cases. Transports and commands depend on [`App`] and not on the layers below it.

mod answer;
mod auth;
mod cache;
mod cell;
mod command_hash;
mod copies;
mod database;
mod events;
pub mod export;
mod exports;
mod figures;
pub mod import;
pub mod json;
mod key_cache;
mod keys;
mod outcome;
mod progress;
mod quotas;
mod results;
mod sheet_date;
mod stored;
mod target_upload;
mod targets;
mod tasks;
mod tenants;
mod watch;
mod watch_form;
mod workers;
mod write_once;
mod writes;

pub use answer::{AnswerForm, AnswerFormat, AnswerShape, TaskPage, Written as WrittenAnswer};
pub use auth::{Access, Caller};
pub use cache::CacheFigures;
pub use database::{DbOptions, KeyInfo, OWN_CONNECTIONS, Password, RowSecurity};
pub use events::{EventListRequest, EventPage};
pub use exports::TaskExport;
pub use figures::{Figures, TransferFigures};
pub use keys::{KeyPage, KeyRequest};
pub use quotas::QuotaReport;
pub use results::{Added, BulkOutcome, Created, Removed, Reported};
pub use target_upload::{TargetUpload, UploadPermit};
pub use targets::{TargetListRequest, TargetPage};
pub use tasks::TaskBatch;
pub use tenants::{IssuedKey, KeyLimits};
pub use watch::{WatchChange, WatchEnd, WatchMessage};
pub use watch_form::{WatchForm, WatchFormat, WatchShape};
pub use workers::{CATCH_UP_READERS, Health, Retention, Worker, WorkerStatus};
pub use write_once::{WriteRequest, Written};

use std::{sync::Mutex, time::Duration};

use tokio::sync::watch as channel;

use crate::{db::Db, error::Result, permits::FairPermits, quota::Limits};

/// The maximum number of concurrent uploads, imports and copies. Each one uses a connection of its own.
/// A client decides how long its upload lasts, so uploads do not use the pool.
pub const MAX_UPLOADS: usize = 4;
/// How long such a call waits for a permit if its tenant has no other one in progress.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(5);
/// The unit in which the filters of watches take memory, in bytes. A filter that takes less, as nearly all do, is not counted.
const FILTER_BLOCK: usize = 16 * 1024;
/// How much the filters of all watches take: 64 MiB. A filter of 1,000 long ids takes a quarter of a MiB.
const FILTER_BLOCKS: usize = 4_096;
/// The retry delay suggested to callers that found no permit.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The application on one database.
#[derive(Debug)]
pub struct App {
    db: Db,
    keys: key_cache::KeyCache,
    /// The cache of list answers; `None` if it is turned off.
    answers: Option<cache::AnswerCache>,
    listed: workers::Listed,
    /// Permits for uploads, imports and copies, which hold a connection outside of the pool.
    uploads: FairPermits,
    /// The memory of watches' filters, in blocks of [`FILTER_BLOCK`].
    watch_filters: FairPermits,
    /// How watches subscribe to the feed; `None` while the feed does not run.
    feeding: Mutex<Option<workers::feed::join::Feeding>>,
    health: channel::Sender<Health>,
    workers: workers::Workers,
    skew: workers::Skew,
    counted: figures::Counted,
}

impl App {
    /// Creates the application without connecting to the database.
    pub fn new(options: &DbOptions) -> Result<Self> {
        Ok(Self {
            db: Db::new(options)?,
            keys: key_cache::KeyCache::new(options.pool_size),
            answers: None,
            listed: workers::Listed::default(),
            uploads: FairPermits::new(MAX_UPLOADS),
            watch_filters: FairPermits::new(FILTER_BLOCKS),
            feeding: Mutex::default(),
            health: channel::Sender::new(Health::NotServing("not checked yet".to_owned())),
            workers: workers::Workers::default(),
            skew: workers::Skew::default(),
            counted: figures::Counted::default(),
        })
    }

    /// Keeps about `bytes` of list answers for the next calls; none if it is 0.
    #[must_use]
    pub fn with_list_cache(mut self, bytes: usize) -> Self {
        self.answers = (bytes > 0).then(|| cache::AnswerCache::new(bytes));
        self
    }

    /// Limits keys that have no limits of their own, and tenants; without it, only keys with their own are limited.
    #[must_use]
    pub fn with_quotas(mut self, limits: Limits) -> Self {
        self.keys.set_limits(limits);
        self
    }

    /// Numbers of the service's work, for the metrics.
    pub fn figures(&self) -> Figures {
        self.counted.figures(&self.db)
    }
}
