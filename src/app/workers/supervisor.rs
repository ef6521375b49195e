//! Runs the workers, and restarts those that end.
//!
//! [`App::supervise`] runs each worker as a task of its own, so that a panic ends nothing but the worker. The
//! supervisor restarts a worker that returned or panicked, after a pause that doubles from [`FIRST_PAUSE`] to
//! [`LONGEST_PAUSE`]. Meanwhile the worker counts as down: in the metrics, in `/readyz`, and in the health service if
//! the worker is essential. A restarted worker counts as down until it has run for [`PROBATION`], so that one that
//! fails at once does not alternate between up and down.
//!
//! A panic may poison a lock that a worker holds, so such locks are taken with `PoisonError::into_inner`.

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

/// The pause before the first restart of a worker.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a restarted worker must run to count as up.
const PROBATION: Duration = Duration::from_secs(1);
/// A worker that ran for this long gets the first pause again.
/// Without it, a worker that fails once a day would wait for longer each time.
const CALM: Duration = Duration::from_secs(60);

const _: () = assert!(
    cfg!(panic = "unwind"),
    "a worker that panics must not end the program: build with panic=unwind"
);

/// Removes the worker from the list when its supervision ends.
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
    /// The status of each supervised worker, and every change of it.
    pub fn workers(&self) -> watch::Receiver<BTreeMap<Worker, WorkerStatus>> {
        self.workers.statuses.subscribe()
    }

    /// Makes a worker panic, as a defect in it would. Only tests call this: no input makes a worker panic on purpose,
    /// and the tests must see each worker restarted.
    #[doc(hidden)]
    pub fn worker_kill(&self, worker: Worker) {
        self.workers.kills[worker as usize].notify_waiters();
    }

    /// Runs a worker, and restarts it whenever it ends, until the future is dropped, which ends the worker too.
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
            // Dropping a set ends its tasks.
            let mut tasks = JoinSet::new();
            let (work, app) = (run(Arc::clone(&self)), Arc::clone(&self));
            tasks.spawn(async move {
                tokio::select! {
                    () = work => {}
                    () = app.workers.kills[worker as usize].notified() => panic!("the worker was made to panic"),
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
                "a background worker ended; it is restarted in {pause:?}"
            );
            sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

/// Why a task ended: its panic's message, if it has one.
fn cause(error: JoinError) -> String {
    let payload: Box<dyn Any + Send> = match error.try_into_panic() {
        Ok(payload) => payload,
        Err(error) => return error.to_string(),
    };
    let text = match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&str>() {
            Ok(text) => (*text).to_owned(),
            Err(_) => "a payload that is not text".to_owned(),
        },
    };
    format!("it panicked: {text}")
}
