//! The use cases. Transports and commands hold an [`App`] and nothing below it.

mod auth;
mod cell;
mod database;
mod events;
pub mod export;
pub mod import;
pub mod json;
mod outcome;
mod target_upload;
mod targets;
mod tasks;
mod tenants;
mod watch;
mod watch_form;
mod workers;
mod writes;

pub use auth::{Access, Caller};
pub use database::{DbOptions, KeyRecord, OWN_CONNECTIONS};
pub use events::EventPage;
pub use target_upload::{Added, TargetUpload};
pub use targets::{Removed, Reported, TargetListRequest, TargetPage};
pub use tasks::{TaskBatch, TaskPage};
pub use tenants::IssuedKey;
pub use watch::{WatchChange, WatchEnd, WatchMessage};
pub use watch_form::{WatchForm, WatchFormat, WatchShape};
pub use workers::{CATCH_UP_READERS, Health, Retention, Worker, WorkerStatus};
pub use writes::{BulkOutcome, Created, Written};

use std::{sync::Mutex, time::Duration};

use tokio::sync::watch as channel;

use crate::{db::Db, error::Result, permits::FairPermits};

/// Most calls that add targets at a time, each on a connection of its own.
pub const MAX_UPLOADS: usize = 4;
/// How long a call that adds targets waits for its turn where its tenant has none under way.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(5);
/// When a caller that found all permits taken may try again.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The application on one database.
#[derive(Debug)]
pub struct App {
    db: Db,
    keys: auth::KeyCache,
    listed: workers::Listed,
    /// A permit for each call that adds targets, which holds a connection outside the pool.
    uploads: FairPermits,
    /// Where a watch asks to be fed; `None` as long as nobody feeds them.
    feeding: Mutex<Option<workers::feed::Feeding>>,
    health: channel::Sender<Health>,
    workers: workers::Workers,
    skew: workers::Skew,
}

impl App {
    /// The application on the database of `options`; connects to nothing yet.
    pub fn new(options: &DbOptions) -> Result<Self> {
        Ok(Self {
            db: Db::new(options)?,
            keys: auth::KeyCache::new(options.pool_size),
            listed: workers::Listed::default(),
            uploads: FairPermits::new(MAX_UPLOADS),
            feeding: Mutex::default(),
            health: channel::Sender::new(Health::NotServing("not checked yet".to_owned())),
            workers: workers::Workers::default(),
            skew: workers::Skew::default(),
        })
    }
}
