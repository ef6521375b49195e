//! Deadlines, and callers that disconnect: the answer is right, and no statement runs on after its call has ended.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use outbound_tasks::{
    pb::{self, TaskAction},
    server::Options,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};
use tokio_stream::StreamExt;
use tonic::Code;

use crate::support::{
    PATIENCE,
    client::{Act, Client},
    eventually, import,
    server::{Server, options},
    wire::{Caller, LIST, WIRES, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

async fn start() -> Server {
    start_with(options()).await
}

async fn start_with(options: Options) -> Server {
    let server = Server::start_with(options).await;
    server.database.add_tasks("demo", 50).await;
    server
}

async fn start_uncached() -> Server {
    let server = Server::start_uncached(options()).await;
    server.database.add_tasks("demo", 50).await;
    server
}

/// Afterwards the service answers fast and right, with no more connections than it may have.
async fn assert_healthy(server: &Server) {
    let caller = Caller::new(server.address);
    for n in 0..200 {
        let began = Instant::now();
        let answer = caller
            .list(WIRES[n % WIRES.len()], &[("x-api-key", &server.key)])
            .await;
        let took = began.elapsed();
        assert_eq!(
            (answer.code, answer.total),
            (Code::Ok, Some(50)),
            "{n}: {answer:?}"
        );
        assert!(took < SECOND, "call {n} took {took:?}");
    }
    let observer = server.database.client().await;
    // Those of the pool, of the health check, of the compaction of counts, and of the reader of the change log.
    let most = server.database.options().pool_size as i64 + 3;
    let few = async || server.database.count_backends(&observer, "true").await <= most;
    eventually("no more connections than the pool's", 2 * SECOND, few).await;
}

/// Waits until no statement waits for the lock any more.
async fn assert_cancelled(server: &Server, what: &str) {
    let observer = server.database.client().await;
    let none = async || server.database.count_waiting(&observer).await == 0;
    eventually(&format!("{what}: its statement is gone"), SECOND, none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passed_deadline_is_answered_in_time_and_ends_the_statement() {
    let server = start().await;
    let caller = Caller::new(server.address);
    let lock = server.database.lock_tasks().await;
    for wire in WIRES {
        let began = Instant::now();
        let headers = [("x-api-key", &*server.key), ("grpc-timeout", "200m")];
        let answer = caller.list(wire, &headers).await;
        let took = began.elapsed();
        assert_eq!(answer.code, Code::DeadlineExceeded, "{wire:?}: {answer:?}");
        let way_out = "a narrower filter is faster, and page_token reaches distant pages";
        assert!(answer.error.contains(way_out), "{wire:?}: {answer:?}");
        assert!((SECOND / 5..SECOND).contains(&took), "{wire:?}: {took:?}");
        assert_cancelled(&server, &format!("{wire:?}")).await;
    }
    drop(lock);
    assert_healthy(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_deadline_passed_may_have_been_done() {
    let server = start_with(Options {
        request_timeout: Duration::from_millis(200),
        ..options()
    })
    .await;
    let client = Client::new(&server).await;
    let _lock = server.database.lock_tasks().await;
    let act = Act {
        task_id: "a",
        ..Act::default()
    };
    let status = client.act(TaskAction::Start, act).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    let way_out = "the change may have been made: repeat the call with its idempotency_key";
    assert!(status.message().contains(way_out), "{status:?}");
}

/// An import has no idempotency key, so its error does not advise to repeat it with one.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_deadline_passed_is_not_to_be_repeated_blindly() {
    let server = start_with(Options {
        stream_timeout: Duration::from_millis(200),
        ..options()
    })
    .await;
    let client = Client::new(&server).await;
    let first = pb::ImportOutboundTasksRequest {
        part: Some(pb::import_outbound_tasks_request::Part::Options(
            import::options(pb::ImportFormat::Ndjson),
        )),
    };
    // The file never comes.
    let messages = tokio_stream::iter([first]).chain(tokio_stream::pending());
    let status = client.import_stream(messages).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    let way_out = "the change may have been made: look whether it was before you repeat the call";
    assert!(status.message().contains(way_out), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_deadline_gets_the_servers() {
    let server = start_with(Options {
        request_timeout: Duration::from_millis(200),
        ..options()
    })
    .await;
    let caller = Caller::new(server.address);
    let _lock = server.database.lock_tasks().await;
    for wire in WIRES {
        let began = Instant::now();
        let answer = caller.list(wire, &[("x-api-key", &server.key)]).await;
        assert_eq!(answer.code, Code::DeadlineExceeded, "{wire:?}: {answer:?}");
        assert!(began.elapsed() < SECOND, "{wire:?}: {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_beyond_the_latest_is_cut_to_it() {
    let server = start_with(Options {
        max_request_timeout: Duration::from_millis(300),
        ..options()
    })
    .await;
    let caller = Caller::new(server.address);
    let _lock = server.database.lock_tasks().await;
    for timeout in ["99999999H", "1M", "10S"] {
        let began = Instant::now();
        let headers = [("x-api-key", &*server.key), ("grpc-timeout", timeout)];
        let answer = caller.list(Wire::Grpc, &headers).await;
        assert_eq!(answer.code, Code::DeadlineExceeded, "{timeout}: {answer:?}");
        assert!(began.elapsed() < SECOND, "{timeout}: {:?}", began.elapsed());
    }
}

/// A deadline that is too short is refused before a statement runs, so it costs no connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_below_the_shortest_is_refused_at_once() {
    let server = start_with(Options {
        min_request_timeout: Duration::from_millis(10),
        ..options()
    })
    .await;
    let caller = Caller::new(server.address);
    for timeout in ["0S", "0m", "1n", "9m", "9999u", "9999999n"] {
        for wire in WIRES {
            let headers = [("x-api-key", &*server.key), ("grpc-timeout", timeout)];
            let answer = caller.list(wire, &headers).await;
            assert_eq!(
                answer.code,
                Code::DeadlineExceeded,
                "{wire:?} {timeout}: {answer:?}"
            );
            let why = format!("{} must be at least 10ms, got ", wire.timeout());
            assert!(
                answer.error.contains(&why),
                "{wire:?} {timeout}: {answer:?}"
            );
            assert!(answer.error.contains("DEADLINE_TOO_SHORT"), "{answer:?}");
        }
    }
    // Neither the key nor the form of the header is checked later than before.
    for (key, timeout, code) in [
        (&*server.key, "x", Code::InvalidArgument),
        ("otk_", "1m", Code::Unauthenticated),
    ] {
        let headers = [("x-api-key", key), ("grpc-timeout", timeout)];
        let answer = caller.list(Wire::Grpc, &headers).await;
        assert_eq!(answer.code, code, "{answer:?}");
    }
    let headers = [("x-api-key", &*server.key), ("grpc-timeout", "20S")];
    assert_eq!(caller.list(Wire::Grpc, &headers).await.code, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_cannot_be_read_is_refused() {
    let server = start().await;
    let caller = Caller::new(server.address);
    for timeout in [
        "",
        "m",
        "10",
        "10x",
        "-1S",
        "1.5S",
        "123456789S",
        "1 S",
        "S1",
        "１S",
    ] {
        for wire in WIRES {
            let headers = [("x-api-key", &*server.key), ("grpc-timeout", timeout)];
            let answer = caller.list(wire, &headers).await;
            assert_eq!(
                answer.code,
                Code::InvalidArgument,
                "{wire:?} {timeout:?}: {answer:?}"
            );
            assert!(answer.error.contains(wire.timeout()), "{}", answer.error);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_of_a_caller_who_went_away_is_ended() {
    let server = start().await;
    let observer = server.database.client().await;
    let lock = server.database.lock_tasks().await;
    let waits = async || server.database.count_waiting(&observer).await == 1;
    for wire in WIRES {
        let (caller, key) = (Caller::new(server.address), server.key.clone());
        let call = tokio::spawn(async move { caller.list(wire, &[("x-api-key", &key)]).await });
        eventually(&format!("{wire:?}: the call waits"), PATIENCE, waits).await;
        call.abort();
        assert_cancelled(&server, &format!("{wire:?}")).await;
    }
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "GET {LIST} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n\r\n",
        server.key
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    eventually("the plain call waits", PATIENCE, waits).await;
    drop(stream);
    assert_cancelled(&server, "a closed connection").await;
    drop(lock);
    assert_healthy(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_500_abandoned_calls_the_first_good_answer_comes_at_once() {
    // Without a cache: calls that ask for the same list would share a statement.
    let server = start_uncached().await;
    let lock = server.database.lock_tasks().await;
    let mut calls = JoinSet::new();
    for n in 0..500 {
        // A connection carries at most 100 calls at a time.
        let caller = Caller::new(server.address);
        let key = server.key.clone();
        let wire = WIRES[n % WIRES.len()];
        // Each comes again when it is refused, since on a busy machine the first have ended before the last begin.
        calls.spawn(async move {
            loop {
                caller.list(wire, &[("x-api-key", &key)]).await;
            }
        });
    }
    let queue = async || server.app.pool_status().2 >= 100;
    eventually("calls queue for a connection", PATIENCE, queue).await;
    calls.abort_all();
    assert_cancelled(&server, "500 abandoned calls").await;
    drop(lock);
    let began = Instant::now();
    let caller = Caller::new(server.address);
    let answer = caller.list(Wire::Grpc, &[("x-api-key", &server.key)]).await;
    assert_eq!(
        (answer.code, answer.total),
        (Code::Ok, Some(50)),
        "{answer:?}"
    );
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_healthy(&server).await;
    let stopped = tokio::time::timeout(2 * SECOND, server.stop()).await;
    assert!(stopped.is_ok(), "the abandoned calls hold the stop up");
}

/// A late cancel request must not end the statement of another call.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_call_fails_beside_2000_cancelled_ones() {
    let server = Arc::new(start().await);
    let mut workers = JoinSet::new();
    for n in 0..16_usize {
        let server = Arc::clone(&server);
        workers.spawn(async move {
            let caller = Caller::new(server.address);
            let doomed = n % 2 == 0;
            let mut cut = 0;
            for round in 0..250 {
                let timeout = format!("{}u", fastrand::u32(0..10_000));
                let mut headers = vec![("x-api-key", &*server.key)];
                if doomed {
                    headers.push(("grpc-timeout", &timeout));
                }
                let answer = caller.list(WIRES[round % WIRES.len()], &headers).await;
                if doomed && answer.code == Code::DeadlineExceeded {
                    cut += 1;
                } else {
                    assert_eq!(
                        (answer.code, answer.total),
                        (Code::Ok, Some(50)),
                        "{answer:?}"
                    );
                }
            }
            cut
        });
    }
    let cut: u32 = workers.join_all().await.iter().sum();
    assert!(
        cut > 200,
        "only {cut} calls were cut short: the test shows nothing"
    );
    assert_healthy(&server).await;
}
