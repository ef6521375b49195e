//! A private PostgreSQL for `outbound-tasks dev` and the test suite.
//!
//! The data directory contains `lock` (locked by the owner while it runs), `postgres.log` and the cluster: `cluster`,
//! or `throwaway` for [`Durability::Throwaway`]. The names differ, so that a server without fsync never touches lasting
//! data and a throw-away cluster can be deleted without asking.
//!
//! The server listens only on a Unix socket in its cluster directory. The directory belongs to the server's user and
//! has mode 0700, so it needs no password.
//!
//! The server and `initdb` are children of a small shell script, the `guard`, which ends them when the owner stops or
//! dies. Every process that the guard starts inherits a lock on `postgres.log` with its stderr. A process that acquires
//! this lock therefore knows that no process of an earlier server is left.

mod account;
mod cluster;
mod error;
mod guard;
mod log;
mod predecessor;
mod programs;
mod settings;
mod socket;

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{Read, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::EmbeddedError;
pub use settings::Durability;

use account::Account;
use cluster::remove_tree;
use error::Cannot;
use guard::{Cleanup, Guard};
use log::ServerLog;
use programs::Programs;
use settings::{PORT, SUPERUSER};

const START_LIMIT: Duration = Duration::from_secs(60);
const READY_INTERVAL: Duration = Duration::from_millis(5);

/// A running private PostgreSQL. Dropping the value ends the server without waiting for it.
#[derive(Debug)]
pub struct Embedded {
    guard: Guard,
    data_dir: PathBuf,
    socket_dir: PathBuf,
    cleanup: Cleanup,
    /// Keeps the directory locked; another process that tries to use it gets an error.
    lock: File,
}

impl Embedded {
    /// Starts the server on `data_dir` and waits until it accepts connections. Creates the cluster if there is none,
    /// and ends processes that a killed predecessor left behind.
    pub async fn start(data_dir: &Path, durability: Durability) -> Result<Embedded, EmbeddedError> {
        Self::start_with(data_dir, durability, &[]).await
    }

    /// The same, with settings of PostgreSQL, as `name=value`, that win over the private server's own. With another
    /// `port`, [`Embedded::url`] does not lead to the server.
    pub async fn start_with(
        data_dir: &Path,
        durability: Durability,
        settings: &[String],
    ) -> Result<Embedded, EmbeddedError> {
        let data_dir = make_data_dir(data_dir)?;
        let lock = lock_data_dir(&data_dir)?;
        let cluster = data_dir.join(durability.directory());
        let fresh = data_dir.join(format!("{}.new", durability.directory()));
        let log = ServerLog::open(&data_dir)?;
        predecessor::end(&data_dir, &log).await?;
        log.file.set_len(0).cannot("empty", &log.path)?;
        remove_tree(&fresh)?;
        if durability == Durability::Throwaway {
            remove_tree(&cluster)?;
        }

        let account = Account::for_cluster(&cluster).await?;
        let version = cluster::version(&cluster)?;
        let programs = Programs::find(version, &cluster).await?;
        if version.is_none() {
            cluster::create(&programs, account, &fresh, &log, durability).await?;
            fs::rename(&fresh, &cluster).cannot("rename", &fresh)?;
            let synced = File::open(&data_dir).and_then(|dir| dir.sync_all());
            synced.cannot("sync", &data_dir)?;
        }

        let (socket_dir, link) = socket::directory(&cluster, account)?;
        let cleanup = Cleanup {
            link,
            discard: (durability == Durability::Throwaway).then(|| cluster.clone()),
        };
        let mut arguments = account::data_dir_argument(account, &cluster);
        arguments.extend(durability.settings());
        let more = settings.iter().flat_map(|setting| ["-c", setting]);
        arguments.extend(more.map(Into::into));
        let server = programs.path("postgres");
        let guard = Guard::spawn(&server, arguments, &cluster, account, &log.file, &cleanup);
        let ready = match guard.await {
            Ok(guard) => wait_until_ready(guard, &cluster, &log).await,
            Err(error) => Err(error),
        };
        let guard = ready.inspect_err(|_| cleanup.run())?;
        let pid = guard.pid();
        tracing::debug!(pid, cluster = %cluster.display(), "PostgreSQL accepts connections");
        Ok(Embedded {
            guard,
            data_dir,
            socket_dir,
            cleanup,
            lock,
        })
    }

    /// The URL of `database` in the form of libpq.
    pub fn url(&self, database: &str) -> String {
        // The port is given because psql would otherwise use PGPORT.
        format!(
            "postgresql:///{}?host={}&port={PORT}&user={SUPERUSER}",
            percent_encoded(database.as_bytes()),
            percent_encoded(self.socket_dir.as_os_str().as_bytes()),
        )
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.guard.pid()
    }

    /// Waits until the server has ended for any reason.
    pub async fn ended(&mut self) {
        self.guard.ended().await;
    }

    /// Shuts the server down: rolls back open transactions, and stops the server immediately after ten seconds.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let pid = self.pid();
        let status = self.guard.finish().await?;
        if status.code().is_none() {
            // The guard was killed, so the server may still run.
            let log = ServerLog::open(&self.data_dir)?;
            predecessor::end(&self.data_dir, &log).await?;
        }
        // The guard does this too, but the server's user may lack the permission.
        self.cleanup.run();
        if !status.success() {
            tracing::warn!(pid, %status, "PostgreSQL did not shut down cleanly");
        }
        // Closing the file is not enough: a process that another thread is just starting has a copy of it until it runs its
        // program.
        self.lock.unlock().cannot("unlock", &self.data_dir)
    }
}

