//! The shell script that starts a PostgreSQL program and ends it when its owner stops or dies.
//!
//! The standard input of the script is a pipe that only the owner can write to. The kernel closes it however the owner
//! ends. The script has its own process group, so that Ctrl-C in a terminal reaches only the owner, which then decides
//! when the server ends.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::account::Account;
use super::error::{Cannot, EmbeddedError};

/// The name of the symbolic link to the cluster. The script uses the same name.
pub(super) const LINK_NAME: &str = "s";

/// The script. Its descriptors and processes:
///
/// - Descriptor 3 is the guard's output, which the program inherits and the guard closes. The owner thus sees the end
///   of that pipe when the program and all of its children have ended.
/// - Descriptor 4 is the cluster, the guard's working directory; see [`super::account::INHERITED_DIRECTORY`]. The
///   program starts in `/`, because PostgreSQL returns to its initial directory while it searches for its own files.
/// - Descriptor 5 is the owner's pipe. The watcher waits for its end and then signals the program. The guard waits for
///   the program and then ends the watcher, so the watcher never signals a reused process id. The signal is repeated
///   because a program that has just started ignores it, and because it fails once the program has ended. The watcher
///   closes its copy of the log, so that the next start does not wait for the watcher if the guard is killed.
///
/// The traps keep the guard alive when it is signalled, or when the owner dies before it reads the process id. `wait`
/// is repeated because a signal interrupts it.
const SCRIPT: &str = r#"
link=$1 discard=$2
shift 2
exec 5<&0 </dev/null
trap : PIPE
(cd / && exec "$@") 3>&1 >&2 4<. 5<&- &
program=$!
trap 'kill -INT "$program"' HUP INT TERM
echo "$program"
exec >/dev/null
finish() {
    tries=$2
    while [ "$tries" -gt 0 ] && kill -"$1" "$program"; do
        sleep 0.02
        tries=$((tries - 1))
    done
}
(
    read -r end <&5
    finish INT 500
    finish QUIT 250
    finish KILL 50
) 2>/dev/null &
watcher=$!
exec 5<&-
wait "$program"
status=$?
while kill -0 "$program" 2>/dev/null; do
    wait "$program"
    status=$?
done
kill "$watcher" 2>/dev/null
if [ -n "$link" ]; then
    rm -f "$link/s"
    rmdir "$link"
fi 2>/dev/null
if [ -n "$discard" ]; then
    rm -rf ./* ./.s.*
    rmdir "$discard"
fi 2>/dev/null
exit "$status"
"#;

/// Longer than all waiting times of the script together (16 s).
const FINISH_LIMIT: Duration = Duration::from_secs(30);

/// Files to delete after the server has ended.
#[derive(Debug, Default)]
pub(super) struct Cleanup {
    /// The directory of the short socket path.
    pub(super) link: Option<PathBuf>,
    /// A throw-away cluster.
    pub(super) discard: Option<PathBuf>,
}

impl Cleanup {
    /// Deletes what the guard could not delete. A failure only leaves garbage behind, so it is ignored.
    pub(super) fn run(&self) {
        if let Some(dir) = &self.link {
            let _ = fs::remove_file(dir.join(LINK_NAME));
            let _ = fs::remove_dir(dir);
        }
        if let Some(cluster) = &self.discard {
            let _ = fs::remove_dir_all(cluster);
        }
    }
}

/// A guarded program. Dropping the value ends the program.
#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
    lifeline: ChildStdin,
    output: ChildStdout,
    pid: u32,
}

impl Guard {
    /// Starts `program` in the directory `cluster`, as `account` if there is one.
    pub(super) async fn spawn(
        program: &Path,
        arguments: Vec<OsString>,
        cluster: &Path,
        account: Option<Account>,
        log: &File,
        cleanup: &Cleanup,
    ) -> Result<Guard, EmbeddedError> {
        let or_empty = |path: &Option<PathBuf>| path.clone().unwrap_or_default();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "outbound-tasks-guard"])
            .args([or_empty(&cleanup.link), or_empty(&cleanup.discard)])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().cannot("pass the log to", program)?)
            .process_group(0)
            // `last_complaint` looks for English words.
            .env("LC_ALL", "C");
        for name in std::env::vars_os().map(|(name, _)| name).filter(is_pg) {
            command.env_remove(name);
        }
        // Open until the child has changed its working directory.
        let directory = File::open(cluster).cannot("open", cluster)?;
        match account {
            // std changes the directory after the user, who may lack permission on the parent directories.
            Some(Account { uid, gid }) => command
                .current_dir(format!("/proc/self/fd/{}", directory.as_raw_fd()))
                .uid(uid)
                .gid(gid),
            None => command.current_dir(cluster),
        };
        let mut shell = command.spawn().cannot("start", program)?;
        drop(directory);
        let lifeline = shell.stdin.take().expect("stdin was set to piped above");
        let mut output = shell.stdout.take().expect("stdout was set to piped above");
        let pid = read_pid(&mut output).await;
        let pid = pid.ok_or_else(|| {
            EmbeddedError::new(format!("/bin/sh could not start {}", program.display()))
        })?;
        Ok(Guard {
            shell,
            lifeline,
            output,
            pid,
        })
    }

    /// The process id of the guarded program.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the program and all of its children have ended.
    pub(super) async fn ended(&mut self) {
        let mut buffer = [0; 64];
        while matches!(self.output.read(&mut buffer).await, Ok(count) if count > 0) {}
    }

    /// Ends the program if it still runs; returns its exit status.
    pub(super) async fn finish(mut self) -> Result<ExitStatus, EmbeddedError> {
        drop(self.lifeline);
        let pid = self.pid;
        match tokio::time::timeout(FINISH_LIMIT, self.shell.wait()).await {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => Err(EmbeddedError::new(format!(
                "cannot wait for the end of PostgreSQL (process {pid}): {error}"
            ))),
            Err(_) => Err(EmbeddedError::new(format!(
                "PostgreSQL (process {pid}) did not end within {} s",
                FINISH_LIMIT.as_secs()
            ))),
        }
    }
}

/// Whether an environment variable would configure PostgreSQL.
fn is_pg(name: &OsString) -> bool {
    let name: &OsStr = name;
    name.as_encoded_bytes().starts_with(b"PG")
}

/// Reads the process id, the first line of the script's output. Reads byte by byte because nothing follows the line.
async fn read_pid(output: &mut ChildStdout) -> Option<u32> {
    let mut line = String::new();
    loop {
        match output.read_u8().await.ok()? {
            b'\n' => return line.parse().ok(),
            byte => line.push(char::from(byte)),
        }
    }
}
