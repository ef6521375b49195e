//! What the tests stand on: a database of its own and a server on it, and clients for it.

pub mod asked;
pub mod bulk;
pub mod cache_history;
pub mod case;
pub mod case_import;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod compared;
pub mod connect;
pub mod counts;
pub mod database;
pub mod descriptor;
pub mod dev;
pub mod explain;
pub mod forms;
pub mod fuzz;
pub mod hosts;
pub mod http;
pub mod http2;
pub mod import;
pub mod key_service;
pub mod keys;
pub mod labels;
pub mod large;
pub mod layers;
pub mod pages;
pub mod process;
pub mod random_lists;
pub mod schema;
pub mod server;
pub mod tasks;
pub mod terminal;
pub mod tls;
pub mod tls_postgres;
pub mod upload;
pub mod uses;
pub mod watch;
pub mod wire;
pub mod workbook;
pub mod writes;

use std::time::{Duration, Instant};

/// How long to wait for what nobody promised a time for: a busy machine may hold anything up for seconds.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until it is so; answers how long that took.
pub async fn eventually(what: &str, limit: Duration, so: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}

/// A directory that goes away with the value.
pub struct TempDir(pub std::path::PathBuf);

impl TempDir {
    pub fn new() -> Self {
        let name = format!("outbound-tasks-test-{}", uuid::Uuid::now_v7());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
