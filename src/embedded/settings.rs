//! How the private PostgreSQL runs.

use std::ffi::OsString;

pub(super) const SUPERUSER: &str = "outbound_tasks";
/// Only a part of the socket's file name: no TCP port is opened.
pub(super) const PORT: &str = "5432";
pub(super) const SOCKET_FILE: &str = ".s.PGSQL.5432";

/// How the server's files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The data survives everything, `kill -9` and power failure included.
    Durable,
    /// A fast server that never waits for the disk; its cluster is deleted when it stops.
    Throwaway,
}

impl Durability {
    pub(super) fn directory(self) -> &'static str {
        match self {
            Durability::Durable => "cluster",
            Durability::Throwaway => "throwaway",
        }
    }

    /// Command-line settings win over every configuration file, so they hold at each start.
    pub(super) fn settings(self) -> Vec<OsString> {
        let always = [
            "listen_addresses=",
            // relative to the cluster: no quoting, and no limit on the length of its path
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
