//! Ends the processes that an earlier owner left behind on the same data directory.
//!
//! The caller holds the lock of the directory, so no current owner is affected. Processes are identified by program and
//! working directory, because the process id in `postmaster.pid` may have been reused. This also finds the backends of
//! a postmaster that was killed.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::cluster;
use super::error::EmbeddedError;
use super::log::ServerLog;
use super::settings::{Durability, SOCKET_FILE};

/// After this time the server gets SIGQUIT (immediate shutdown) instead of SIGINT (fast shutdown).
const FAST_LIMIT: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(50);

/// Returns once no process uses the directory's clusters and this process has locked `log`.
pub(super) async fn end(data_dir: &Path, log: &ServerLog) -> Result<(), EmbeddedError> {
    let clusters = [Durability::Durable, Durability::Throwaway]
        .map(|durability| data_dir.join(durability.directory()));
    let began = Instant::now();
    let mut locked = false;
    loop {
        // A guard that is about to end its server, or an initdb, may hold the lock too.
        locked = locked || log.file.try_lock().is_ok();
        let targets: Vec<u32> = clusters.iter().flat_map(|dir| targets(dir)).collect();
        if locked && targets.is_empty() {
            break;
        }
        if began.elapsed() > LIMIT {
            return Err(EmbeddedError::new(format!(
                "an earlier PostgreSQL still uses {} and does not end: stop its processes or \
                 choose another --data-dir",
                data_dir.display()
            )));
        }
        let signal = match began.elapsed() < FAST_LIMIT {
            true => "-INT",
            false => "-QUIT",
        };
        if !targets.is_empty() {
            tracing::debug!(?targets, signal, "ending an earlier PostgreSQL");
            let numbers = targets.iter().map(u32::to_string);
            // A process may have ended meanwhile; the next iteration re-checks.
            let script = r#"kill "$@" 2>/dev/null"#;
            let mut kill = Command::new("/bin/sh");
            kill.args(["-c", script, "kill", signal]).args(numbers);
            let _ = kill.status().await;
        }
        tokio::time::sleep(INTERVAL).await;
    }
    clusters.iter().for_each(|dir| forget_reused_pid(dir));
    Ok(())
}

/// The postmaster of `cluster`; if it has ended, the backends that outlived it.
fn targets(cluster: &Path) -> Vec<u32> {
    let Ok(wanted) = fs::metadata(cluster) else {
        return Vec::new();
    };
    // Without /proc, the lock on the log is the only protection.
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let servers = processes.filter(|entry| serves(&entry.path(), &wanted));
    let servers: Vec<u32> = servers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    match recorded_pid(cluster).filter(|pid| servers.contains(pid)) {
        Some(postmaster) => vec![postmaster],
        None => servers,
    }
}

/// Whether the process is a PostgreSQL server with this working directory.
fn serves(process: &Path, directory: &Metadata) -> bool {
    let Ok(program) = fs::read_link(process.join("exe")) else {
        return false;
    };
    // The kernel appends " (deleted)" after the package was upgraded.
    let name = program.file_name().unwrap_or_default().as_encoded_bytes();
    let works_there =
        |found: Metadata| (found.dev(), found.ino()) == (directory.dev(), directory.ino());
    name.starts_with(b"postgres") && fs::metadata(process.join("cwd")).is_ok_and(works_there)
}

fn recorded_pid(directory: &Path) -> Option<u32> {
    cluster::recorded_pid(&cluster::status(directory))
}

/// Deletes stale lock files with a reused process id. PostgreSQL deletes the others itself.
fn forget_reused_pid(cluster: &Path) {
    let alive = |pid: u32| PathBuf::from(format!("/proc/{pid}")).exists();
    if recorded_pid(cluster).is_some_and(alive) {
        let _ = fs::remove_file(cluster.join("postmaster.pid"));
        let _ = fs::remove_file(cluster.join(format!("{SOCKET_FILE}.lock")));
    }
}
