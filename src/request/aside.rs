//! Large requests are read beside the threads that serve everybody.
//!
//! A message of 256 KiB, or a compressed one of 300 bytes that becomes one, can have a quarter of a million values, all of them
//! wrong, and reading it takes milliseconds in which its thread does nothing else. A few callers of such messages would hold up
//! all calls of all tenants. So the thread hands its other work over before it reads one, and the system shares the processors
//! between them. Such a message takes up to 15 MiB of memory while it is read, so only [`READERS`] are read at a time, in turn by
//! tenant.

use std::{future::poll_fn, pin::pin};

use axum::extract::Request;
use http::header::CONTENT_ENCODING;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

use super::{message::MAX_KEYLESS_BYTES, wire::GRPC_ENCODING};
use crate::{
    domain::tenant::TenantId,
    permits::{FairPermits, Permit},
};

/// The number of large requests that are read at a time.
const READERS: usize = 4;

/// One permit for each large request that may be read at a time.
pub fn readers() -> FairPermits {
    FairPermits::new(READERS)
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
pub(super) async fn answer<F: Future>(turn: Option<Permit>, answer: F) -> F::Output {
    let mut answer = pin!(answer);
    // A runtime of one thread has none to hand its work to.
    let is_many = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    let mut turn = turn.filter(|_| is_many);
    poll_fn(|context| match turn.take() {
        // The turn ends with the poll.
        Some(_turn) => block_in_place(|| answer.as_mut().poll(context)),
        None => answer.as_mut().poll(context),
    })
    .await
}
