//! Work that several calls wait for.

use std::panic::AssertUnwindSafe;

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::{
    error::{Error, Result},
    traces,
};

/// Work that each of its waiters drives, so it goes on as long as one of them waits. Once the last one is dropped, the
/// work is dropped too. A call can end at its deadline or with its connection, so the work must not depend on the call that
/// began it.
pub(super) type Flight<T> = Shared<BoxFuture<'static, Result<T>>>;

/// Work that goes on only if others wait for it.
pub(super) type WeakFlight<T> = WeakShared<BoxFuture<'static, Result<T>>>;

/// Work for several calls. If it panics, all of them get INTERNAL. The spans of its statements belong to the call that
/// began it, whichever call drives it.
pub(super) fn flight<T: Clone + Send + Sync + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Flight<T> {
    // The work's own state is dropped after a panic. What it shares with others is behind locks that are held for single
    // assignments only.
    let done = AssertUnwindSafe(traces::carried(work)).catch_unwind();
    done.map(|done| match done {
        Ok(done) => done,
        Err(_) => Err(Error::internal(
            "reading an answer for several calls panicked; the log has the place",
        )),
    })
    .boxed()
    .shared()
}
