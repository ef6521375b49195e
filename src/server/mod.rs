//! One port for gRPC, gRPC-Web, Connect, health, reflection, the HTTP gateway and the console.
//!
//! The `content-type` selects the service: tonic for `application/grpc…`, tonic behind a translation layer for
//! `application/grpc-web…`. Of the other requests, those at the path of a gRPC service go to tonic behind `connect`,
//! and all others to the gateway. [`serve`] takes a bound listener and a future that
//! resolves when the service must stop. This module is the only one that combines tonic, axum and hyper.

mod accept;
mod addresses;
pub mod admin;
mod authority;
mod batch;
mod connect;
mod cors;
mod flood;
mod frames;
mod guard;
mod health;
mod hyper_settings;
mod idle;
mod protocol;
mod proxy;
mod socket;
mod tls;
mod vitals;

use std::{borrow::Cow, future::ready, sync::Arc, time::Duration};

use axum::{Router, body::Body, middleware};
use futures_util::future::Either;
use http::{Extensions, HeaderMap, HeaderValue, Request, StatusCode, Version, header};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};
use tonic::{codec::CompressionEncoding, service::Routes};
use tonic_health::{
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneSyncService};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, NotForContentType, Predicate, SizeAbove},
    },
    set_header::SetResponseHeaderLayer,
};

use crate::{
    app::{App, Retention, Worker},
    error::{Error, Result},
    gateway, grpc,
    grpc::{
        key_server::{self, KeyServiceServer},
        server::{OutboundTaskServiceServer, SERVICE_NAME},
    },
    pb,
    permits::FairPermits,
    request::{
        self, Budgets, Buffer, FailedKeys, Framing, Keyless, Policy, ResponseLimits, TimeoutHeader,
        Transport, key_from_headers, stream::AsIs,
    },
    telemetry::{CallTransport, Metrics},
    traces::Tracer,
};

pub use self::{
    accept::Limits,
    cors::Origins,
    tls::{ClientAuth, SPEAKS_TLS, Tls, TlsFiles},
};

use self::{accept::Service, health::HealthReport, protocol::Protocol};

/// How long the last spans of traces may take to be sent before the program ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// The settings of [`serve`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The deadline of a unary call that names none.
    pub request_timeout: Duration,
    /// The shortest timeout that a caller may set.
    pub min_request_timeout: Duration,
    /// The upper bound of the deadline of a unary call.
    pub max_request_timeout: Duration,
    /// The default and the upper bound of the deadline of a stream, counted to its last message.
    pub stream_timeout: Duration,
    /// How long a request message may take to arrive.
    pub message_timeout: Duration,
    /// The maximum number of request bytes held at a time, over all connections.
    pub request_buffer: usize,
    /// The maximum size of the file of an import, in bytes.
    pub max_import_bytes: usize,
    /// The maximum number of open health and reflection calls, which need no key; a further one ends the oldest.
    pub max_keyless: usize,
    /// The maximum number of calls in progress; a further one gets UNAVAILABLE with a retry delay.
    pub max_in_flight: usize,
    /// The maximum number of open watches; a further one gets UNAVAILABLE with a retry delay.
    pub max_watches: usize,
    /// The approximate number of bytes of changes that are buffered for slow watches.
    pub watch_buffer: usize,
    /// The maximum number of response bytes that wait for clients.
    pub responses: ResponseLimits,
    /// The web origins that may call the service.
    pub origins: Origins,
    /// The time zone of bare dates in requests that name none.
    pub time_zone: chrono_tz::Tz,
    /// The limits of connections.
    pub limits: Limits,
    /// With `None`, callers use plain HTTP.
    pub tls: Option<Arc<Tls>>,
    /// Records calls; `None` without a collector of traces.
    pub tracer: Option<Tracer>,
    /// Whether this process starts and ends tasks at their scheduled times.
    pub scheduler: bool,
    /// How long events, targets and idempotency keys are retained.
    pub retention: Retention,
    /// How long to continue serving after the stop signal, so that load balancers notice NOT_SERVING.
    pub shutdown_delay: Duration,
    /// How long calls may take to end once the listener is closed.
    pub drain_timeout: Duration,
}

