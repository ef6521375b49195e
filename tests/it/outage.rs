//! PostgreSQL stops and comes back, it is full, or the service is full: callers get an error at once that asks for a
//! retry.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use outbound_tasks::{
    embedded::{Durability, Embedded},
    server::Options,
};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{
    PATIENCE, TempDir,
    database::Database,
    eventually,
    process::kill,
    server::{Server, options},
    wire::{Caller, WIRES, Wire},
};

const SECOND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(3);
const CLIENTS: usize = 16;

/// Answers that the clients under way have got since the last check.
#[derive(Default)]
struct Seen {
    good: AtomicU32,
    unavailable: AtomicU32,
    end: AtomicBool,
}

/// Makes calls over one transport until the test stops it. Any answer except a good one or a well-formed UNAVAILABLE
/// fails the test.
async fn call_on(server: Arc<Server>, seen: Arc<Seen>, wire: Wire) {
    let caller = Caller::new(server.address);
    while !seen.end.load(Relaxed) {
        let began = Instant::now();
        let answer = caller.list(wire, &[("x-api-key", &server.key)]).await;
        let took = began.elapsed();
        assert!(
            took < DEADLINE + SECOND / 2,
            "{wire:?} took {took:?}: {answer:?}"
        );
        if answer.code == Code::Ok {
            assert_eq!(answer.total, Some(50));
            seen.good.fetch_add(1, Relaxed);
        } else {
            assert_eq!(answer.code, Code::Unavailable, "{wire:?}: {answer:?}");
            assert!(answer.retry_after.is_some(), "{wire:?}: {answer:?}");
            seen.unavailable.fetch_add(1, Relaxed);
            // A client that is asked to retry waits before it does.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn wait_for_health(server: &Server, wanted: i32, limit: Duration) {
    let client = HealthClient::new(server.channel().await);
    let so = async || {
        let asked = client.clone().check(HealthCheckRequest::default()).await;
        asked.unwrap().into_inner().status == wanted
    };
    eventually(&format!("health is {wanted}"), limit, so).await;
}

async fn start_postgres(dir: &Path) -> Embedded {
    Embedded::start(dir, Durability::Durable).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_answered_unavailable_until_it_ends() {
    let dir = TempDir::new();
    let mut postgres = start_postgres(&dir.0).await;
    let database = Database::on(&postgres).await;
    let options = Options {
        request_timeout: DEADLINE,
        ..options()
    };
    let server = Arc::new(Server::start_on(database, options).await);
    server.database.add_tasks("demo", 50).await;
    wait_for_health(&server, 1, 2 * SECOND).await;
    let seen = Arc::new(Seen::default());
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let wire = WIRES[n % WIRES.len()];
        clients.spawn(call_on(Arc::clone(&server), Arc::clone(&seen), wire));
    }
    for end in ["in order", "QUIT", "KILL"] {
        seen.good.store(0, Relaxed);
        let busy = async || seen.good.load(Relaxed) > 50;
        eventually(&format!("{end}: load"), PATIENCE, busy).await;
        if end == "in order" {
            postgres.stop().await.unwrap();
        } else {
            kill(postgres.pid(), end);
            // A connection to a killed server may end without an orderly shutdown.
            let _ = postgres.stop().await;
        }
        wait_for_health(&server, 2, 2 * SECOND).await;
        seen.unavailable.store(0, Relaxed);
        let reported = async || seen.unavailable.load(Relaxed) > 10 * CLIENTS as u32;
        eventually(
            &format!("{end}: every client gets UNAVAILABLE"),
            PATIENCE,
            reported,
        )
        .await;
        postgres = start_postgres(&dir.0).await;
        seen.good.store(0, Relaxed);
        let answered = async || seen.good.load(Relaxed) > 0;
        eventually(&format!("{end}: it answers again"), 3 * SECOND, answered).await;
        wait_for_health(&server, 1, 3 * SECOND).await;
    }
    seen.end.store(true, Relaxed);
    clients.join_all().await;
    postgres.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_pool_is_answered_with_a_retry_delay() {
    let server = Server::start_uncached(options()).await;
    let observer = server.database.client().await;
    let lock = server.database.lock_tasks().await;
    let holders = hold(&server, server.database.options().pool_size);
    let full = async || server.database.count_waiting(&observer).await == 4;
    eventually("the pool is full", PATIENCE, full).await;
    let mut calls = JoinSet::new();
    for wire in WIRES {
        let (caller, key) = (Caller::new(server.address), server.key.clone());
        calls.spawn(async move {
            let began = Instant::now();
            let answer = caller.list(wire, &[("x-api-key", &key)]).await;
            (wire, began.elapsed(), answer)
        });
    }
    for (wire, took, answer) in calls.join_all().await {
        assert_eq!(answer.code, Code::Unavailable, "{wire:?}: {answer:?}");
        assert!(answer.retry_after.is_some(), "{wire:?}: {answer:?}");
        assert!(took < SECOND * 5 / 2, "{wire:?} took {took:?}");
    }
    // The service stays healthy: an orchestrator would restart an unhealthy one for nothing.
    wait_for_health(&server, 1, SECOND).await;
    drop(lock);
    assert!(
        holders
            .join_all()
            .await
            .iter()
            .all(|code| *code == Code::Ok)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_answered_at_once_with_a_retry_delay() {
    let server = Server::start_uncached(Options {
        // One tenant gets two of the three permits.
        max_in_flight: 3,
        ..options()
    })
    .await;
    let observer = server.database.client().await;
    let lock = server.database.lock_tasks().await;
    let holders = hold(&server, 2);
    let full = async || server.database.count_waiting(&observer).await == 2;
    eventually("the service is full", PATIENCE, full).await;
    for wire in WIRES {
        let caller = Caller::new(server.address);
        let began = Instant::now();
        let answer = caller.list(wire, &[("x-api-key", &server.key)]).await;
        let took = began.elapsed();
        assert_eq!(answer.code, Code::Unavailable, "{wire:?}: {answer:?}");
        assert!(answer.retry_after.is_some(), "{wire:?}: {answer:?}");
        assert!(took < SECOND / 2, "{wire:?} took {took:?}");
    }
    // The service stays healthy: an orchestrator would restart an unhealthy one for nothing.
    wait_for_health(&server, 1, SECOND).await;
    drop(lock);
    assert!(
        holders
            .join_all()
            .await
            .iter()
            .all(|code| *code == Code::Ok)
    );
    let caller = Caller::new(server.address);
    let answer = caller.list(Wire::Grpc, &[("x-api-key", &server.key)]).await;
    assert_eq!(answer.code, Code::Ok, "{answer:?}");
}

/// Makes this number of calls at the same time.
fn hold(server: &Server, count: usize) -> JoinSet<Code> {
    let mut calls = JoinSet::new();
    for _ in 0..count {
        let (caller, key) = (Caller::new(server.address), server.key.clone());
        calls.spawn(async move { caller.list(Wire::Grpc, &[("x-api-key", &key)]).await.code });
    }
    calls
}
