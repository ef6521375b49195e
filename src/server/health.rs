//! What the gRPC health service reports: the state of the database and of the workers.

use std::sync::Arc;

use tokio::sync::Mutex;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    app::{App, Health},
    grpc::{key_server, server::SERVICE_NAME},
};

/// The state behind the gRPC health service.
#[derive(Clone)]
pub(super) struct HealthReport {
    reporter: HealthReporter,
    /// Locked while a status is set, so that no worker overwrites NOT_SERVING after the stop has begun.
    is_stopping: Arc<Mutex<bool>>,
}

impl HealthReport {
    pub(super) fn new(reporter: HealthReporter) -> Self {
        Self {
            reporter,
            is_stopping: Arc::default(),
        }
    }

    /// Copies the state of the database and the workers to the health service, until the process stops.
    pub(super) async fn run(self, app: Arc<App>) {
        let (mut health, mut workers) = (app.health(), app.workers());
        let mut reported = None;
        loop {
            let is_serving = match &*health.borrow_and_update() {
                // With a limit, reads still work; each affected call gets its own error.
                Health::Serving | Health::Limited(_) => true,
                Health::NotServing(_) => false,
            };
            let is_up = workers
                .borrow_and_update()
                .iter()
                .all(|(worker, status)| status.is_up || !worker.is_essential());
            let is_stopping = self.is_stopping.lock().await;
            let status = match is_serving && is_up {
                true => ServingStatus::Serving,
                false => ServingStatus::NotServing,
            };
            // Watchers of health get a message only when the status changes, not for each new reason.
            if !*is_stopping && reported.replace(status) != Some(status) {
                self.set(status).await;
            }
            drop(is_stopping);
            // `app` holds both senders, so this ends only with the process.
            tokio::select! {
                Ok(()) = health.changed() => {}
                Ok(()) = workers.changed() => {}
                else => return,
            }
        }
    }

    /// Reports NOT_SERVING permanently.
    pub(super) async fn stop(&self) {
        let mut is_stopping = self.is_stopping.lock().await;
        *is_stopping = true;
        self.set(ServingStatus::NotServing).await;
    }

    async fn set(&self, status: ServingStatus) {
        self.reporter.set_service_status("", status).await;
        for service in [SERVICE_NAME, key_server::SERVICE_NAME] {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
