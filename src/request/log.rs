//! The log line and the metrics of each call.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request},
    response::Response,
};
use http::StatusCode;

use super::{
    Connection, code,
    route::{Lasting, Route},
    trace::CallTrace,
};
use crate::{
    app::Caller,
    telemetry::{CallTransport, Code, Metrics, RouteCalls},
    traces::Tracer,
};

/// The codes of refused calls.
const REFUSALS: [Code; 2] = [Code::Unavailable, Code::ResourceExhausted];
/// The minimum time between two log lines about refused calls. Under overload, a line for each would cost more than the
/// refusal.
const REFUSALS_STEP: Duration = Duration::from_secs(60);

/// When refused calls were last logged, and how many there were in all by then.
static REFUSALS_LOGGED: Mutex<Option<(Instant, u64)>> = Mutex::new(None);

/// Writes the line of a call; a level must be known when the program is compiled. The query string is left out because it
/// may hold a key.
macro_rules! line {
    ($level:ident, $log:expr, $code:expr, $elapsed:expr) => {{
        let caller = $log.source.caller.as_deref();
        tracing::$level!(
            path = $log.calls.path(),
            code = $code.name(),
            tenant.id = caller.map(|caller| caller.tenant.as_str()),
            key.id = caller.map(|caller| caller.key_id.as_str()),
            peer = $log.source.peer.map(tracing::field::display),
            subject = $log.subject.as_deref(),
            trace.id = $log.trace.id.map(tracing::field::display),
            elapsed_us = $elapsed.as_micros() as u64,
            "call"
        );
    }};
}

/// Logs and counts one call exactly once, even if its caller disconnects before the response.
pub(super) struct CallLog {
    /// The numbers of its path, which is `other` if it is not a known one: an unknown path may hold a key, and would make
    /// unbounded labels.
    calls: Arc<RouteCalls>,
    is_stream: bool,
    /// Whether it is a health probe, which comes every few seconds and is logged at level debug.
    is_probe: bool,
    pub(super) trace: CallTrace,
    transport: CallTransport,
    /// The status of the response; `None` until there is one.
    pub(super) status: Option<StatusCode>,
    pub(super) source: Source,
    /// The subject of the client's certificate; `None` without one.
    subject: Option<Arc<str>>,
    started: Instant,
    metrics: Arc<Metrics>,
    finished: bool,
}

/// Where a call comes from.
#[derive(Debug)]
pub(super) struct Source {
    /// The address of the client; `None` if the request did not arrive over a connection.
    pub(super) peer: Option<IpAddr>,
    /// Whether too many calls without a valid key came from that address, and the key of this one is not checked yet. Such
    /// a call has no line of its own if it ends before, because its refusal would have none either.
    pub(super) is_suspect: bool,
    /// Whose key it has; `None` until that is known.
    pub(super) caller: Option<Arc<Caller>>,
}

impl CallLog {
    pub(super) fn new(
        request: &Request,
        route: &Route,
        peer: Option<IpAddr>,
        transport: CallTransport,
        metrics: Arc<Metrics>,
        tracer: Option<&Tracer>,
    ) -> Self {
        let matched = request.extensions().get().map(MatchedPath::as_str);
        let connection = request.extensions().get::<Arc<Connection>>();
        let path = match (&route.name, matched) {
            (Some(name), _) => Some(name.as_str()),
            (None, Some(matched)) if !matched.contains('*') => Some(matched),
            _ => None,
        };
        let calls = metrics.calls(path.unwrap_or("other"), transport);
        calls.begin();
        Self {
            calls,
            is_stream: route.lasting != Lasting::Unary,
            is_probe: route.is_probe,
            trace: CallTrace::begin(tracer, (request, route), path, transport, peer),
            transport,
            status: None,
            source: Source {
                peer,
                is_suspect: false,
                caller: None,
            },
            subject: connection.and_then(|connection| connection.subject()),
            started: Instant::now(),
            metrics,
            finished: false,
        }
    }

    /// Records the end of a unary call by its response.
    pub(super) fn finish(&mut self, response: &Response) {
        self.end(code::of_response(response));
    }

    /// Counts bytes of a streamed answer.
    pub(super) fn sent(&self, bytes: usize) {
        self.calls.sent(bytes);
    }

    /// Records the end of the call; later calls do nothing.
    pub(super) fn end(&mut self, code: Code) {
        if !std::mem::replace(&mut self.finished, true) {
            self.write(code);
        }
    }

    fn write(&mut self, code: Code) {
        let elapsed = self.started.elapsed();
        self.calls.end(code, elapsed, self.is_stream);
        let caller = self.source.caller.as_deref();
        (self.trace).end(self.transport, code, self.status, caller);
        if REFUSALS.contains(&code) {
            self.note_refusal(code);
            return;
        }
        if self.source.is_suspect {
            return;
        }
        match self.is_probe {
            true => line!(debug, self, code, elapsed),
            false => line!(info, self, code, elapsed),
        }
    }
}

impl CallLog {
    /// Counts a refused call, and logs at most once per [`REFUSALS_STEP`] how many there were.
    fn note_refusal(&self, code: Code) {
        let total = self.metrics.refused().inc() + 1;
        let mut logged = REFUSALS_LOGGED
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = match *logged {
            Some((at, _)) if at.elapsed() < REFUSALS_STEP => return,
            Some((_, before)) => before,
            None => 0,
        };
        *logged = Some((Instant::now(), total));
        drop(logged);
        tracing::warn!(
            path = self.calls.path(),
            code = code.name(),
            refused = total.saturating_sub(before),
            "calls are refused; the metrics refused and calls count them, and the log repeats this at most once a minute"
        );
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        // Does nothing for a call that has ended in order.
        self.end(Code::Cancelled);
    }
}
