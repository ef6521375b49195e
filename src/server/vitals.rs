//! Reads the values of [`App`] that the metrics show.

use crate::{
    app::{App, CacheFigures, Figures, TransferFigures},
    telemetry::{TransferVitals, Vitals},
};

/// The values at this moment.
pub(super) fn read(app: &App) -> Vitals {
    let CacheFigures {
        hits,
        misses,
        checks,
        bytes,
    } = app.list_cache();
    let Figures {
        pool: (pool_used, pool_open, pool_waiting),
        pool_refused,
        pool_wait,
        waiting,
        counts_lag,
        watch_lag,
        watches_dropped,
        schedule_changed,
        schedule_failures,
        imports,
        exports,
    } = app.figures();
    // Counts are not negative.
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Vitals {
        pool_used,
        pool_open,
        pool_waiting,
        pool_refused,
        pool_wait: Some(pool_wait),
        clock_skew: app.clock_skew(),
        watch_buffer: app.watch_buffer_bytes(),
        watch_lag,
        watches_dropped,
        list_cache_hits: hits,
        list_cache_misses: misses,
        list_cache_checks: checks,
        list_cache_bytes: bytes,
        counts_pending: waiting.map(|waiting| count(waiting.deltas)),
        counts_lag,
        schedule_due: waiting.map(|waiting| count(waiting.due)),
        schedule_lag: waiting.map(|waiting| waiting.due_seconds),
        schedule_changed,
        schedule_failures,
        imports: transfers(imports),
        import_bytes: imports.bytes,
        exports: transfers(exports),
        workers: workers(app),
    }
}

fn transfers(figures: TransferFigures) -> TransferVitals {
    TransferVitals {
        running: figures.running,
        failed: figures.failed,
        rows: figures.rows,
    }
}

/// The name of each worker, whether it runs, and how often it was restarted.
fn workers(app: &App) -> Vec<(&'static str, bool, u64)> {
    let workers = app.workers();
    let workers = workers.borrow();
    workers
        .iter()
        .map(|(worker, status)| (worker.name(), status.is_up, status.restarts))
        .collect()
}
