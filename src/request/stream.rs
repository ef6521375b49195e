//! Calls whose answer is a stream: their deadline reaches to its end, and so do their permit and their line in the log.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes, HttpBody};
use http::HeaderMap;
use hyper::body::{Frame, SizeHint};

use super::{connection::UnderWay, id::CURRENT, log::CallLog, wire::GRPC_STATUS};
use crate::{
    app::{Access, App, Caller},
    error::{Error, ErrorKind},
    telemetry::Metrics,
};

/// How often a call under way looks whether its key is good still. Its record may be a second old: both together are
/// below the 2 s within which a revocation must be in force.
const KEY_CHECK: Duration = Duration::from_millis(500);

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
    pub(super) stream: Arc<Stream>,
    pub(super) id: Arc<str>,
    pub(super) span: tracing::Span,
    pub(super) log: CallLog,
    pub(super) _under_way: Option<UnderWay>,
    /// What ends the stream in the transport's form.
    pub(super) cut: fn(Error) -> Option<HeaderMap>,
    /// Of a watch.
    pub(super) _open: Option<Open>,
}

/// A stream that may be ended from elsewhere, whether its reader reads or not.
pub(super) struct Stream(Mutex<State>);

struct State {
    /// `None` once the stream has ended.
    body: Option<Body>,
    /// Why it was ended, until the reader is told.
    error: Option<Error>,
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

    /// Ends it with its caller's key: drops all that is behind it, and tells the reader why once it reads on.
    pub(super) async fn end_with_key(
        stream: Weak<Self>,
        app: Arc<App>,
        caller: Caller,
        access: Access,
    ) {
        let ended = async {
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
            }
        }
    }

    fn end(&self, error: Error) {
        let mut state = self.state();
        let body = state.body.take();
        if body.is_some() {
            state.error = Some(error);
        }
        let reader = state.reader.take();
        // Not under the lock: what is dropped here may do anything.
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
            let why = error.message().to_owned();
            // gRPC has an end that says why; all that HTTP has is to break off.
            match cut(error) {
                Some(trailers) => Ok(Frame::trailers(trailers)),
                None => Err(axum::Error::new(why)),
            }
        }))
    }
}

/// Ends once a caller's key is no longer good, with the error that says so. That the database cannot be asked is none.
pub(super) async fn key_end(app: &Arc<App>, caller: Caller, access: Access) -> Error {
    loop {
        tokio::time::sleep(KEY_CHECK).await;
        match app.still_allowed(&caller, access).await {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Unauthenticated | ErrorKind::PermissionDenied
                ) =>
            {
                return error;
            }
            _ => {}
        }
    }
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
            stream,
            id,
            span,
            log,
            cut,
            ..
        } = &mut *self;
        let entered = span.enter();
        let poll = || stream.poll(*cut, context);
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
