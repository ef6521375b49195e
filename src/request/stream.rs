//! Streamed responses: the deadline, the permit and the log line cover the whole stream, not only its beginning.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes, HttpBody};
use http::HeaderMap;
use hyper::body::{Frame, SizeHint};

use super::{
    code,
    connection::{Connection, UnderWay},
    id::{CURRENT, Ids},
    log::CallLog,
    wire::GRPC_STATUS,
};
use crate::{
    app::{Access, App, Caller},
    error::Error,
    quota::{Account, paid_by_sync},
    telemetry::{Code, Metrics},
    traces::{self, Recorded},
};

/// How often a call in progress re-checks its key. The cached key may be one second old, so a revocation takes effect
/// within 1.5 s; the contract allows 2 s.
const KEY_CHECK: Duration = Duration::from_millis(500);

/// How long the client of an HTTP/1.1 connection may take to receive the end of a stream whose key has ended.
const LAST_READ: Duration = Duration::from_millis(500);

/// When a stream must have ended. Every request for a stream carries it as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// The instant of the deadline.
    pub at: Instant,
    /// Whether the caller named it with `grpc-timeout`; otherwise it is the server's limit.
    pub is_callers: bool,
}

/// Marks a response that is not compressed: its messages must be sent immediately, or its caller has no key and could have
/// processors compress without end.
#[derive(Debug, Clone, Copy)]
pub struct AsIs;

/// The body of a stream. The request id and the span are set again while it is polled, so that log lines have them.
pub(super) struct Streamed {
    pub(super) stream: Arc<Stream>,
    pub(super) ids: Ids,
    /// The call, if it is recorded.
    pub(super) recorded: Option<Arc<Recorded>>,
    pub(super) span: tracing::Span,
    pub(super) log: CallLog,
    /// Pays for the statements that run while the body is polled.
    pub(super) account: Option<Arc<Account>>,
    pub(super) _under_way: Option<UnderWay>,
    /// Renders the error that ends the stream.
    pub(super) cut: fn(Error) -> Option<HeaderMap>,
    /// Present for a watch.
    pub(super) _open: Option<Open>,
}

/// The state of a stream. Another task may end it, whether or not the client reads.
pub(super) struct Stream(Mutex<State>);

struct State {
    /// `None` once the stream has ended.
    body: Option<Body>,
    /// Why the stream was ended, until the client receives it.
    error: Option<Error>,
    /// Wakes the task that polls the body.
    reader: Option<Waker>,
}

impl Stream {
    pub(super) fn new(body: Body) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            body: Some(body),
            error: None,
            reader: None,
        })))
    }

    /// Ends the stream when its caller's key is revoked or expires: drops the body at once, and sends the error when
    /// the client reads again. Returns early once the stream is gone.
    ///
    /// `connection` is `None` over HTTP/2, where the end overtakes what waits to be sent. Over HTTP/1.1 it follows the bytes
    /// that hyper and the kernel hold, which a slow client takes minutes to read, so the connection is reset.
    pub(super) async fn end_with_key(
        stream: Weak<Self>,
        app: Arc<App>,
        caller: Arc<Caller>,
        access: Access,
        connection: Option<Arc<Connection>>,
    ) {
        let ended = async {
            // Polled, because nothing signals that the last strong reference is gone.
            let mut ticks = tokio::time::interval(KEY_CHECK);
            while stream.strong_count() > 0 {
                ticks.tick().await;
            }
        };
        tokio::select! {
            () = ended => {}
            error = key_end(&app, caller, access) => {
                if let Some(stream) = stream.upgrade() {
                    stream.end(error);
                }
                if let Some(connection) = connection {
                    tokio::time::sleep(LAST_READ).await;
                    if stream.strong_count() > 0 {
                        connection.cut_off();
                    }
                }
            }
        }
    }

    /// Drops the body and stores the error; does nothing if the stream has already ended.
    fn end(&self, error: Error) {
        let mut state = self.state();
        let body = state.body.take();
        if body.is_some() {
            state.error = Some(error);
        }
        let reader = state.reader.take();
        // Dropped outside of the lock, because the drop of the body runs foreign code.
        drop(state);
        drop(body);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll(
        &self,
        cut: fn(Error) -> Option<HeaderMap>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let mut state = self.state();
        if let Some(body) = &mut state.body {
            let frame = Pin::new(body).poll_frame(context);
            if frame.is_pending() {
                state.reader = Some(context.waker().clone());
            }
            return frame;
        }
        Poll::Ready(state.error.take().map(|error| {
            let cause = error.clone();
            // gRPC sends the error as trailers; HTTP can only abort the response.
            match cut(error) {
                Some(trailers) => Ok(Frame::trailers(trailers)),
                None => Err(axum::Error::new(cause)),
            }
        }))
    }
}

/// Waits until the key is revoked, expires or loses its scope, and returns that error.
pub(super) async fn key_end(app: &Arc<App>, caller: Arc<Caller>, access: Access) -> Error {
    loop {
        tokio::time::sleep(KEY_CHECK).await;
        if let Some(error) = app.key_end(&caller, access).await {
            return error;
        }
    }
}

/// Counts an open watch until it is dropped.
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

impl Drop for Streamed {
    fn drop(&mut self) {
        // The client did not read as far as the error. Does nothing for a call that has ended in order.
        let error = self.stream.state().error.as_ref().map(Error::kind);
        if let Some(kind) = error {
            self.span.in_scope(|| self.log.end(code::of_kind(kind)));
        }
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
            stream,
            ids,
            recorded,
            span,
            log,
            account,
            cut,
            ..
        } = &mut *self;
        let entered = span.enter();
        let poll = || paid_by_sync(account.as_ref(), || stream.poll(*cut, context));
        let poll = || traces::within_sync(recorded.as_ref(), poll);
        let frame = ready!(CURRENT.sync_scope(ids.clone(), poll));
        match &frame {
            Some(Ok(frame)) => {
                log.sent(frame.data_ref().map_or(0, Bytes::len));
                // A gRPC stream ends with trailers; an HTTP stream ends without a frame.
                let status = frame.trailers_ref().and_then(|t| t.get(GRPC_STATUS));
                if let Some(status) = status {
                    log.end(code::of_grpc(status));
                }
            }
            Some(Err(error)) => log.end(code::of_body(error)),
            // Every gRPC stream has trailers, so this one is of the gateway.
            None => log.end(Code::Ok),
        }
        drop(entered);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.stream.state();
        match &state.body {
            Some(body) => body.is_end_stream(),
            None => state.error.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.stream.state();
        let hint = state.body.as_ref().map(HttpBody::size_hint);
        hint.unwrap_or_default()
    }
}
