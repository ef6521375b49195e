//! Large requests are read beside the threads that serve everybody.
//!
//! A message of 256 KiB, or a compressed one of 300 bytes that becomes one, can have a quarter of a million values, all of them
//! wrong, and reading it takes milliseconds in which its thread does nothing else. A few callers of such messages would hold up
//! all calls of all tenants. So the thread hands its other work over before it reads one, and the system shares the processors
//! between them.

use std::{future::poll_fn, mem, pin::pin};

use axum::extract::Request;
use http::header::CONTENT_ENCODING;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
};

use super::{message::MAX_KEYLESS_BYTES, wire::GRPC_ENCODING};

/// Whether reading a request may take long. `is_shared` says that its message counts against the memory of requests.
pub(super) fn is_large(request: &Request, is_shared: bool) -> bool {
    let query = request.uri().query().map_or(0, str::len);
    let encodings = [&GRPC_ENCODING, &CONTENT_ENCODING].map(|name| request.headers().get(name));
    let mut encodings = encodings.into_iter().flatten();
    is_shared || query > MAX_KEYLESS_BYTES || encodings.any(|encoding| encoding != "identity")
}

/// Waits for the answer to a request. The first poll, which reads a request and checks it, runs beside other work if the
/// request is large.
pub(super) async fn answer<F: Future>(is_large: bool, answer: F) -> F::Output {
    let mut answer = pin!(answer);
    // A runtime of one thread has none to hand its work to.
    let mut is_aside = is_large && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
    poll_fn(|context| match mem::take(&mut is_aside) {
        true => block_in_place(|| answer.as_mut().poll(context)),
        false => answer.as_mut().poll(context),
    })
    .await
}
