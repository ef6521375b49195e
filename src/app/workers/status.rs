//! Which workers there are, and what is known of them and through them.

use std::{collections::BTreeMap, sync::Mutex};

use tokio::sync::{Notify, watch};

/// A background worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Worker {
    /// Measures how far this machine's clock is off from PostgreSQL's.
    Clock,
    /// Adds pending changes to the counts behind totals.
    Counts,
    /// Reads the log of changes for all watches.
    Feed,
    /// Asks the database whether the service can answer.
    Health,
    /// Tells the health service what the worker before found.
    HealthReport,
    /// Deletes what was kept long enough.
    Retention,
    /// Starts and ends tasks on time.
    Schedule,
}

impl Worker {
    /// Every worker.
    pub const ALL: [Self; 7] = [
        Self::Clock,
        Self::Counts,
        Self::Feed,
        Self::Health,
        Self::HealthReport,
        Self::Retention,
        Self::Schedule,
    ];

    /// Its name in metrics, logs and `/readyz`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Counts => "counts",
            Self::Feed => "feed",
            Self::Health => "health",
            Self::HealthReport => "health_report",
            Self::Retention => "retention",
            Self::Schedule => "schedule",
        }
    }

    /// Whether callers get wrong answers or none while it is down, so that they had better call another service. The others
    /// delay work that another service does as well, or that can wait.
    pub fn is_essential(self) -> bool {
        match self {
            Self::Feed | Self::Health | Self::HealthReport => true,
            Self::Clock | Self::Counts | Self::Retention | Self::Schedule => false,
        }
    }
}

/// How a worker fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Whether it runs.
    pub is_up: bool,
    /// How often it ended and was started again.
    pub restarts: u64,
}

/// The workers that this process supervises.
#[derive(Debug)]
pub(in crate::app) struct Workers {
    pub(super) statuses: watch::Sender<BTreeMap<Worker, WorkerStatus>>,
    pub(super) kills: [Notify; Worker::ALL.len()],
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            statuses: watch::Sender::default(),
            kills: Worker::ALL.map(|_| Notify::new()),
        }
    }
}

impl Workers {
    pub(super) fn set(&self, worker: Worker, change: impl FnOnce(&mut WorkerStatus)) {
        self.statuses.send_modify(|all| {
            let status = all.entry(worker).or_insert(WorkerStatus {
                is_up: true,
                restarts: 0,
            });
            change(status);
        });
    }
}

/// How far the clock is off, in seconds; `None` until it was measured.
#[derive(Debug, Default)]
pub(in crate::app) struct Skew(pub(super) Mutex<Option<f64>>);

/// Whether the service can answer, as the worker that asks the database saw last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Serving,
    /// Reads are answered; why not everything is, for the operator.
    Limited(String),
    /// Why the service cannot answer, for the operator.
    NotServing(String),
}
