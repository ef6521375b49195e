//! Two PostgreSQL nodes under Patroni, with an etcd of one node, all on loopback and in a directory of their own.
//!
//! Every process has its working directory below that directory. A shell watches over them: when this process ends, in
//! whatever way, it kills every process whose working directory is there, and removes the directory.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::support::{TempDir, eventually, http::Http, process::kill};

/// How long the cluster may take to become whole: a node that was killed is rewound and copied.
const HEALING: Duration = Duration::from_secs(120);
/// After this time without the leader, etcd releases its key. Patroni's lowest useful value.
const TTL: u32 = 20;
/// Kills what runs below the directory `$0` as soon as standard input ends, then removes the directory.
const WATCHDOG: &str = r#"cat >/dev/null
for round in 1 2 3; do
  for process in /proc/[0-9]*; do
    case $(readlink "$process/cwd") in "$0"/*) kill -s KILL "${process#/proc/}" 2>/dev/null ;; esac
  done
  sleep 0.2
done
rm -rf "$0""#;

/// The two nodes, by name.
pub const NODES: [&str; 2] = ["a", "b"];

/// A node: PostgreSQL and the Patroni that keeps it.
struct Node {
    dir: PathBuf,
    port: u16,
    rest: Http,
    patroni: Option<Child>,
}

/// The cluster.
pub struct Cluster {
    nodes: [Node; 2],
    account: Option<(u32, u32)>,
    _etcd: Child,
    /// Dropped first of what follows: the end of its standard input starts the cleaning.
    _watchdog: Watchdog,
    _dir: TempDir,
}

struct Watchdog(Child);

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// The path of a program.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&path).map(|dir| dir.join(name));
    paths.find(|path| path.is_file())
}

/// The directory of PostgreSQL's programs, as Debian installs them; the newest version.
fn postgres_programs() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("PG_BINDIR") {
        return Some(dir.into());
    }
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = installed.flatten().filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let dir = entry.path().join("bin");
        dir.join("pg_rewind").is_file().then_some((version, dir))
    });
    versions.max().map(|(_, dir)| dir)
}

/// The user id and group id of `postgres`, which root runs the programs as.
fn account() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> u32 {
        let output = Command::new("id").args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let number = text.trim().parse();
        number.expect("PostgreSQL does not run as root, so the user postgres is needed")
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a program as `account` in `dir`; its output goes to a file there.
fn spawn(mut command: Command, account: Option<(u32, u32)>, dir: &Path) -> Child {
    let log = fs::File::options()
        .append(true)
        .create(true)
        .open(dir.join("log"))
        .unwrap();
    if let Some((uid, gid)) = account {
        command.uid(uid).gid(gid);
    }
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

impl Cluster {
    /// Starts the cluster and waits until the second node is a synchronous standby.
    pub async fn start() -> Self {
        let missing: Vec<&str> = [
            ("patroni", program("patroni").is_none()),
            ("etcd (Debian: etcd-server)", program("etcd").is_none()),
            ("PostgreSQL with pg_rewind", postgres_programs().is_none()),
        ]
        .into_iter()
        .filter_map(|(name, is_missing)| is_missing.then_some(name))
        .collect();
        assert!(
            missing.is_empty(),
            "missing: {}. On Debian: apt-get install --no-install-recommends patroni etcd-server postgresql",
            missing.join(", ")
        );
        let account = account();
        let dir = TempDir::new();
        let make = |name: &str| {
            let path = dir.0.join(name);
            fs::create_dir(&path).unwrap();
            if let Some((uid, gid)) = account {
                chown(&path, Some(uid), Some(gid)).unwrap();
            }
            path
        };
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG])
            .arg(&dir.0)
            .process_group(0) // so that Ctrl-C ends the tests and not the watchdog
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();

        let (client, peer) = (free_port(), free_port());
        let [client_url, peer_url] = [client, peer].map(|port| format!("http://127.0.0.1:{port}"));
        let mut command = Command::new(program("etcd").unwrap());
        command.args(["--name", "one", "--data-dir", "data", "--unsafe-no-fsync"]);
        command.args(["--listen-client-urls", &client_url]);
        command.args(["--advertise-client-urls", &client_url]);
        command.args(["--listen-peer-urls", &peer_url]);
        command.args(["--initial-advertise-peer-urls", &peer_url]);
        command.args(["--initial-cluster", &format!("one={peer_url}")]);
        let etcd = spawn(command, account, &make("etcd"));

        let nodes = NODES.map(|name| {
            let (dir, port, rest) = (make(name), free_port(), free_port());
            let settings = configuration(name, &dir, port, rest, client);
            // JSON is YAML.
            fs::write(dir.join("patroni.yml"), settings.to_string()).unwrap();
            Node {
                dir,
                port,
                rest: Http::new(([127, 0, 0, 1], rest).into(), ""),
                patroni: None,
            }
        });
        let mut cluster = Self {
            nodes,
            account,
            _etcd: etcd,
            _watchdog: Watchdog(watchdog),
            _dir: dir,
        };
        cluster.start_patroni(0);
        let first = async || {
            cluster
                .roles()
                .await
                .first()
                .is_some_and(|(_, r)| r == "leader")
        };
        eventually("the first node is the primary", HEALING, first).await;
        cluster.start_patroni(1);
        cluster.healed().await;
        cluster
    }

    fn start_patroni(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        let mut command = Command::new(program("patroni").unwrap());
        command.arg("patroni.yml");
        node.patroni = Some(spawn(command, self.account, &node.dir));
    }

    /// A URL with these nodes and parameters.
    pub fn url(&self, nodes: &[usize], parameters: &str) -> String {
        let hosts: Vec<String> = nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", self.nodes[*node].port))
            .collect();
        format!(
            "postgresql://postgres@{}/postgres?{parameters}",
            hosts.join(",")
        )
    }

    /// The running nodes and their roles, as Patroni reports them: leader, sync_standby, replica.
    async fn roles(&self) -> Vec<(String, String)> {
        for node in &self.nodes {
            let Ok(Some(state)) = tokio::time::timeout(Duration::from_secs(2), node.state()).await
            else {
                continue;
            };
            let members = state["members"].as_array().cloned().unwrap_or_default();
            let running = members.iter().filter_map(|member| {
                let is_up = ["running", "streaming"].contains(&member["state"].as_str()?);
                let text = |name: &str| member[name].as_str().map(str::to_owned);
                is_up.then_some((text("name")?, text("role")?))
            });
            return running.collect();
        }
        Vec::new()
    }

    /// Waits until there is a primary with a synchronous standby; returns the primary.
    pub async fn healed(&self) -> usize {
        let whole = async || {
            let mut roles: Vec<String> = self.roles().await.into_iter().map(|(_, r)| r).collect();
            roles.sort();
            roles == ["leader", "sync_standby"]
        };
        eventually("there is a synchronous standby", HEALING, whole).await;
        let roles = self.roles().await;
        let leader = roles.iter().find(|(_, role)| role == "leader");
        let leader = &leader.expect("the cluster has just been whole").0;
        NODES.iter().position(|name| name == leader).unwrap()
    }

    /// Asks Patroni to make the other node the primary; waits for the answer.
    pub async fn switch_over(&self, from: usize) {
        let wanted = json!({ "leader": NODES[from], "candidate": NODES[1 - from] });
        let json = [("content-type", "application/json")];
        let body = wanted.to_string().into_bytes();
        let rest = &self.nodes[from].rest;
        let answer = rest
            .send(http::Method::POST, "/switchover", &json, body)
            .await;
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{text}");
    }

    /// Kills the PostgreSQL of a node; with `machine` first its Patroni, as when the machine is lost.
    pub fn kill(&mut self, node: usize, machine: bool) {
        let node = &mut self.nodes[node];
        if machine {
            let mut patroni = node.patroni.take().unwrap();
            patroni.kill().unwrap();
            patroni.wait().unwrap();
        }
        let file = fs::read_to_string(node.dir.join("data/postmaster.pid")).unwrap();
        kill(file.lines().next().unwrap().parse().unwrap(), "KILL");
    }

    /// Starts the Patroni of a lost machine.
    pub fn revive(&mut self, node: usize) {
        if self.nodes[node].patroni.is_none() {
            self.start_patroni(node);
        }
    }

    /// Waits until PostgreSQL on the node takes writes; returns the time at which it was seen.
    pub async fn promoted(&self, node: usize) -> Instant {
        let url = self.url(&[node], "connect_timeout=1");
        let takes_writes = async || {
            let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await else {
                return false;
            };
            let driver = tokio::spawn(connection);
            let asked = client
                .query_one("SELECT NOT pg_is_in_recovery()", &[])
                .await;
            driver.abort();
            asked.is_ok_and(|row| row.get(0))
        };
        eventually("the standby is promoted", HEALING, takes_writes).await;
        Instant::now()
    }

    /// The end of what Patroni logged on the nodes.
    pub fn log(&self) -> String {
        let tail = |node: &Node| {
            let log = fs::read_to_string(node.dir.join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(20)..].join("\n")
        };
        self.nodes.iter().map(tail).collect::<Vec<_>>().join("\n\n")
    }
}

impl Node {
    async fn state(&self) -> Option<Value> {
        let asked = self
            .rest
            .try_send(http::Method::GET, "/cluster", &[], Vec::new());
        serde_json::from_slice(&asked.await.ok()?.body).ok()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.log());
        }
    }
}

/// Patroni's settings of a node.
fn configuration(name: &str, dir: &Path, port: u16, rest: u16, etcd: u16) -> Value {
    let address = |port: u16| format!("127.0.0.1:{port}");
    json!({
        "scope": "failover",
        "name": name,
        "restapi": { "listen": address(rest), "connect_address": address(rest) },
        "etcd3": { "host": address(etcd) },
        "bootstrap": {
            "dcs": {
                "ttl": TTL,
                "loop_wait": 1,
                "retry_timeout": 3,
                // A killed primary is not waited for.
                "primary_start_timeout": 0,
                "synchronous_mode": true,
                "postgresql": {
                    "use_pg_rewind": true,
                    // Processes are killed here, not machines: what was written is kept by the system without fsync.
                    "parameters": { "fsync": "off", "wal_log_hints": "on", "max_connections": 150, "shared_buffers": "64MB" },
                },
            },
            "initdb": [{ "encoding": "UTF8" }, { "locale": "C" }],
        },
        "postgresql": {
            "listen": address(port),
            "connect_address": address(port),
            "data_dir": dir.join("data"),
            "bin_dir": postgres_programs().unwrap(),
            "pgpass": dir.join("pgpass"),
            "parameters": { "unix_socket_directories": dir },
            "authentication": {
                "superuser": { "username": "postgres" },
                "replication": { "username": "replicator" },
            },
            "pg_hba": [
                "local all all trust",
                "host all all 127.0.0.1/32 trust",
                "host replication all 127.0.0.1/32 trust",
            ],
        },
    })
}
