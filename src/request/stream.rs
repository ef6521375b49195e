//! Calls whose answer is a stream: their deadline reaches to its end, and so do their permit and their line in the log.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use super::{CURRENT, CallLog, GRPC_STATUS, UnderWay};
use crate::telemetry::Metrics;

/// When a stream must have ended; every request for one carries it as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// The instant.
    pub at: Instant,
    /// Whether the caller named it; else it is the server's own limit.
    pub is_callers: bool,
}

/// Marks an answer whose parts must go out as they come: no compression that waits for more.
#[derive(Debug, Clone, Copy)]
pub struct Live;

/// The body of a stream. What is written while it is polled knows the request's id, as it does before the headers.
pub(super) struct Streamed {
    pub(super) body: Body,
    pub(super) id: Arc<str>,
    pub(super) span: tracing::Span,
    pub(super) log: CallLog,
    /// Held until the stream has ended, in whatever way.
    pub(super) _permit: Option<OwnedSemaphorePermit>,
    pub(super) _under_way: Option<UnderWay>,
    /// Of a watch.
    pub(super) _open: Option<Open>,
}

/// Counts a watch as open as long as it lives.
pub(super) struct Open(Arc<Metrics>);

impl Open {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        metrics.watches().inc();
        Self(metrics)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.watches().dec();
    }
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self {
            body,
            id,
            span,
            log,
            ..
        } = &mut *self;
        let entered = span.enter();
        let poll = || Pin::new(body).poll_frame(context);
        let frame = ready!(CURRENT.sync_scope(Arc::clone(id), poll));
        match &frame {
            Some(Ok(frame)) => {
                // gRPC's end; HTTP's has no frame.
                let status = frame.trailers_ref().and_then(|t| t.get(GRPC_STATUS));
                if let Some(code) = status.and_then(|code| code.to_str().ok()) {
                    log.end(code);
                }
            }
            Some(Err(_)) => log.end("cut"),
            None => log.end("0"),
        }
        drop(entered);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
