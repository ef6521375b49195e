//! How the program starts and ends: exit codes, error lines, signals.

use std::time::{Duration, Instant};

use http::Method;
use tokio::net::{TcpListener, TcpStream};
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    http::Http,
    http2,
    keys::create,
    process::Process,
    wire::{Caller, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// A migrated database and a key of its tenant.
async fn with_key() -> (Database, String) {
    let database = Database::demo().await;
    let key = create(&database, "read", &[]).await;
    (database, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_calls_under_way_within_a_time_limit() {
    let (database, key) = with_key().await;
    let flags = ["--shutdown-delay=1s", "--drain-timeout=3s"];
    let mut program = Process::serve(&database, &flags).await;
    let address = program.address;

    let _idle = TcpStream::connect(address).await.unwrap();
    let _never_reads = http2::connect(address).await;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let watch = health.watch(HealthCheckRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    while watch.message().await.unwrap().unwrap().status != 1 {}
    let observer = database.client().await;
    let lock = database.lock_tasks().await;
    let (caller, of_call) = (Caller::new(address), key.clone());
    let call =
        tokio::spawn(async move { caller.list(Wire::Grpc, &[("x-api-key", &of_call)]).await });
    let waits = async || database.count_waiting(&observer).await == 1;
    eventually("the call is under way", PATIENCE, waits).await;

    let began = Instant::now();
    program.signal("TERM");
    let reported = watch.message().await.unwrap().unwrap();
    assert_eq!(reported.status, 2, "health says NOT_SERVING");
    assert!(began.elapsed() < SECOND / 2, "{:?}", began.elapsed());
    let admin = Http::new(program.admin, "");
    let ready = admin.send(Method::GET, "/readyz", &[], Vec::new()).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body, b"not ready: stopping\n");
    // Load balancers may still send connections: new ones are served.
    let late = Caller::new(address).list(Wire::Json1, &[]).await;
    assert_eq!(late.code, Code::Unauthenticated, "{late:?}");
    let refused = async || TcpStream::connect(address).await.is_err();
    eventually("new connections are refused", 2 * SECOND, refused).await;
    assert!(began.elapsed() > SECOND * 9 / 10, "{:?}", began.elapsed());
    drop(lock);
    let answer = call.await.unwrap();
    assert_eq!(
        (answer.code, answer.total),
        (Code::Ok, Some(0)),
        "{answer:?}"
    );
    let status = program.ended(5 * SECOND).await;
    assert!(began.elapsed() < 6 * SECOND, "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(0), "{}", program.log());
}

/// An idle connection closes at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_nothing_under_way_is_quick() {
    let (database, key) = with_key().await;
    for signal in ["TERM", "INT"] {
        let flags = ["--shutdown-delay=0s", "--drain-timeout=20s"];
        let mut program = Process::serve(&database, &flags).await;
        let _idle = TcpStream::connect(program.address).await.unwrap();
        let caller = Caller::new(program.address);
        for wire in [Wire::Grpc, Wire::Json1] {
            caller.list(wire, &[("x-api-key", &key)]).await;
        }
        program.signal(signal);
        let status = program.ended(2 * SECOND).await;
        assert_eq!(status.code(), Some(0), "{signal}: {}", program.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_service_at_once() {
    let (database, key) = with_key().await;
    let flags = ["--shutdown-delay=20s", "--drain-timeout=20s"];
    let mut program = Process::serve(&database, &flags).await;
    let observer = database.client().await;
    let _lock = database.lock_tasks().await;
    let caller = Caller::new(program.address);
    let call = tokio::spawn(async move {
        caller
            .try_list(Wire::Grpc, "", &[("x-api-key", &key)])
            .await
    });
    let waits = async || database.count_waiting(&observer).await == 1;
    eventually("the call is under way", PATIENCE, waits).await;
    program.signal("TERM");
    let stopping = async || program.log().contains("stopping");
    eventually("it stops", 2 * SECOND, stopping).await;
    assert!(!program.has_ended());
    program.signal("TERM");
    let status = program.ended(SECOND).await;
    assert_eq!(status.code(), Some(1), "{}", program.log());
    assert!(call.await.unwrap().is_err());
    // Its statement ends too: PostgreSQL notices the closed connection.
    let none = async || database.count_waiting(&observer).await == 0;
    eventually("the statement ends", 3 * SECOND, none).await;
}

/// Runs `serve`, which must fail to start. Returns its exit code and its error, which must be one line.
async fn refused(database: &Database, flags: &[&str]) -> (i32, String) {
    let mut arguments = vec!["serve", "--admin-listen=127.0.0.1:0"];
    arguments.extend(flags);
    let output = tokio::time::timeout(10 * SECOND, database.run(&arguments, b"")).await;
    let output = output.expect("it ends by itself");
    assert!(output.stdout.is_empty());
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_start_is_reported_in_one_sentence() {
    let nowhere = Database {
        url: "postgresql://me:hunter2@127.0.0.1:1/nowhere".to_owned(),
        application: String::new(),
        role: None,
    };
    let (code, said) = refused(&nowhere, &["--listen=127.0.0.1:0"]).await;
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    assert!(said.contains("database cannot be reached"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");

    let empty = Database::empty().await;
    let (code, said) = refused(&empty, &["--listen=127.0.0.1:0"]).await;
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        // Beside the migrations there are README.md and checksums.txt.
        if !entry.file_type().unwrap().is_dir() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        assert!(said.contains(&name), "{name}: {said}");
    }
    assert!(said.contains("outbound-tasks migrate"), "{said}");

    let migrated = Database::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap();
    let (code, said) = refused(&migrated, &[&format!("--listen={port}")]).await;
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    assert!(said.contains(&format!("cannot listen on {port}")), "{said}");

    for flag in [
        "--colour=red",
        "--listen=here",
        "--pool-size=0",
        "--log=a=b=c",
    ] {
        let (code, said) = refused(&migrated, &[flag]).await;
        assert_eq!(code, 2, "{flag}: {said}");
        assert!(said.contains(&flag[..5]), "{flag}: {said}");
    }
}
