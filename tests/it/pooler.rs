//! A real pgbouncer between the service and PostgreSQL: session mode works with all settings and without cancel requests,
//! transaction mode is refused.

use std::{
    net::{TcpListener, TcpStream},
    os::unix::{fs::MetadataExt, process::CommandExt},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::timeout;
use tonic::Code;

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    http::Http,
    keys,
    process::{Process, collect},
    tls_postgres::{NAME, TlsPostgres},
    wire::{Caller, Wire},
};

struct Pgbouncer {
    child: Child,
    file: String,
    log: Arc<Mutex<String>>,
    port: u16,
}

impl Pgbouncer {
    async fn start(postgres: &TlsPostgres, settings: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let text = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} user=outbound_tasks\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
            listen_port = {port}\nunix_socket_dir =\nauth_type = any\n{settings}\n",
            postgres.port
        );
        let file = postgres.file(&format!("pgbouncer-{port}.ini"), &text);
        // Debian's is where only root looks.
        let mut command = Command::new("pgbouncer");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // As PostgreSQL, it refuses to run as root. Another user may not change to itself.
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            let (uid, gid) = postgres.account();
            command.uid(uid).gid(gid);
        }
        let mut child = command
            .spawn()
            .expect("the tests need pgbouncer: apt-get install pgbouncer");
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().unwrap(), &log);
        let listens = async || TcpStream::connect(("127.0.0.1", port)).is_ok();
        eventually("pgbouncer listens", PATIENCE, listens).await;
        Self {
            child,
            file,
            log,
            port,
        }
    }
}