/// Serves `app` on `listener` until `shutdown` resolves, then stops gracefully within a bounded time: health reports
/// NOT_SERVING, the listener closes, calls end within the drain time, and the remaining ones are cut off.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    metrics: Arc<Metrics>,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    app.log_outages();
    let reporter = HealthReporter::new();
    let report = HealthReport::new(reporter.clone());
    // Dropping the set aborts its tasks.
    // The workers start before the port is served, since calls depend on their state.
    let mut workers = JoinSet::new();
    let feed = start_workers(&mut workers, &app, &options, &report);
    let service = service(app, Arc::clone(&metrics), &options, &reporter)?;
    let lame_duck = async {
        shutdown.await;
        tracing::info!("stopping");
        report.stop().await;
        tokio::time::sleep(options.shutdown_delay).await;
        // Ends the open watches, of tasks and of health. They would otherwise last until the end of the drain time.
        feed.abort();
        let mut reporter = reporter.clone();
        for service in ["", SERVICE_NAME, key_server::SERVICE_NAME] {
            reporter.clear_service_status(service).await;
        }
    };
    accept::run(
        (listener, options.tls),
        service,
        &options.limits,
        options.responses.connection,
        &metrics,
        lame_duck,
        options.drain_timeout,
    )
    .await;
    if let Some(tracer) = options.tracer {
        tracer.flush(FLUSH_TIMEOUT).await;
    }
    Ok(())
}

/// Starts the supervised background workers. The returned handle aborts the feed, and with it all watches.
fn start_workers(
    workers: &mut JoinSet<()>,
    app: &Arc<App>,
    options: &Options,
    report: &HealthReport,
) -> AbortHandle {
    let app = || Arc::clone(app);
    let (report, retention) = (report.clone(), options.retention);
    workers.spawn(app().supervise(Worker::Health, App::run_health));
    workers.spawn(app().supervise(Worker::HealthReport, move |app| report.clone().run(app)));
    workers.spawn(app().supervise(Worker::Clock, App::run_clock));
    workers.spawn(app().supervise(Worker::Counts, App::run_counts));
    workers.spawn(app().supervise(Worker::Progress, App::run_progress));
    workers.spawn(app().supervise(Worker::Retention, move |app| app.run_retention(retention)));
    if options.scheduler {
        workers.spawn(app().supervise(Worker::Schedule, App::run_schedule));
    }
    let buffer = options.watch_buffer;
    workers.spawn(app().supervise(Worker::Feed, move |app| app.run_feed(buffer)))
}

