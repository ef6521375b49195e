//! The processes under load and their cost: the real program with its default settings, and the ready-made floor. Each
//! ends when its handle is dropped, so also when the benchmark fails.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use outbound_tasks::pb::ListOutboundTasksResponse;
use prost::Message;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::{Result, ready_made};

const START_LIMIT: Duration = Duration::from_secs(15);
const START_STEP: Duration = Duration::from_millis(2);
/// Turns quotas off, which a single caller at full speed would use up. Arguments win over them.
const NO_QUOTAS: [&str; 4] = [
    "OUTBOUND_TASKS_KEY_RATE",
    "OUTBOUND_TASKS_KEY_COST",
    "OUTBOUND_TASKS_TENANT_RATE",
    "OUTBOUND_TASKS_TENANT_COST",
];
/// Linux counts CPU time for user programs in hundredths of a second.
const TICKS_A_SECOND: f64 = 100.0;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The address on which it listens.
    pub(crate) address: String,
}

impl Server {
    /// Starts the program on a database, with further arguments. It writes its log to a file, since writing the log is
    /// part of a call's cost.
    pub(crate) async fn start(database_url: &str, dir: &Path, arguments: &[&str]) -> Result<Self> {
        let log = dir.join("service.log");
        let (address, admin) = (free_address().await?, free_address().await?);
        let child = program()
            .envs(NO_QUOTAS.map(|name| (name, "off")))
            .args(["serve", "--listen", &address, "--admin-listen", &admin])
            .args(arguments)
            .env("DATABASE_URL", database_url)
            .stdin(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let mut server = Self { child, address };
        match tokio::time::timeout(START_LIMIT, server.listening()).await {
            Ok(Ok(())) => Ok(server),
            _ => Err(format!("the service did not start: {}", fs::read_to_string(&log)?).into()),
        }
    }

    async fn listening(&mut self) -> Result<()> {
        while TcpStream::connect(&self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("ended with {status}").into());
            }
            tokio::time::sleep(START_STEP).await;
        }
        Ok(())
    }

    /// Starts this benchmark's program again as the server with a ready-made answer.
    pub(crate) async fn start_ready_made(
        answer: &ListOutboundTasksResponse,
        dir: &Path,
    ) -> Result<Self> {
        let file: PathBuf = dir.join("ready-made.bin");
        fs::write(&file, answer.encode_to_vec())?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ready_made::ARGUMENT)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = child
            .stdout
            .take()
            .ok_or("the ready-made server has no output")?;
        let mut lines = BufReader::new(out).lines();
        let line = tokio::time::timeout(START_LIMIT, lines.next_line()).await??;
        let address = line.ok_or("the ready-made server did not start")?;
        Ok(Self { child, address })
    }

    /// Its CPU time so far, in seconds.
    pub(crate) fn cpu(&self) -> f64 {
        self.child.id().and_then(times).map_or(0.0, |t| t.own)
    }

    /// A value of its memory in MiB.
    pub(crate) fn memory(&self, line: &str) -> f64 {
        memory(self.child.id().unwrap_or_default(), line)
    }
}

/// A value of a process's memory in MiB: `VmRSS` is the present size, `VmHWM` the peak.
pub(crate) fn memory(pid: u32, line: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// The parent of a process.
pub(crate) fn parent(pid: u32) -> Option<u32> {
    times(pid).map(|times| times.parent)
}

/// The real program, with its default settings.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outbound-tasks"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OUTBOUND_TASKS_") {
            command.env_remove(name);
        }
    }
    command
}

/// A free port on the loopback interface, with its host.
pub(crate) async fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.to_string())
}

/// Number of processor cores.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

/// CPU time of PostgreSQL so far, in seconds: the postmaster, its children, and the children that have ended.
pub(crate) fn postgres_cpu(postmaster: u32) -> f64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let children = pids.filter_map(times).filter(|t| t.parent == postmaster);
    let children: f64 = children.map(|t| t.own).sum();
    times(postmaster).map_or(0.0, |t| t.own + t.ended_children) + children
}

/// CPU time of this process so far, in seconds.
pub(crate) fn own_cpu() -> f64 {
    times(std::process::id()).map_or(0.0, |t| t.own)
}

/// CPU time of the whole machine so far, in seconds.
pub(crate) fn machine_cpu() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let numbers: Vec<f64> = line
        .split_whitespace()
        .skip(1)
        .flat_map(str::parse)
        .collect();
    // user nice system idle iowait irq softirq steal; user includes the guests
    let busy = [0, 1, 2, 5, 6, 7]
        .into_iter()
        .filter_map(|at| numbers.get(at));
    busy.sum::<f64>() / TICKS_A_SECOND
}

struct Times {
    parent: u32,
    own: f64,
    ended_children: f64,
}

/// The CPU times of a process, from `/proc/<pid>/stat` (proc_pid_stat(5)): state, parent, … follow the name in
/// brackets, and utime, stime, cutime and cstime are the 14th to 17th field.
fn times(pid: u32) -> Option<Times> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some(Times {
        parent: fields.get(1)?.parse().ok()?,
        own: (ticks(11)? + ticks(12)?) / TICKS_A_SECOND,
        ended_children: (ticks(13)? + ticks(14)?) / TICKS_A_SECOND,
    })
}