impl Pgbouncer {
    /// Replaces a setting in the file, and reads it again.
    fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&self.file, text.replace(from, to)).unwrap();
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves by a pooler in session mode with these settings.
async fn assert_serves(settings: &str) {
    let postgres = TlsPostgres::start().await;
    let local = &postgres.database;
    local.succeed(&["tenants", "create", "demo"], b"").await;
    local.add_tasks("demo", 20).await;
    let key = keys::create(local, "read", &[]).await;
    let pooler = Pgbouncer::start(&postgres, settings).await;
    let database = postgres.at(
        NAME,
        pooler.port,
        "&options=-csearch_path%3Dpublic%20-c%20work_mem%3D5MB",
    );
    let program = Process::serve(&database, &["--request-timeout=500ms"]).await;
    let caller = Caller::new(program.address);
    let headers = [("x-api-key", &*key)];
    let answer = caller.list(Wire::Grpc, &headers).await;
    assert_eq!(
        (answer.code, answer.total),
        (Code::Ok, Some(20)),
        "{answer:?}"
    );

    // So that the cache has no answer for the next list.
    let task = r#"{"task_id":"new","name":"new","start_time":"2026-01-01T00:00:00Z","end_time":"2026-01-02T00:00:00Z"}"#;
    let import = ["import", "-", "--tenant=demo"];
    database.succeed(&import, task.as_bytes()).await;

    // The statement of a call that timed out ends within the interval of client_connection_check_interval, which is a
    // setting of the session, and without a cancel request.
    let asking = local.client().await;
    let lock = local.lock_tasks().await;
    let answer = caller.list(Wire::Grpc, &headers).await;
    assert_eq!(answer.code, Code::DeadlineExceeded, "{answer:?}");
    let gone = async || local.count_waiting(&asking).await == 0;
    eventually("the statement is gone", Duration::from_secs(5), gone).await;
    drop(lock);
    let log = pooler.log.lock().unwrap().clone();
    assert!(!log.contains("cancel"), "{log}");
    let answer = caller.list(Wire::Grpc, &headers).await;
    assert_eq!(
        (answer.code, answer.total),
        (Code::Ok, Some(21)),
        "{answer:?}"
    );
    drop(program);

    // COPY out; the import above was one in.
    let exported = database.succeed(&["export", "--tenant=demo"], b"").await;
    assert_eq!(exported.lines().count(), 21, "{exported}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_session_mode_that_refuses_options_works() {
    assert_serves("pool_mode = session").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_session_mode_that_ignores_options_works() {
    assert_serves("pool_mode = session\nignore_startup_parameters = options").await;
}

/// Sessions that lost their backend and with it their prepared statements are not used again.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_was_in_transaction_mode_for_a_while_is_used_again() {
    let postgres = TlsPostgres::start().await;
    let local = &postgres.database;
    local.succeed(&["tenants", "create", "demo"], b"").await;
    local.add_tasks("demo", 20).await;
    let key = keys::create(local, "read", &[]).await;
    let pooler = Pgbouncer::start(&postgres, "pool_mode = session").await;
    let database = postgres.at(NAME, pooler.port, "");
    let program = Process::serve(&database, &["--list-cache=0"]).await;
    let caller = Caller::new(program.address);
    let headers = [("x-api-key", &*key)];
    let list = async || caller.list(Wire::Grpc, &headers).await;
    assert_eq!(list().await.code, Code::Ok);

    pooler.change("pool_mode = session", "pool_mode = transaction");
    let failed = async || {
        let lists = (0..16).map(|_| list());
        let codes = futures_util::future::join_all(lists).await;
        for answer in &codes {
            let is_expected = matches!(answer.code, Code::Ok | Code::Unavailable);
            assert!(is_expected, "{answer:?}");
        }
        codes.iter().any(|answer| answer.code == Code::Unavailable)
    };
    eventually("a session has lost its statements", PATIENCE, failed).await;
    pooler.change("pool_mode = transaction", "pool_mode = session");
    let all_good = async || {
        for _ in 0..30 {
            if list().await.code != Code::Ok {
                return false;
            }
        }
        true
    };
    eventually("all lists are answered", PATIENCE, all_good).await;
}

/// A pooler with fewer connections than the service would like to have: its own work has them first, and calls take turns.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_with_few_connections_is_shared_out() {
    let postgres = TlsPostgres::start().await;
    let local = &postgres.database;
    local.succeed(&["tenants", "create", "demo"], b"").await;
    local.add_tasks("demo", 20).await;
    let key = keys::create(local, "read", &[]).await;
    let settings = "pool_mode = session\ndefault_pool_size = 5";
    let pooler = Pgbouncer::start(&postgres, settings).await;
    let database = postgres.at(NAME, pooler.port, "");
    let program = Process::serve(&database, &["--list-cache=0"]).await;
    let log = program.log();
    let said = "the database gives the service 5 of 11 connections, and it goes on with those";
    assert!(
        log.contains(said) && log.contains("default_pool_size"),
        "{log}"
    );
    let admin = Http::new(program.admin, "");
    let ready = async || admin.get("/readyz").await.body == b"ready\n";
    eventually("it is ready", PATIENCE, ready).await;
    let caller = Caller::new(program.address);
    let headers = [("x-api-key", &*key)];
    for _ in 0..5 {
        let lists = (0..16).map(|_| caller.list(Wire::Grpc, &headers));
        for answer in futures_util::future::join_all(lists).await {
            assert_eq!(
                (answer.code, answer.total),
                (Code::Ok, Some(20)),
                "{answer:?}"
            );
        }
    }
    // An export takes one of the pool's.
    let export = Http::new(program.address, &key)
        .get("/api/v1/outboundtasks:export")
        .await;
    assert_eq!(export.body.split(|byte| *byte == b'\n').count(), 21);
    assert_eq!(admin.get("/readyz").await.body, b"ready\n");
    drop(program);

    // Another pooler, because this one would keep its five connections for a while.
    drop(pooler);
    let settings = "pool_mode = session\ndefault_pool_size = 3";
    let pooler = Pgbouncer::start(&postgres, settings).await;
    let database = postgres.at(NAME, pooler.port, "");
    let enough = async || {
        let serve = [
            "serve",
            "--listen=127.0.0.1:0",
            "--admin-listen=127.0.0.1:0",
        ];
        let output = timeout(PATIENCE, database.run(&serve, b"")).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let wanted = "gives the service 3 connections but it needs at least 4: 3 for itself and one for calls; the connection \
            pooler before it has no more";
        output.status.code() == Some(1) && said.contains(wanted)
    };
    assert!(enough().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_in_transaction_mode_is_refused() {
    let postgres = TlsPostgres::start().await;
    for settings in [
        "pool_mode = transaction",
        "pool_mode = transaction\nignore_startup_parameters = options",
        "pool_mode = transaction\nserver_round_robin = 1",
        "pool_mode = statement",
    ] {
        let pooler = Pgbouncer::start(&postgres, settings).await;
        let database: Database = postgres.at(NAME, pooler.port, "");
        for command in [
            &["migrate", "status"][..],
            &[
                "serve",
                "--listen=127.0.0.1:0",
                "--admin-listen=127.0.0.1:0",
            ],
        ] {
            let output = database.run(command, b"").await;
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{settings}: {said}");
            let wanted = "a connection pooler in transaction mode is before the database, and the service needs sessions";
            assert_eq!(said.matches(wanted).count(), 1, "{settings}: {said}");
        }
    }
}
