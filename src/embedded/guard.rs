//! The shell that starts a PostgreSQL program and ends it when its owner stops or dies.
//!
//! Its standard input is a pipe whose other end only the owner has: however the owner ends, the
//! kernel closes the pipe. It has a process group of its own: Ctrl-C in a terminal reaches the owner
//! alone, which then decides when the server goes.

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

/// The symbolic link to the cluster, in a directory of its own; the script knows the name too.
pub(super) const LINK_NAME: &str = "s";

/// The program holds the guard's output open as descriptor 3, and the guard closes its own: the
/// owner sees the end of that pipe when the program and all its children are gone.
///
/// Descriptor 4 is the cluster, in which the guard itself works; see
/// [`super::account::INHERITED_DIRECTORY`]. The program begins in `/` because PostgreSQL, looking
/// for its own files, wants to return to the directory it began in.
///
/// The watcher waits for the end of the owner's pipe, descriptor 5, and the guard for the end of
/// its child: then it ends the watcher, which therefore never signals a number that belongs to
/// another process by now. The signal is repeated because a program that has only just begun
/// ignores it, and it doubles as the question whether the program still lives. The watcher lets go
/// of the log: should the guard be killed, the next start need not wait for the watcher too.
///
/// The traps keep the guard alive when somebody signals it, or when the owner dies before it reads
/// the number; since a signal also interrupts `wait`, that is repeated.
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

/// Longer than all the script's patience together.
const FINISH_LIMIT: Duration = Duration::from_secs(30);

/// What has no use once the server is gone.
#[derive(Debug, Default)]
pub(super) struct Cleanup {
    /// The directory of the short socket path.
    pub(super) link: Option<PathBuf>,
    /// A throw-away cluster.
    pub(super) discard: Option<PathBuf>,
}

impl Cleanup {
    /// Does what the guard could not. What stays is litter, not a failure.
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

/// A guarded program. Dropping it ends the program.
#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
    lifeline: ChildStdin,
    output: ChildStdout,
    pid: u32,
}

impl Guard {
    /// Starts `program` in the directory `cluster`, as `account` where there is one.
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
            // messages must be readable for `last_complaint`
            .env("LC_ALL", "C");
        for name in std::env::vars_os().map(|(name, _)| name).filter(is_pg) {
            command.env_remove(name);
        }
        // held until the child has its working directory
        let directory = File::open(cluster).cannot("open", cluster)?;
        match account {
            // std changes the directory after the user, who may not pass the directories above
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

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the program and all its children are gone.
    pub(super) async fn ended(&mut self) {
        let mut buffer = [0; 64];
        while matches!(self.output.read(&mut buffer).await, Ok(count) if count > 0) {}
    }

    /// Ends the program if it still runs, and returns how it ended.
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

fn is_pg(name: &OsString) -> bool {
    let name: &OsStr = name;
    name.as_encoded_bytes().starts_with(b"PG")
}

/// The line the script begins with; read bytewise, for there is nothing behind it.
async fn read_pid(output: &mut ChildStdout) -> Option<u32> {
    let mut line = String::new();
    loop {
        match output.read_u8().await.ok()? {
            b'\n' => return line.parse().ok(),
            byte => line.push(char::from(byte)),
        }
    }
}
