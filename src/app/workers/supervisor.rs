//! Runs the workers, and runs them again when they end.
//!
//! [`App::supervise`] runs each worker on a task of its own, so that a panic ends the
//! worker and nothing else. A worker that ended, in whatever way, is started again after a pause that doubles from
//! [`FIRST_PAUSE`] to [`LONGEST_PAUSE`]. Meanwhile it counts as down: in the metrics, in `/readyz`, and in the health service if
//! callers depend on it. A worker that was started again counts as down until it has run for [`PROBATION`], so that one that
//! fails at once each time does not come and go.
//!
//! Locks that a worker holds must survive a panic: they are taken with `PoisonError::into_inner`.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};

use super::{Worker, WorkerStatus};
use crate::app::App;

/// The pause before a worker is started again, the first time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a worker that was started again must run to count as up.
const PROBATION: Duration = Duration::from_secs(1);
/// After running for so long a worker gets the first pause again.
const CALM: Duration = Duration::from_secs(60);

const _: () = assert!(
    cfg!(panic = "unwind"),
    "a worker that panics must not end the program: build with panic=unwind"
);

/// Takes a worker that is not supervised any more out of the list.
struct Supervised {
    app: Arc<App>,
    worker: Worker,
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let statuses = &self.app.workers.statuses;
        statuses.send_modify(|all| {
            all.remove(&self.worker);
        });
    }
}

impl App {
    /// How each of the workers that are supervised fares, and every change of it.
    pub fn workers(&self) -> watch::Receiver<BTreeMap<Worker, WorkerStatus>> {
        self.workers.statuses.subscribe()
    }

    /// Makes a worker panic, as a defect in it would. Only tests call this: no input from outside makes a worker panic on
    /// purpose, and the supervision must be seen to work for each of them.
    #[doc(hidden)]
    pub fn worker_kill(&self, worker: Worker) {
        self.workers.kills[worker as usize].notify_waiters();
    }

    /// Runs a worker, again and again if it ends, until the future is dropped, which ends the worker too.
    pub async fn supervise<F>(self: Arc<Self>, worker: Worker, run: impl Fn(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _supervised = Supervised {
            app: Arc::clone(&self),
            worker,
        };
        self.workers.set(worker, |status| status.is_up = true);
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            // A set ends its tasks when it is dropped.
            let mut tasks = JoinSet::new();
            let (work, app) = (run(Arc::clone(&self)), Arc::clone(&self));
            tasks.spawn(async move {
                tokio::select! {
                    () = work => {}
                    () = app.workers.kills[worker as usize].notified() => panic!("the worker was told to panic"),
                }
            });
            let ended = match timeout(PROBATION, tasks.join_next()).await {
                Ok(ended) => ended,
                Err(_) => {
                    self.workers.set(worker, |status| status.is_up = true);
                    tasks.join_next().await
                }
            };
            if began.elapsed() >= CALM {
                pause = FIRST_PAUSE;
            }
            self.workers.set(worker, |status| {
                status.is_up = false;
                status.restarts += 1;
            });
            let cause = match ended {
                Some(Err(error)) => cause(error),
                _ => "it returned".to_owned(),
            };
            tracing::error!(
                worker = worker.name(),
                cause,
                "a background worker ended; it is started again in {pause:?}"
            );
            sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

/// Why a task ended.
fn cause(error: JoinError) -> String {
    let payload: Box<dyn Any + Send> = match error.try_into_panic() {
        Ok(payload) => payload,
        Err(error) => return error.to_string(),
    };
    let text = match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a payload that is no text".to_owned(),
        },
    };
    format!("it panicked: {text}")
}
