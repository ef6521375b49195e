//! Work of milliseconds, such as reading a large message, on threads of its own.
//!
//! On tokio's threads it would hold up the calls of everybody. `block_in_place` and `spawn_blocking` make a new thread whenever
//! none is idle at that moment, which under load is a hundred of them, and the allocator keeps up to 15 MiB for each until the
//! thread ends. Here the number of threads is fixed, and work waits for its turn.

use std::{panic::resume_unwind, sync::LazyLock};

use tokio::runtime::{Builder, Handle, Runtime};

/// The number of threads.
pub const THREADS: usize = 4;

/// Its threads are all that is used of this runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut threads = Builder::new_multi_thread();
    let threads = threads.worker_threads(THREADS).thread_name("beside");
    threads.build().expect("threads can be started")
});

/// Runs work beside everybody's threads. It runs to its end even if the caller goes away; a panic goes on in the caller.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // Tasks and timers that the work begins belong to the caller's runtime.
    let here = Handle::current();
    let done = RUNTIME.spawn(async move {
        let _here = here.enter();
        work()
    });
    // Nothing cancels the task, so it fails only by a panic.
    done.await
        .unwrap_or_else(|error| resume_unwind(error.into_panic()))
}
