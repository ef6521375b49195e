//! Limits per address of calls without a valid key: who is refused, who is not, and what the limit protects.

use std::time::Duration;

use outbound_tasks::{
    domain::rate::{Limit, Unit},
    request::{AddressLimits, Network, Proxies},
    server::{Limits, Options},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::watch, task::JoinSet};
use tonic::Code;

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    http::Http,
    keys::unknown_key,
    process::Process,
    server::{Server, options},
    wire::{Caller, LIST, Outcome, WIRES, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// A server whose addresses may send this many calls without a valid key, behind a trusted proxy.
async fn strict(failed_keys: &str) -> Server {
    let addresses = AddressLimits {
        connections: None,
        failed_keys: Limit::parse(failed_keys, Unit::Calls).unwrap(),
        proxies: Proxies::new(&[Network::parse("127.0.0.1").unwrap()]),
    };
    let limits = Limits {
        addresses,
        ..options().limits
    };
    Server::start_with(Options {
        limits,
        ..options()
    })
    .await
}

/// A list from this address.
async fn list_from(server: &Server, wire: Wire, client: &str, key: &str) -> Outcome {
    let headers = [("x-api-key", key), ("x-forwarded-for", client)];
    Caller::new(server.address).list(wire, &headers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_wrong_keys_are_limited_per_address() {
    let server = strict("4/1h").await;
    let list = async |wire, client: &str, key: &str| list_from(&server, wire, client, key).await;
    let unknown = unknown_key("demo");
    for key in ["garbage", &unknown, &unknown_key("nobody"), "otk_"] {
        let answer = list(Wire::Json1, "192.0.2.1", key).await;
        assert_eq!(answer.code, Code::Unauthenticated, "{answer:?}");
    }
    for wire in WIRES {
        for key in ["garbage", &unknown, &unknown_key("demo")] {
            let refused = list(wire, "192.0.2.1", key).await;
            assert_eq!(refused.code, Code::ResourceExhausted, "{refused:?}");
            let error = &refused.error;
            assert!(error.contains("TOO_MANY_FAILED_KEYS"), "{refused:?}");
            let wait = refused.retry_after.unwrap();
            assert!(wait > 600 * SECOND && wait <= 900 * SECOND, "{wait:?}");
        }
    }
    // Another client, and one that pretends to be the first or another one.
    for client in [
        "192.0.2.2",
        "192.0.2.1, 192.0.2.3",
        "2001:db8::1, 192.0.2.3",
    ] {
        let answer = list(Wire::Json1, client, &unknown).await;
        assert_eq!(answer.code, Code::Unauthenticated, "{client}: {answer:?}");
    }
    let forged = ["1.1.1.1, 192.0.2.1", "192.0.2.2, 192.0.2.1, 127.0.0.1"];
    for client in forged {
        let answer = list(Wire::Json1, client, &unknown).await;
        assert_eq!(answer.code, Code::ResourceExhausted, "{client}: {answer:?}");
    }
    // IPv6 is limited by network.
    for n in 0..6 {
        let answer = list(Wire::Grpc, &format!("2001:db8::{n}"), &unknown).await;
        let wanted = [Code::Unauthenticated, Code::ResourceExhausted][usize::from(n >= 4)];
        assert_eq!(answer.code, wanted, "{n}: {answer:?}");
    }
    // A call without any key counts too: it is logged as well.
    let caller = Caller::new(server.address);
    for n in 0..6 {
        let headers = [("x-forwarded-for", "192.0.2.4")];
        let answer = caller.list(Wire::Json2, &headers).await;
        let wanted = [Code::Unauthenticated, Code::ResourceExhausted][usize::from(n >= 4)];
        assert_eq!(answer.code, wanted, "{n}: {answer:?}");
    }
}

/// Callers behind the same address as the sender of wrong keys go on, also with a key that the service has never seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_works_beside_wrong_ones() {
    let server = strict("4/1h").await;
    let stop = watch::Sender::new(());
    let mut flood = JoinSet::new();
    for n in 0..20 {
        let (address, stopped) = (server.address, stop.subscribe());
        flood.spawn(async move {
            let caller = Caller::new(address);
            let (mut refused, mut answered) = (0, 0);
            while !stopped.has_changed().unwrap() {
                let key = unknown_key("demo");
                let headers = [("x-api-key", &*key), ("x-forwarded-for", "192.0.2.1")];
                let answer = caller.list(WIRES[n % WIRES.len()], &headers).await;
                assert_ne!(answer.code, Code::Ok);
                refused += usize::from(answer.code == Code::ResourceExhausted);
                answered += usize::from(answer.code == Code::Unauthenticated);
            }
            (refused, answered)
        });
    }
    let under_way = async || {
        let answer = list_from(&server, Wire::Grpc, "192.0.2.1", "garbage").await;
        answer.code == Code::ResourceExhausted
    };
    eventually("the flood is refused", PATIENCE, under_way).await;
    for wire in WIRES.into_iter().cycle().take(20) {
        let key = server.another_key("demo").await;
        let works = async || {
            let answer = list_from(&server, wire, "192.0.2.1", &key).await;
            // On a busy machine, the checks before it may take longer than a call waits.
            let is_late = answer.code == Code::Unavailable;
            assert!(answer.code == Code::Ok || is_late, "{answer:?}");
            !is_late
        };
        eventually("a new key works", PATIENCE, works).await;
        let answer = list_from(&server, wire, "192.0.2.1", &key).await;
        assert_eq!(answer.code, Code::Ok, "{answer:?}");
    }
    // Nobody else is behind the flood: a wrong key of another address is answered as such.
    let answer = list_from(&server, Wire::Grpc, "192.0.2.9", &unknown_key("demo")).await;
    assert_eq!(answer.code, Code::Unauthenticated, "{answer:?}");
    stop.send_replace(());
    let (mut refused, mut answered) = (0, 0);
    while let Some(done) = flood.join_next().await {
        let (more_refused, more_answered) = done.unwrap();
        refused += more_refused;
        answered += more_answered;
    }
    assert!(
        refused > 20 && answered <= 4,
        "{refused} refused, {answered} answered"
    );
}

/// What the limit protects: the database, of which a flood gets a small share.
#[tokio::test(flavor = "multi_thread")]
async fn checks_of_suspect_keys_leave_the_database_to_others() {
    let server = strict("4/1h").await;
    for _ in 0..5 {
        list_from(&server, Wire::Grpc, "192.0.2.1", "garbage").await;
    }
    let new = server.another_key("demo").await;
    let lock = server.database.client().await;
    let sql = "BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE";
    lock.batch_execute(sql).await.unwrap();
    let mut flood = JoinSet::new();
    for _ in 0..20 {
        let address = server.address;
        flood.spawn(async move {
            let (caller, key) = (Caller::new(address), unknown_key("demo"));
            let headers = [("x-api-key", &*key), ("x-forwarded-for", "192.0.2.1")];
            caller.list(Wire::Grpc, &headers).await
        });
    }
    // One of them queries; the others wait, and are refused after a while.
    for _ in 0..19 {
        let busy = flood.join_next().await.unwrap().unwrap();
        assert_eq!(busy.code, Code::Unavailable, "{busy:?}");
        let (used, _, waiting) = server.app.pool_status();
        assert!((used, waiting) <= (1, 0), "{used} used, {waiting} wait");
    }
    // A new key of another address does not wait behind that one.
    let other = list_from(&server, Wire::Grpc, "192.0.2.2", &new);
    let unlocked = async {
        let both = async || server.app.pool_status().0 == 2;
        eventually("both query", 2 * SECOND, both).await;
        lock.batch_execute("ROLLBACK").await.unwrap();
    };
    let (answer, ()) = tokio::join!(other, unlocked);
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
    let last = flood.join_next().await.unwrap().unwrap();
    assert_eq!(last.code, Code::ResourceExhausted, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_keys_is_logged_once() {
    let database = Database::new().await;
    let process = Process::serve(&database, &["--failed-keys=5/h"]).await;
    let http = Http::new(process.address, "garbage");
    for n in 0..50 {
        let answer = http.list("").await;
        let wanted = if n < 5 { 401 } else { 429 };
        assert_eq!(answer.status, wanted, "{n}");
    }
    let metrics = Http::new(process.admin, "").get("/metrics").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    let counted = "\noutbound_tasks_failed_keys_refused_total 45\n";
    assert!(metrics.contains(counted), "{metrics}");
    let line = "too many without a valid key came from their address";
    let lines = async || {
        let log = process.log();
        log.contains(line) && log.contains("calls are refused; ")
    };
    eventually("the refusals are logged", PATIENCE, lines).await;
    let log = process.log();
    assert_eq!(log.matches(line).count(), 1, "{log}");
    assert!(log.contains("peer=127.0.0.1"), "{log}");
    // The first ones have a line each, and all others one together.
    assert_eq!(log.matches(" code=\"UNAUTHENTICATED\"").count(), 5, "{log}");
    assert_eq!(log.matches("calls are refused; ").count(), 1, "{log}");
}

/// A flood that does not wait for its answers has no log line for each call either.
#[tokio::test(flavor = "multi_thread")]
async fn suspect_calls_that_are_given_up_are_not_logged() {
    let database = Database::demo().await;
    let process = Process::serve(&database, &["--failed-keys=5/h"]).await;
    let http = Http::new(process.address, "garbage");
    for _ in 0..6 {
        http.list("").await;
    }
    let lock = database.client().await;
    let sql = "BEGIN; LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE";
    lock.batch_execute(sql).await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(process.address).await.unwrap();
        let key = unknown_key("demo");
        let head = format!("GET {LIST} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    // One of them queries, and the others wait for their turn.
    let observer = database.client().await;
    let waits = async || database.count_waiting(&observer).await == 1;
    eventually("a query waits for the lock", PATIENCE, waits).await;
    drop(streams);
    let admin = Http::new(process.admin, "");
    let gone = async || {
        let metrics = String::from_utf8(admin.get("/metrics").await.body).unwrap();
        metrics.contains("code=\"CANCELLED\"}")
    };
    eventually("calls are given up", PATIENCE, gone).await;
    lock.batch_execute("ROLLBACK").await.unwrap();
    // A line behind them.
    assert_eq!(http.get("/nowhere").await.status, 404);
    let logged = async || process.log().contains("code=\"NOT_FOUND\"");
    eventually("the last call is logged", PATIENCE, logged).await;
    let log = process.log();
    assert!(!log.contains("CANCELLED"), "{log}");
}
