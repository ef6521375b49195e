//! Work of milliseconds, such as reading a large message, on threads of its own.
//!
//! On tokio's threads it would hold up the calls of everybody. `block_in_place` and `spawn_blocking` make a new thread whenever
//! none is idle at that moment, which under load is a hundred of them, and the allocator keeps up to 15 MiB for each until the
//! thread ends. Here the number of threads is fixed, and work waits for its turn.

use std::sync::LazyLock;

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

/// The number of threads.
pub const THREADS: usize = 4;

/// Its threads are all that is used of this runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut threads = Builder::new_multi_thread();
    let threads = threads.worker_threads(THREADS).thread_name("beside");
    threads.build().expect("threads can be started")
});

/// Runs work beside everybody's threads. It is not begun if the caller has gone by its turn; what is begun runs to its end.
/// A panic goes on in the caller.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let here = Handle::current();
    let (reply, done) = oneshot::channel();
    RUNTIME.spawn(async move {
        // Tasks and timers that the work begins belong to the caller's runtime, as do those that dropping it or its result begins.
        let _here = here.enter();
        match reply.is_closed() {
            true => drop(work),
            // A caller that has gone meanwhile takes nothing.
            false => drop(reply.send(work())),
        }
    });
    done.await.expect("the work did not panic")
}
