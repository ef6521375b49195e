//! The settings of the private PostgreSQL.

use std::ffi::OsString;

pub(super) const SUPERUSER: &str = "outbound_tasks";
/// Only part of the socket's file name; no TCP port is opened.
pub(super) const PORT: &str = "5432";
pub(super) const SOCKET_FILE: &str = ".s.PGSQL.5432";

/// Whether the data survives the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The data survives crashes, `kill -9` and power failures.
    Durable,
    /// A fast server that never waits for the disk. Its cluster is deleted when it stops.
    Throwaway,
}

impl Durability {
    pub(super) fn directory(self) -> &'static str {
        match self {
            Durability::Durable => "cluster",
            Durability::Throwaway => "throwaway",
        }
    }

    /// The server's settings. Command-line settings override every configuration file.
    pub(super) fn settings(self) -> Vec<OsString> {
        let always = [
            "listen_addresses=",
            // Relative to the cluster, so it needs no quoting and the length of the path does not matter.
            "unix_socket_directories=.",
            "port=5432",
            "max_connections=100",
            "shared_buffers=256MB",
            "timezone=UTC",
            "log_timezone=UTC",
            "jit=off",
            "logging_collector=off",
            "log_destination=stderr",
        ];
        let own: &[&str] = match self {
            Durability::Durable => &[],
            Durability::Throwaway => &[
                // for all tests that run at the same time
                "max_connections=400",
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
            ],
        };
        let flags = always.iter().chain(own);
        flags
            .flat_map(|setting| ["-c".into(), (*setting).into()])
            .collect()
    }
}
