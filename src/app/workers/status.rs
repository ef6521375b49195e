//! Which workers there are, whether they run, and what they found out.

use std::{collections::BTreeMap, sync::Mutex};

use strum::{IntoStaticStr, VariantArray};
use tokio::sync::{Notify, watch};

/// A background worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Worker {
    /// Measures the clock skew between this machine and PostgreSQL.
    Clock,
    /// Compacts the deltas of the counts behind totals.
    Counts,
    /// Reads the change log for all watches.
    Feed,
    /// Queries the database to find out whether the service can answer.
    Health,
    /// Reports what the worker before found to the health service.
    HealthReport,
    /// Stores points of the progress of running tasks.
    Progress,
    /// Deletes what is older than its retention.
    Retention,
    /// Starts and ends tasks at their scheduled times.
    Schedule,
}

impl Worker {
    /// The name in metrics, logs and `/readyz`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the service must not be called while the worker is down, as callers would get wrong answers or none. The
    /// work of the other workers can wait, or another service does it as well.
    pub fn is_essential(self) -> bool {
        match self {
            Self::Feed | Self::Health | Self::HealthReport => true,
            Self::Clock | Self::Counts | Self::Progress | Self::Retention | Self::Schedule => false,
        }
    }
}

/// Whether a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Whether it runs now.
    pub is_up: bool,
    /// How often it ended and was restarted.
    pub restarts: u64,
}

/// The workers that this process supervises.
#[derive(Debug)]
pub(in crate::app) struct Workers {
    pub(super) statuses: watch::Sender<BTreeMap<Worker, WorkerStatus>>,
    pub(super) kills: [Notify; Worker::VARIANTS.len()],
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            statuses: watch::Sender::default(),
            kills: [const { Notify::const_new() }; _],
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

/// How far the clock is off, in seconds; `None` before the first measurement.
#[derive(Debug, Default)]
pub(in crate::app) struct Skew(pub(super) Mutex<Option<f64>>);

/// Whether the service can answer, as the worker that asks the database saw last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Every call is served.
    Serving,
    /// Reads are served, but not every call; the reason, for the operator.
    Limited(String),
    /// No call is served; the reason, for the operator.
    NotServing(String),
}
