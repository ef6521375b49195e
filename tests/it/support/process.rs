//! The real program: as `serve`, on ports of its own, and as an import that is killed.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use super::{
    PATIENCE,
    database::{Database, program},
    eventually,
};

pub struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Process {
    /// Starts it and waits until it serves.
    pub async fn serve(database: &Database, arguments: &[&str]) -> Self {
        Self::serve_at(database, "127.0.0.1:0", arguments).await
    }

    /// The same at a given address.
    pub async fn serve_at(database: &Database, listen: &str, arguments: &[&str]) -> Self {
        Self::serve_by(program(), database, listen, arguments).await
    }

    /// The same, started by a shell that runs other commands first.
    pub async fn serve_after(first: &str, database: &Database, arguments: &[&str]) -> Self {
        let program = program();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]);
        shell.arg(program.get_program());
        for (name, _) in program.get_envs() {
            shell.env_remove(name);
        }
        Self::serve_by(shell, database, "127.0.0.1:0", arguments).await
    }

    async fn serve_by(
        mut command: Command,
        database: &Database,
        listen: &str,
        arguments: &[&str],
    ) -> Self {
        let mut child = command
            .args(["serve", "--listen", listen, "--admin-listen=127.0.0.1:0"])
            .args(arguments)
            .env("DATABASE_URL", database.service_url())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &log);
        collect(child.stderr.take().unwrap(), &log);
        let serving = async || log.lock().unwrap().contains(" serving listen=");
        eventually("the program serves", PATIENCE, serving).await;
        let text = log.lock().unwrap().clone();
        let address_after = |name: &str| {
            let rest = text.split_once(name).unwrap().1;
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            address: address_after(" serving listen="),
            admin: address_after(" admin="),
            child,
            log,
        }
    }

    pub fn signal(&self, name: &str) {
        kill(self.child.id(), name);
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let child = Mutex::new(&mut self.child);
        let gone = async || child.lock().unwrap().try_wait().unwrap().is_some();
        eventually("the program ends", limit, gone).await;
        self.child.wait().unwrap()
    }

    /// Its memory, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() * 1024
    }

    /// The number of its threads.
    pub fn threads(&self) -> usize {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        threads.unwrap().count()
    }

    /// Nothing of its output is read until what it returns is dropped.
    pub fn stop_reading(&self) -> Sender<()> {
        let log = Arc::clone(&self.log);
        let (stopped, is_stopped) = channel();
        let (resume, is_resumed) = channel();
        std::thread::spawn(move || {
            let _log = log.lock().unwrap();
            stopped.send(()).unwrap();
            let _ = is_resumed.recv(); // an error, when the other end is dropped
        });
        is_stopped.recv().unwrap();
        resume
    }

    /// Its output so far, from standard output and standard error.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal.
pub fn kill(pid: u32, signal: &str) {
    let kill = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status();
    assert!(kill.unwrap().success());
}

/// Ends an import with a signal after it has begun to change tasks, for which `lines` must be enough. Waits until its
/// connections are closed.
pub async fn kill_import(
    database: &Database,
    arguments: &[&str],
    lines: String,
    signal: &str,
) -> ExitStatus {
    let own = database.named(&format!("import-{}", database.application));
    let mut child = program()
        .args(["import", "-", "--tenant=demo"])
        .args(arguments)
        .env("DATABASE_URL", &own.url)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The input stays open after these lines, so the import does not end.
    let write = move || stdin.write_all(lines.as_bytes()).map(|()| stdin);
    let stdin = tokio::task::spawn_blocking(write).await.unwrap().unwrap();
    let asking = database.client().await;
    let changes = async || own.count_backends(&asking, "backend_xid IS NOT NULL").await > 0;
    eventually("the import changes tasks", PATIENCE, changes).await;
    kill(child.id(), signal);
    let ended = tokio::task::spawn_blocking(move || child.wait()).await;
    let gone = async || own.count_backends(&asking, "true").await == 0;
    eventually("nothing is left of the import", PATIENCE, gone).await;
    drop(stdin);
    ended.unwrap().unwrap()
}

/// A command that runs until it is stopped, and its output so far.
pub struct Running {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = <(Arc<Mutex<String>>, Arc<Mutex<String>>)>::default();
        collect(child.stdout.take().unwrap(), &out);
        collect(child.stderr.take().unwrap(), &err);
        Self { child, out, err }
    }

    pub fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    pub fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    pub fn signal(&self, name: &str) {
        kill(self.child.id(), name);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Option<i32> {
        let child = Mutex::new(&mut self.child);
        let gone = async || child.lock().unwrap().try_wait().unwrap().is_some();
        eventually("the command ends", PATIENCE, gone).await;
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn collect(stream: impl std::io::Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&String::from_utf8_lossy(&line));
            log.push('\n');
        }
    });
}
