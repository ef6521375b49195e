//! The operator's port: `/metrics`, `/livez`, `/readyz`. Plain HTTP, for loopback or a private network.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use http::{StatusCode, header};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    app::{App, health::Health},
    telemetry::Metrics,
};

#[derive(Clone)]
struct Admin {
    app: Arc<App>,
    metrics: Arc<Metrics>,
    health: watch::Receiver<Health>,
    stopping: watch::Receiver<bool>,
}

/// Serves the operator's port until the future is dropped; `stopping` says that the service has been asked to end.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let health = Arc::clone(&app).watch_health();
    let router = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .layer(super::no_sniffing())
        .with_state(Admin {
            app,
            metrics,
            health,
            stopping,
        });
    axum::serve(listener, router).await
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, String) {
    match &*admin.health.borrow() {
        _ if *admin.stopping.borrow() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: stopping\n".to_owned(),
        ),
        Health::Serving => (StatusCode::OK, "ready\n".to_owned()),
        Health::Limited(why) => (StatusCode::OK, format!("ready, with limits: {why}\n")),
        Health::NotServing(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n"),
        ),
    }
}

async fn metrics_text(
    State(admin): State<Admin>,
) -> Result<([(header::HeaderName, &'static str); 1], String), StatusCode> {
    let text = admin.metrics.render(admin.app.db().pool_status());
    let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    text.map(|text| ([(header::CONTENT_TYPE, open_metrics)], text))
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
