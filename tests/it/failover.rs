//! A URL with several hosts, of which the first does not answer: the others are tried, and the service remembers the
//! one that answered.

use std::time::{Duration, Instant};

use http::Method;
use tonic::Code;

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    hosts::{BlackHole, Proxy},
    http::Http,
    keys,
    process::Process,
    watch::{Picture, Watch},
    wire::{Caller, WIRES, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

async fn with_tasks() -> (Database, String) {
    let database = Database::demo().await;
    database.add_tasks("demo", 50).await;
    let key = keys::create(&database, "read", &[]).await;
    (database, key)
}

async fn assert_ready(program: &Process, limit: Duration) {
    let admin = Http::new(program.admin, "");
    let ready = async || {
        let answer = admin.send(Method::GET, "/readyz", &[], Vec::new()).await;
        answer.status == 200
    };
    eventually("it is ready", limit, ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_first_host_costs_its_time_once() {
    let (database, key) = with_tasks().await;
    let (dead, live) = (BlackHole::new(), Proxy::to(&database).await);
    let both = database.at(&[dead.address, live.address], "");

    // A command: one connection, after the connect timeout of the first host.
    let began = Instant::now();
    let status = both.succeed(&["migrate", "status"], b"").await;
    assert!(status.starts_with("applied "), "{status}");
    assert!(began.elapsed() > SECOND * 2, "the first host answers");
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());

    // COPY, on a connection of its own.
    let task = r#"{"task_id":"new","name":"new","start_time":"2026-01-01T00:00:00Z","end_time":"2026-01-02T00:00:00Z"}"#;
    both.succeed(&["import", "-", "--tenant=demo"], task.as_bytes())
        .await;

    // A service: the pool, the health check, the reader of the change log, and a connection for each export and for
    // each watch that begins.
    let program = Process::serve(&both, &[]).await;
    assert_ready(&program, 5 * SECOND).await;
    let caller = Caller::new(program.address);
    let http = Http::new(program.address, &key);
    for wire in WIRES {
        let began = Instant::now();
        let answer = caller.list(wire, &[("x-api-key", &key)]).await;
        assert_eq!(
            (answer.code, answer.total),
            (Code::Ok, Some(51)),
            "{wire:?}"
        );
        let answer = http.get("/api/v1/outboundtasks:export").await;
        let lines = answer.body.split(|b| *b == b'\n').count();
        assert_eq!((answer.status.as_u16(), lines), (200, 52));
        let mut watch = Watch::begin(program.address, &key, Picture::default().request())
            .await
            .unwrap();
        let first = watch.next().await.unwrap().unwrap();
        assert_eq!(first.changes.len(), 51);
        assert!(
            began.elapsed() < SECOND * 2,
            "{wire:?}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_with_the_second_host_when_the_first_one_dies() {
    let (database, key) = with_tasks().await;
    let (first, second) = (Proxy::to(&database).await, Proxy::to(&database).await);
    let both = database.at(&[first.address, second.address], "");
    let program = Process::serve(&both, &[]).await;
    assert_ready(&program, PATIENCE).await;
    let caller = Caller::new(program.address);
    let address = first.address;
    drop(first);
    let rebound = async || tokio::net::TcpListener::bind(address).await.is_ok();
    eventually("the first host's port is free", PATIENCE, rebound).await;
    let _dead = BlackHole::at(address);
    let good = async || {
        let answer = caller.list(Wire::Grpc, &[("x-api-key", &key)]).await;
        answer.code == Code::Ok
    };
    eventually("the second host answers", 10 * SECOND, good).await;
    assert_ready(&program, 10 * SECOND).await;
    let text = "the database answers at another host";
    eventually(text, PATIENCE, async || program.log().contains(text)).await;
    for _ in 0..20 {
        let began = Instant::now();
        assert!(good().await);
        assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_cancelled_at_the_host_that_runs_it() {
    let (database, key) = with_tasks().await;
    let (dead, live) = (BlackHole::new(), Proxy::to(&database).await);
    let both = database.at(&[dead.address, live.address], "");
    let program = Process::serve(&both, &["--request-timeout=500ms"]).await;
    assert_ready(&program, PATIENCE).await;
    let observer = database.client().await;
    let lock = database.lock_tasks().await;
    let caller = Caller::new(program.address);
    let answer = caller.list(Wire::Grpc, &[("x-api-key", &key)]).await;
    assert_eq!(answer.code, Code::DeadlineExceeded, "{answer:?}");
    // client_connection_check_interval alone would end it after a second at the earliest.
    let gone = async || database.count_waiting(&observer).await == 0;
    eventually("the statement is gone", 3 * SECOND, gone).await;
    drop(lock);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connect_timeout_is_that_of_the_url() {
    let database = Database::empty().await;
    let dead = BlackHole::new();
    for (parameters, limit, text) in [
        ("", 2, "no answer within 2s"),
        ("&connect_timeout=1", 1, "no answer within 1s"),
        ("&connect_timeout=4", 4, "no answer within 4s"),
    ] {
        let url = database.at(&[dead.address], parameters);
        let began = Instant::now();
        let output = url.run(&["migrate", "status"], b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(text), "{said}");
        assert!(said.contains(&dead.address.to_string()), "{said}");
        let took = began.elapsed();
        assert!(took >= SECOND * limit, "{took:?}: {said}");
        assert!(took < SECOND * limit + PATIENCE / 2, "{took:?}: {said}");
    }
}
