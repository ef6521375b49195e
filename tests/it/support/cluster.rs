//! The throw-away PostgreSQL of a run of the tests.
//!
//! `cargo test` runs all tests in one process, which starts the server and takes it along when it ends. `cargo nextest`
//! runs each test in a process of its own. There the first test starts a host process: this program once more, which
//! only runs the server until nextest ends. A server for each test would cost a second of processor time each.
//!
//! The schemas of the tests are spread over some databases. PostgreSQL looks a function up among all of its name in the
//! database, and forgets what it found whenever any function there changes, as in the migrations of the next test: with 500
//! schemas in one database, each function that a session called cost it 20 to 30 ms.

use std::{
    env, fs,
    fs::File,
    os::unix::process::{CommandExt, parent_id},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use outbound_tasks::embedded::{Durability, Embedded};
use tokio_postgres::NoTls;

use super::PATIENCE;

/// The name under which libtest knows [`host_the_server_of_a_run`].
const HOST: &str = "support::cluster::host_the_server_of_a_run";
/// The variable with the process whose end the host process waits for.
const RUNNER: &str = "OUTBOUND_TASKS_TEST_RUNNER";
/// The variable with the file that the host process writes the server's URL to.
const READY: &str = "OUTBOUND_TASKS_TEST_READY";
/// The folder that Cargo has for what tests write.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");
/// How many databases the server has for the schemas of the tests.
const DATABASES: u8 = 12;
/// The database of [`SERVER`].
const MAINTENANCE: &str = "postgres";

/// The URL of one of the databases for the schemas of the tests.
pub fn random_database() -> String {
    let [.., random] = uuid::Uuid::now_v7().into_bytes();
    database(&format!("tests_{}", random % DATABASES))
}

/// The URL of a database of the server.
pub fn database(name: &str) -> String {
    SERVER.replacen(&format!("/{MAINTENANCE}?"), &format!("/{name}?"), 1)
}

/// The server's URL. The server ends with this process, or with the host process, in whatever way they end.
static SERVER: LazyLock<String> = LazyLock::new(|| match env::var("NEXTEST_RUN_ID") {
    Ok(run) => of_the_run(&run),
    Err(_) => of_this_process(),
});

/// Starts a server in a thread that never ends.
fn of_this_process() -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(start());
        sender.send(server.url(MAINTENANCE)).unwrap();
        loop {
            std::thread::park();
        }
    });
    receiver.recv().unwrap()
}

/// Starts in the first folder that no other run of the tests holds.
async fn start() -> Embedded {
    for index in 1.. {
        let dir = format!("{FOLDER}/postgres-{index}");
        match Embedded::start(dir.as_ref(), Durability::Throwaway).await {
            Ok(server) => {
                create_databases(&server.url(MAINTENANCE)).await;
                return server;
            }
            Err(error) => assert!(index < 8, "{error}"),
        }
    }
    unreachable!("the numbers are endless")
}

async fn create_databases(url: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    for number in 0..DATABASES {
        let create = format!("CREATE DATABASE tests_{number}");
        client.batch_execute(&create).await.unwrap();
    }
}

/// The server of a run of nextest, started by whichever test comes first.
#[expect(
    clippy::zombie_processes,
    reason = "the host process outlives the test that starts it"
)]
fn of_the_run(run: &str) -> String {
    let lock = File::create(format!("{FOLDER}/nextest.lock")).unwrap();
    lock.lock().unwrap(); // until this returns
    let ready = PathBuf::from(format!("{FOLDER}/nextest-{run}"));
    if let Ok(url) = fs::read_to_string(&ready) {
        return url;
    }
    let log = format!("{FOLDER}/nextest.log");
    let mut host = Command::new(env::current_exe().unwrap())
        .args(["--exact", HOST, "--nocapture"])
        .env_remove("NEXTEST_RUN_ID")
        .env(RUNNER, parent_id().to_string())
        .env(READY, &ready)
        // A group of its own, and none of this test's pipes: nextest ends the one and waits for the others.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let began = Instant::now();
    loop {
        if let Ok(url) = fs::read_to_string(&ready) {
            return url;
        }
        let ended = host.try_wait().unwrap();
        assert!(
            ended.is_none() && began.elapsed() < 2 * PATIENCE,
            "no PostgreSQL for the tests ({ended:?}): {}",
            fs::read_to_string(&log).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The host process. libtest offers no other way into a test's program than a test; in an ordinary run this test does
/// nothing.
#[test]
fn host_the_server_of_a_run() {
    let (Ok(runner), Some(ready)) = (env::var(RUNNER), env::var_os(READY)) else {
        return;
    };
    let url = of_this_process();
    // By renaming, so that nobody reads half of it.
    let ready = Path::new(&ready);
    let part = ready.with_extension("part");
    fs::write(&part, url).unwrap();
    fs::rename(&part, ready).unwrap();
    while is_there(&runner) {
        std::thread::sleep(Duration::from_millis(200));
    }
    fs::remove_file(ready).unwrap();
}

/// Whether a process lives.
fn is_there(pid: &str) -> bool {
    let asked = Command::new("kill")
        .args(["-0", pid])
        .stderr(Stdio::null())
        .status();
    asked.unwrap().success()
}
