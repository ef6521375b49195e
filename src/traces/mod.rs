//! Traces of calls, which a collector receives by OTLP (the OpenTelemetry Protocol).
//!
//! A [`Tracer`] begins a [`Call`] for each call of a client. If the request names a trace ([`Remote`]), the call belongs to
//! it. The sampler decides whether the call is recorded. The future of a recorded call runs [`within`] it, so that what the
//! call waits for finds it by [`current`] and starts a [`Span`] below it: no parameter goes through the layers. Work on
//! another task, or for several calls, takes the call along with [`carried`]. A call that is not recorded has the id of its
//! trace and nothing else.
//!
//! A span that ends waits in a bounded queue (`queue`). One task sends the queue to the collector (`otlp`); no call
//! waits for it.

mod failure;
mod options;
mod otlp;
mod post;
mod queue;
mod remote;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use opentelemetry::{
    Context, KeyValue, Value,
    trace::{
        Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer as _, TracerProvider,
    },
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span as SdkSpan};

pub use opentelemetry::trace::TraceId;

pub use self::{
    options::{BatchLimits, Collector, Options, Protocol, Sampler},
    queue::{Count, Outcome},
    remote::Remote,
};

use self::queue::Queue;

/// The name of the code that makes the spans.
const SCOPE: &str = "outbound-tasks";

tokio::task_local! {
    /// The recorded call that the current future belongs to.
    static CURRENT: Arc<Recorded>;
}

/// Begins the spans of calls. Clones belong to the same queue.
#[derive(Clone)]
pub struct Tracer {
    tracer: SdkTracer,
    /// Ends the queue when the last tracer is dropped.
    queue: Queue,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracer")
    }
}

impl Tracer {
    /// Starts the task that sends spans; to be called within tokio. `count` learns what became of them. Returns an error as
    /// a sentence if the collector's certificate cannot be used.
    pub fn start(options: Options, count: Count) -> Result<Self, String> {
        let resource = options.resource();
        let exporter = otlp::Exporter::new(options.collector, &resource)?;
        let queue = Queue::start(exporter, options.batches, count);
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(options.sampler.0)
            .with_span_processor(queue.clone())
            .build();
        Ok(Self {
            tracer: provider.tracer(SCOPE),
            queue,
        })
    }

    /// Begins a call, which belongs to the trace of `remote` if there is one.
    pub fn call(&self, remote: Option<&Remote>) -> Call {
        let parent = match remote {
            Some(remote) => Context::new().with_remote_span_context(remote.0.clone()),
            None => Context::new(),
        };
        // The name and the attributes are added once it is known that somebody reads them.
        let builder = SpanBuilder::from_name("").with_kind(SpanKind::Server);
        let span = self.tracer.build_with_context(builder, &parent);
        let trace = span.span_context().trace_id();
        let recorded = span.is_recording().then(|| {
            Arc::new(Recorded {
                context: Context::new().with_span(span),
                tracer: self.tracer.clone(),
            })
        });
        Call { trace, recorded }
    }

    /// Sends the spans that wait, for at most `limit`.
    pub async fn flush(&self, limit: Duration) {
        self.queue.flush(limit).await;
    }
}

/// A call of a client.
#[derive(Debug, Clone)]
pub struct Call {
    trace: TraceId,
    recorded: Option<Arc<Recorded>>,
}

/// The span of a call, and what makes spans below it.
#[derive(Debug)]
pub struct Recorded {
    context: Context,
    tracer: SdkTracer,
}

impl Call {
    /// The trace that the call belongs to.
    pub fn trace(&self) -> TraceId {
        self.trace
    }

    /// The call, if it is recorded.
    pub fn recorded(&self) -> Option<&Arc<Recorded>> {
        self.recorded.as_ref()
    }
}

impl Recorded {
    /// Names the span of the call.
    pub fn rename(&self, name: String) {
        self.context.span().update_name(name);
    }

    /// Adds a fact to the span of the call.
    pub fn set(&self, key: &'static str, value: impl Into<Value>) {
        self.context
            .span()
            .set_attribute(KeyValue::new(key, value.into()));
    }

    /// Records that the service failed, with the name of the error.
    pub fn fail(&self, error: &'static str) {
        self.set("error.type", error);
        self.context.span().set_status(Status::error(error));
    }

    /// Ends the span of the call.
    pub fn end(&self) {
        self.context.span().end();
    }

    /// Starts a span of work within the service, below the call.
    pub fn span(&self, name: &'static str) -> Span {
        self.start(name.into(), SpanKind::Internal)
    }

    /// Starts a span of a request to another program, below the call.
    pub fn request(&self, name: impl Into<Cow<'static, str>>) -> Span {
        self.start(name.into(), SpanKind::Client)
    }

    fn start(&self, name: Cow<'static, str>, kind: SpanKind) -> Span {
        let builder = SpanBuilder::from_name(name).with_kind(kind);
        Span(self.tracer.build_with_context(builder, &self.context))
    }
}

/// A span below that of a call. It ends when it is dropped.
#[derive(Debug)]
pub struct Span(SdkSpan);

impl Span {
    /// Adds a fact.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.set_attribute(KeyValue::new(key, value.into()));
    }

    /// Records that the work failed, with the name of the error.
    pub fn fail(&mut self, error: impl Into<Cow<'static, str>>) {
        let error = error.into();
        self.set("error.type", error.clone());
        self.0.set_status(Status::error(error));
    }
}

/// The recorded call that the current future belongs to, if there is one.
pub fn current() -> Option<Arc<Recorded>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Starts a span of work within the service, below the current call if that is recorded.
pub fn span(name: &'static str) -> Option<Span> {
    CURRENT.try_with(|call| call.span(name)).ok()
}

/// Runs a future as a part of `call`, if that is recorded.
pub async fn within<F: Future>(call: Option<Arc<Recorded>>, future: F) -> F::Output {
    match call {
        Some(call) => CURRENT.scope(call, future).await,
        None => future.await,
    }
}

/// Calls a function as a part of `call`, if that is recorded.
pub fn within_sync<T>(call: Option<&Arc<Recorded>>, work: impl FnOnce() -> T) -> T {
    match call {
        Some(call) => CURRENT.sync_scope(Arc::clone(call), work),
        None => work(),
    }
}

/// Makes a future a part of the call that is current when this is called, wherever the future runs.
pub fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    within(current(), future)
}
