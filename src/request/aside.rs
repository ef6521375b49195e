//! Large requests are read beside the threads that serve everybody.
//!
//! A message of 256 KiB, or a compressed one of 300 bytes that becomes one, can have a quarter of a million values, all of them
//! wrong, and reading it takes milliseconds in which its thread does nothing else. A few callers of such messages would hold up
//! all calls of all tenants. So such a message is read on a thread of [`beside`], and the system shares the processors between
//! these threads and everybody's. It takes up to 15 MiB of memory while it is read. The threads take requests in turn by tenant.

use std::{
    future::Future,
    task::{Context, Poll, Waker},
};

use axum::extract::Request;
use http::header::CONTENT_ENCODING;
use tracing::Instrument;

use super::{
    id::{CURRENT, Ids},
    message::MAX_KEYLESS_BYTES,
    wire::GRPC_ENCODING,
};
use crate::{
    beside::{THREADS, beside},
    domain::tenant::TenantId,
    permits::{FairPermits, Permit},
    quota, traces,
};

/// One permit for each large request that may be read at a time.
pub fn readers() -> FairPermits {
    FairPermits::new(THREADS)
}

/// Whether reading a request may take long. `is_shared` says that its message counts against the memory of requests.
pub(super) fn is_large(request: &Request, is_shared: bool) -> bool {
    let query = request.uri().query().map_or(0, str::len);
    let encodings = [&GRPC_ENCODING, &CONTENT_ENCODING].map(|name| request.headers().get(name));
    let mut encodings = encodings.into_iter().flatten();
    is_shared || query > MAX_KEYLESS_BYTES || encodings.any(|encoding| encoding != "identity")
}

/// Waits for the turn of a tenant to have a large request read. Without a key, requests are too small to be large.
pub(super) async fn turn(readers: &FairPermits, tenant: Option<&TenantId>) -> Option<Permit> {
    match tenant {
        Some(tenant) => Some(readers.acquire(tenant).await),
        None => None,
    }
}

/// Waits for the answer to a request. The first poll, which reads the request and checks it, runs beside other work if there is
/// a turn for it.
pub(super) async fn answer<T, F>(turn: Option<Permit>, answer: F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let Some(turn) = turn else {
        return answer.await;
    };
    // What belongs to the current task goes along to the other thread.
    let answer = quota::paid_by(quota::payer(), traces::carried(answer));
    let ids = CURRENT.with(Ids::clone);
    let mut answer = Box::pin(CURRENT.scope(ids, answer).in_current_span());
    let read = move || {
        // Nobody is woken by this poll: the next one follows at once.
        let first = answer
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        // The turn ends with the poll.
        drop(turn);
        (first, answer)
    };
    match beside(read).await {
        (Poll::Ready(answered), _) => answered,
        (Poll::Pending, answer) => answer.await,
    }
}
