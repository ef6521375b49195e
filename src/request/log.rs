//! The line that each call leaves in the log, and its count in the metrics.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request},
    response::Response,
};

use super::{route::Route, wire::GRPC_STATUS};
use crate::telemetry::Metrics;

/// One line and one count for each call, also for one whose caller did not wait for the answer.
pub(super) struct CallLog {
    /// The path where it is one of ours: a made-up one may hold a key, and is no label for a metric.
    path: String,
    started: Instant,
    metrics: Arc<Metrics>,
    finished: bool,
}

impl CallLog {
    pub(super) fn new(request: &Request, route: &Route, metrics: Arc<Metrics>) -> Self {
        let matched = request.extensions().get().map(MatchedPath::as_str);
        let path = match (&route.name, matched) {
            (Some(name), _) => name,
            (None, Some(matched)) if !matched.contains('*') => matched,
            _ => "other",
        };
        Self {
            path: path.to_owned(),
            started: Instant::now(),
            metrics,
            finished: false,
        }
    }

    pub(super) fn finish(&mut self, response: &Response) {
        let http = response.status();
        let grpc = response
            .headers()
            .get(GRPC_STATUS)
            .and_then(|v| v.to_str().ok());
        self.end(grpc.unwrap_or(if http.is_success() {
            "0"
        } else {
            http.as_str()
        }));
    }

    /// Writes the line unless it is written.
    pub(super) fn end(&mut self, code: &str) {
        if !std::mem::replace(&mut self.finished, true) {
            self.write(code);
        }
    }

    /// `code` is gRPC's number for a gRPC call, HTTP's for a failed one of the gateway, 0 for success, `cut` for a
    /// stream of the gateway that broke off.
    fn write(&self, code: &str) {
        let elapsed = self.started.elapsed();
        self.metrics.count_call(&self.path, code, elapsed);
        // Not the query string: it may hold a key.
        tracing::info!(
            path = self.path,
            code,
            elapsed_us = elapsed.as_micros() as u64,
            "call"
        );
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        self.end("gone");
    }
}
