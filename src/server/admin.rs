//! The operator's port: `/metrics`, `/livez`, `/readyz` and `/log-level` over HTTP, with or without TLS. Bind it to loopback or a private network.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    routing::get,
    serve::Listener,
};
use http::{Request, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Notify, watch},
    task::JoinSet,
    time::timeout,
};
use tower::ServiceExt as _;

use super::{
    tls::{Tls, TlsListener},
    vitals,
};
use crate::{
    app::{App, Health, Worker},
    request::decode_path,
    telemetry::{self, Metrics},
};

/// The largest filter of log lines, in bytes.
const MAX_FILTER_BYTES: usize = 4_096;

/// How long clients of the operator's port may take.
#[derive(Debug, Clone, Copy)]
pub struct AdminTimeouts {
    /// To send the headers of the first request.
    pub header: Duration,
    /// From a response to the complete headers of the next request.
    pub idle: Duration,
}

#[derive(Clone)]
struct Admin {
    app: Arc<App>,
    metrics: Arc<Metrics>,
    health: watch::Receiver<Health>,
    stopping: watch::Receiver<bool>,
    /// How long a request body may take to arrive.
    body_timeout: Duration,
}

/// Serves the operator's port until the future is dropped, over plain HTTP if `tls` is `None`. `stopping` is true once the
/// service has begun to stop.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
    tls: Option<Arc<Tls>>,
    timeouts: AdminTimeouts,
) {
    let health = app.health();
    let router = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        // PUT and not POST: a web page of another origin cannot send it.
        .route("/log-level", get(log_level).put(change_log_level))
        .layer(super::no_sniffing())
        .with_state(Admin {
            app,
            metrics,
            health,
            stopping,
            body_timeout: timeouts.header,
        });
    match tls {
        Some(tls) => accept(TlsListener::new(listener, tls), router, timeouts).await,
        None => accept(listener, router, timeouts).await,
    }
}

/// Serves the connections of a listener. Dropping the future ends them.
async fn accept(mut listener: impl Listener, router: Router, timeouts: AdminTimeouts) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await;
        // Ended connections would otherwise stay in the set.
        while connections.try_join_next().is_some() {}
        connections.spawn(connection(stream, router.clone(), timeouts));
    }
}

/// Serves one connection to its end, or until its client takes too long. axum's own accept loop has no time limits.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    router: Router,
    timeouts: AdminTimeouts,
) {
    let asked = Arc::new(Notify::new());
    let first = Arc::clone(&asked);
    let service = router.map_request(move |request: Request<Incoming>| {
        first.notify_one();
        let mut request = request.map(Body::new);
        // Before the router, which would not find an encoded path.
        decode_path(request.uri_mut());
        request
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The first headers are limited below; this timeout must not be shorter.
        .header_read_timeout(timeouts.idle.max(timeouts.header));
    // A client that is gone does not answer pings.
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(timeouts.idle)
        .keep_alive_timeout(timeouts.header);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let late = async {
        if timeout(timeouts.header, asked.notified()).await.is_ok() {
            std::future::pending().await
        }
    };
    tokio::select! {
        ended = served => {
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection of the operator's port ended in error");
            }
        }
        () = late => {}
    }
}

/// `/readyz`: 200 while the service can answer calls, possibly with limits, else 503; the body says why.
async fn ready(State(admin): State<Admin>) -> (StatusCode, String) {
    match &*admin.health.borrow() {
        // First of all, so that load balancers take a stopping server out whatever its state.
        _ if *admin.stopping.borrow() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: stopping\n".to_owned(),
        ),
        Health::Serving => workers_ready(&admin.app, None),
        Health::Limited(why) => workers_ready(&admin.app, Some(why)),
        Health::NotServing(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        ),
    }
}

/// The readiness of a service whose database is reachable: 503 if an essential worker is down, else 200.
fn workers_ready(app: &App, limit: Option<&str>) -> (StatusCode, String) {
    let workers = app.workers();
    let workers = workers.borrow();
    let down: Vec<Worker> = workers
        .iter()
        .filter(|(_, status)| !status.is_up)
        .map(|(worker, _)| *worker)
        .collect();
    let names: Vec<&str> = down.iter().map(|worker| worker.name()).collect();
    let names = names.join(", ");
    let what = format!("background workers that ended and are being started again: {names}");
    // The others are named, but a restart of the service would not help, so it stays ready.
    if down.iter().any(|worker| worker.is_essential()) {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {what}\n"),
        );
    }
    let limits: Vec<&str> = limit
        .into_iter()
        .chain((!down.is_empty()).then_some(&*what))
        .collect();
    let text = match limits.is_empty() {
        true => "ready\n".to_owned(),
        false => format!("ready, with limits: {}\n", limits.join("; ")),
    };
    (StatusCode::OK, text)
}

/// `GET /log-level`: the filter of log lines.
async fn log_level() -> String {
    format!("{}\n", telemetry::log_filter().unwrap_or_default())
}

/// `PUT /log-level`: the body is the new filter of log lines. 400 and the reason if it is none; then the old one stays.
async fn change_log_level(State(admin): State<Admin>, body: Body) -> (StatusCode, String) {
    let refused = |why: String| (StatusCode::BAD_REQUEST, format!("{why}\n"));
    let body = timeout(admin.body_timeout, to_bytes(body, MAX_FILTER_BYTES)).await;
    let Ok(Ok(body)) = body else {
        return refused(format!(
            "the body must be a filter of at most {MAX_FILTER_BYTES} bytes"
        ));
    };
    let Ok(filter) = std::str::from_utf8(&body) else {
        return refused("the body must be a filter in UTF-8".to_owned());
    };
    let old = telemetry::log_filter().unwrap_or_default();
    match telemetry::change_log_filter(filter) {
        Ok(()) => {
            tracing::warn!(old, new = filter.trim(), "the log filter was changed");
            (StatusCode::OK, format!("{}\n", filter.trim()))
        }
        Err(why) => refused(why),
    }
}

/// `/metrics` in the OpenMetrics text format.
async fn metrics_text(
    State(admin): State<Admin>,
) -> Result<([(header::HeaderName, &'static str); 1], String), StatusCode> {
    let text = admin.metrics.render(vitals::read(&admin.app));
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    text.map(|text| ([(header::CONTENT_TYPE, open_metrics)], text))
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
