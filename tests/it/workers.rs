//! Background workers: a worker that panics is started again, and is reported while it is down.

use std::sync::Arc;

use http::Method;
use outbound_tasks::{
    app::Worker,
    pb::TaskStatus,
    server::{Options, admin},
    telemetry::Metrics,
};
use strum::VariantArray;
use tokio::{net::TcpListener, sync::watch};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    PATIENCE,
    client::{Client, START, at, new_task},
    eventually,
    http::Http,
    server::{Server, options},
    watch::Picture,
};

/// A service and the address of its operator's port.
struct Watched {
    server: Server,
    admin: Http,
    _is_running: watch::Sender<bool>,
}

impl Watched {
    async fn start() -> Self {
        let options = Options {
            scheduler: true,
            ..options()
        };
        let server = Server::start_with(options).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = Http::new(listener.local_addr().unwrap(), "");
        let (_is_running, stopping) = watch::channel(false);
        let (app, metrics) = (Arc::clone(&server.app), Arc::new(Metrics::default()));
        let timeouts = admin::AdminTimeouts {
            header: PATIENCE,
            idle: PATIENCE,
        };
        tokio::spawn(admin::serve(
            listener, app, metrics, stopping, None, timeouts,
        ));
        Self {
            server,
            admin,
            _is_running,
        }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.admin.send(Method::GET, path, &[], Vec::new()).await;
        (
            answer.status.as_u16(),
            String::from_utf8(answer.body).unwrap(),
        )
    }

    async fn eventually_ready(&self) {
        let is_ready = async || self.get("/readyz").await == (200, "ready\n".to_owned());
        eventually("all workers are up", PATIENCE, is_ready).await;
    }

    async fn health(&self) -> ServingStatus {
        let mut health = HealthClient::new(self.server.channel().await);
        let answer = health.check(HealthCheckRequest::default()).await.unwrap();
        answer.into_inner().status()
    }

    /// Makes workers panic until `/readyz` reports it. Returns the text.
    async fn kill(&self, workers: &[Worker]) -> (u16, String) {
        let reported = std::sync::Mutex::new(None);
        let is_reported = async || {
            for worker in workers {
                self.server.app.worker_kill(*worker);
            }
            let answer = self.get("/readyz").await;
            let is_reported = workers.iter().all(|w| answer.1.contains(w.name()));
            *reported.lock().unwrap() = Some(answer);
            is_reported
        };
        eventually("the workers are reported as down", PATIENCE, is_reported).await;
        reported.into_inner().unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_worker_that_panics_is_reported_and_started_again() {
    let watched = Watched::start().await;
    watched.eventually_ready().await;
    let client = Client::new(&watched.server).await;
    let (essential, other): (Vec<Worker>, Vec<Worker>) =
        Worker::VARIANTS.iter().partition(|w| w.is_essential());
    // Callers get their answers without these workers.
    let (code, text) = watched.kill(&other).await;
    assert_eq!(code, 200, "{text}");
    assert!(text.starts_with("ready, with limits: "), "{text}");
    assert_eq!(watched.health().await, ServingStatus::Serving);
    watched.eventually_ready().await;
    for worker in essential {
        let (code, text) = watched.kill(&[worker]).await;
        assert_eq!(code, 503, "{text}");
        let wanted = "not ready: background workers that ended and are being started again: ";
        assert_eq!(text, format!("{wanted}{}\n", worker.name()));
        watched.eventually_ready().await;
        let serves = async || watched.health().await == ServingStatus::Serving;
        eventually("health says SERVING", PATIENCE, serves).await;
    }
    let (_, metrics) = watched.get("/metrics").await;
    for worker in Worker::VARIANTS {
        let name = worker.name();
        let up = format!("\noutbound_tasks_worker_up{{worker=\"{name}\"}} 1\n");
        assert!(metrics.contains(&up), "{metrics}");
        let restarts = format!("\noutbound_tasks_worker_restarts_total{{worker=\"{name}\"}} ");
        let (_, count) = metrics.split_once(&restarts).unwrap();
        let count: u64 = count.lines().next().unwrap().parse().unwrap();
        assert!(count > 0, "{metrics}");
    }
    let skew = metrics
        .split_once("\noutbound_tasks_clock_skew_seconds ")
        .unwrap()
        .1;
    let skew: f64 = skew.lines().next().unwrap().parse().unwrap();
    assert!(skew.abs() < 2.0, "{skew}");
    // The workers run again.
    let due = outbound_tasks::pb::NewOutboundTask {
        start_time: at(1),
        end_time: at(START),
        ..new_task("due", &[])
    };
    client.create(due).await;
    let started = async || client.get("due").await.unwrap().status() == TaskStatus::Running;
    eventually("the task is started", PATIENCE, started).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_can_be_resumed_after_the_feed_panicked() {
    let watched = Watched::start().await;
    watched.eventually_ready().await;
    let client = Client::new(&watched.server).await;
    client.create(new_task("a", &[])).await;
    let mut picture = Picture::default();
    let mut open = picture.begin(&watched.server).await;
    let is_live = |p: &Picture| p.tasks.contains_key("a") && !p.resume_token.is_empty();
    picture.follow(&mut open, is_live).await;
    let not_serving = async || {
        watched.server.app.worker_kill(Worker::Feed);
        watched.health().await == ServingStatus::NotServing
    };
    eventually("health says NOT_SERVING", PATIENCE, not_serving).await;
    let ended = loop {
        match open.next().await {
            Ok(message) => picture.apply(message.expect("an error ends the watch")),
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
    assert!(ended.message().contains("resume_token"), "{ended:?}");
    client.create(new_task("b", &[])).await;
    watched.eventually_ready().await;
    let mut resumed = picture.begin(&watched.server).await;
    picture
        .follow(&mut resumed, |p| p.tasks.contains_key("b"))
        .await;
    assert_eq!(picture.anew, 0);
}