fn make_data_dir(data_dir: &Path) -> Result<PathBuf, EmbeddedError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(data_dir);
    made.cannot("create the data directory", data_dir)?;
    fs::canonicalize(data_dir).cannot("resolve the data directory", data_dir)
}

/// Takes the lock of the directory's owner. The kernel releases it when the process ends.
fn lock_data_dir(data_dir: &Path) -> Result<File, EmbeddedError> {
    let path = data_dir.join("lock");
    let mut options = File::options();
    options.create(true).read(true).write(true).truncate(false);
    let mut file = options.mode(0o600).open(&path).cannot("open", &path)?;
    match file.try_lock() {
        Ok(()) => {
            // Only used by the error message below, so a failure to write it is harmless.
            let pid = std::process::id();
            let _ = file.set_len(0).and_then(|()| write!(file, "{pid}"));
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = match holder.parse::<u32>() {
                Ok(pid) => format!(" (process {pid})"),
                Err(_) => String::new(),
            };
            Err(EmbeddedError::new(format!(
                "another outbound-tasks dev{holder} is using {}: stop it or choose another \
                 --data-dir",
                data_dir.display()
            )))
        }
        Err(TryLockError::Error(error)) => Err(error).cannot("lock", &path),
    }
}

/// Waits until the server accepts connections, for at most [`START_LIMIT`].
async fn wait_until_ready(
    mut guard: Guard,
    cluster: &Path,
    log: &ServerLog,
) -> Result<Guard, EmbeddedError> {
    let began = Instant::now();
    while !is_ready(cluster, guard.pid()) {
        let ended = tokio::time::timeout(READY_INTERVAL, guard.ended()).await;
        let failure = if ended.is_ok() {
            log.failure("PostgreSQL did not start", cluster)
        } else if began.elapsed() > START_LIMIT {
            let seconds = START_LIMIT.as_secs();
            log.failure(
                &format!("PostgreSQL was not ready after {seconds} s"),
                cluster,
            )
        } else {
            continue;
        };
        guard.finish().await?;
        return Err(failure);
    }
    Ok(guard)
}

/// Whether the postmaster reports that it is ready. The process id excludes the status of an earlier postmaster.
fn is_ready(cluster: &Path, pid: u32) -> bool {
    let status = cluster::status(cluster);
    cluster::recorded_pid(&status) == Some(pid) && status.get(7).is_some_and(|line| line == "ready")
}

fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a String never fails");
        }
    }
    text
}
