//! What the tests stand on: a database of its own and a server on it, and clients for it.

pub mod database;
pub mod http;
pub mod server;
pub mod tasks;

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