/// Builds the HTTP service of the port from both transports.
fn service(
    app: Arc<App>,
    metrics: Arc<Metrics>,
    options: &Options,
    reporter: &HealthReporter,
) -> Result<Service> {
    let policy = Policy {
        app: Arc::clone(&app),
        timeout: options.request_timeout,
        least_timeout: options.min_request_timeout,
        most_timeout: options.max_request_timeout,
        stream_timeout: options.stream_timeout,
        message_timeout: options.message_timeout,
        keyless: Keyless::new(options.max_keyless),
        buffer: Buffer::new(options.request_buffer),
        readers: request::readers(),
        permits: FairPermits::new(options.max_in_flight),
        watches: FairPermits::new(options.max_watches),
        answers: Arc::new(Budgets::new(options.responses)),
        failed_keys: Arc::new(FailedKeys::new(options.limits.addresses.failed_keys)),
        proxies: options.limits.addresses.proxies.clone(),
        metrics,
        tracer: options.tracer.clone(),
        transport: gateway::TRANSPORT,
    };
    let gateway = gateway::routes(Arc::clone(&app), options.time_zone)
        .layer(middleware::from_fn_with_state(
            policy.clone(),
            request::handle,
        ))
        .layer(compression().compress_when(is_compressible()))
        .layer(no_sniffing());
    let policy = Policy {
        transport: Transport {
            name: CallTransport::Grpc,
            is_grpc: true,
            framing: Framing::Prefixed,
            timeout: TimeoutHeader::Grpc,
            key: |headers, _| key_from_headers(headers).map(Cow::Borrowed),
            render: |error, _| tonic::Status::from(error).into_http(),
            cut: grpc::status::trailers,
        },
        ..policy
    };
    let max_import_bytes = options.max_import_bytes;
    let rpcs = grpc_routes(app, max_import_bytes, reporter)?;
    let grpc_web = rpcs.clone();
    let connect = connect::routes(rpcs.clone(), &policy)
        .layer(compression().compress_when(is_compressible()))
        .layer(no_sniffing());
    let grpc = rpcs.layer(middleware::from_fn_with_state(
        policy.clone(),
        request::handle,
    ));
    let policy = Policy {
        transport: Transport {
            name: CallTransport::GrpcWeb,
            ..policy.transport
        },
        ..policy
    };
    // Browsers negotiate compression with `accept-encoding`, gRPC clients with `grpc-accept-encoding`.
    // gRPC clients compress single messages; a browser's client cannot, so its whole response is
    // compressed.
    let grpc_web = grpc_web
        .layer(middleware::from_fn_with_state(policy, request::handle))
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(compression().compress_when(SizeAbove::default().and(is_unmarked)));
    let service = service_fn(move |mut request: Request<Body>| {
        request::decode_path(request.uri_mut());
        request::accept_identity(request.headers_mut());
        let router = match protocol::of(&mut request) {
            Ok(Protocol::Grpc) => &grpc,
            Ok(Protocol::GrpcWeb) => &grpc_web,
            Ok(Protocol::Connect) => &connect,
            Ok(Protocol::Http) => &gateway,
            Err(refusal) => return Either::Left(ready(Ok(refusal.into_response()))),
        };
        Either::Right(router.clone().oneshot(request))
    });
    // CORS preflights and requests of no protocol are answered before `request::handle`; they get their id here.
    Ok(match cors::layer(&options.origins) {
        Some(cors) => BoxCloneSyncService::new(cors.layer(service).map_response(request::with_id)),
        None => BoxCloneSyncService::new(service.map_response(request::with_id)),
    })
}

/// Enables gzip and zstd in both directions. A macro because the generated servers share these methods but no trait.
macro_rules! compressed {
    ($server:expr) => {
        $server
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Zstd)
    };
}

/// For reflection, which needs no key: a small message limit, and answers that are not compressed, which would take
/// milliseconds.
macro_rules! reflecting {
    ($server:expr) => {
        $server
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(request::MAX_KEYLESS_BYTES)
    };
}

fn grpc_routes(
    app: Arc<App>,
    max_import_bytes: usize,
    reporter: &HealthReporter,
) -> Result<Router> {
    let keys = KeyServiceServer::new(grpc::KeyApi(Arc::clone(&app)))
        .max_decoding_message_size(request::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(request::MAX_ANSWER_BYTES);
    let tasks = OutboundTaskServiceServer::new(grpc::OutboundTaskApi {
        app,
        max_import_bytes,
    })
    .max_decoding_message_size(request::MAX_MESSAGE_BYTES)
    .max_encoding_message_size(request::MAX_ANSWER_BYTES);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
    Ok(Routes::new(compressed!(tasks))
        .add_service(compressed!(keys))
        .add_service(compressed!(health).max_decoding_message_size(request::MAX_KEYLESS_BYTES))
        .add_service(reflecting!(
            reflection().build_v1().map_err(Error::internal)?
        ))
        .add_service(reflecting!(
            reflection().build_v1alpha().map_err(Error::internal)?
        ))
        .prepare()
        .into_axum_router())
}

/// Compresses whole responses, at the fastest level: the time is that of the threads that serve everybody.
fn compression() -> CompressionLayer {
    CompressionLayer::new().quality(CompressionLevel::Fastest)
}

/// What responses of the gateway are compressed: not workbooks, which are compressed already.
fn is_compressible() -> impl Predicate {
    let workbook = NotForContentType::const_new(gateway::WORKBOOK);
    DefaultPredicate::new().and(workbook).and(is_unmarked)
}

/// False for a response with the mark [`AsIs`].
fn is_unmarked(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<AsIs>().is_none()
}

/// Sets `nosniff`: a browser that guesses a type could execute a script in a task's name.
fn no_sniffing() -> SetResponseHeaderLayer<HeaderValue> {
    let value = HeaderValue::from_static("nosniff");
    SetResponseHeaderLayer::overriding(header::X_CONTENT_TYPE_OPTIONS, value)
}
