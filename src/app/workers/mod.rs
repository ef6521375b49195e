//! The background workers of a service, one file each, and [`supervisor`], which runs them.
//!
//! A worker is a future `App::run_…` that is not meant to end. `serve` and `dev` start each of them under supervision.

mod clock;
mod counts;
mod failure_log;
pub(super) mod feed;
mod health;
mod listed;
mod progress;
mod retention;
mod schedule;
mod slow;
mod status;
mod supervisor;
mod turns;

pub use feed::catch_up::READERS as CATCH_UP_READERS;
pub use retention::Retention;
pub use status::{Health, Worker, WorkerStatus};

pub(super) use listed::Listed;
pub(super) use status::{Skew, Workers};
