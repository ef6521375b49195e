//! Exports that end early: what the caller sees, and that nothing is left running.

use std::time::{Duration, Instant};

use http::{Method, Response};
use hyper::body::Incoming;
use outbound_tasks::{
    pb::{ExportOutboundTasksRequest, ExportOutboundTasksResponse},
    server::Options,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    eventually,
    http::{Error, Http, frame, read},
    large::{self, BACKEND, TASKS, wait_for_blocked},
    server::{Server, options},
    wire::{STREAM_WIRES, Wire},
};

const SECOND: Duration = Duration::from_secs(1);
const HTTP: &str = "/api/v1/outboundtasks:export";
const RPC: &str = "/outboundtasks.v1.OutboundTaskService/ExportOutboundTasks";

async fn start(options: Options) -> Server {
    let server = Server::start_with(options).await;
    large::fill(&server, "demo").await;
    server
}

/// Begins an export and reads its head.
async fn open(server: &Server, wire: Wire, timeout: &str) -> Result<Response<Incoming>, Error> {
    let http = match wire {
        Wire::Web1 | Wire::Json1 => Http::new(server.address, ""),
        _ => Http::http2(server.address, ""),
    };
    let mut headers = vec![("x-api-key", &*server.key), ("grpc-timeout", timeout)];
    let kind = match wire {
        Wire::Json1 | Wire::Json2 => {
            return http.open(Method::GET, HTTP, &headers, Vec::new()).await;
        }
        Wire::Grpc => "application/grpc",
        _ => "application/grpc-web+proto",
    };
    headers.extend([("content-type", kind), ("te", "trailers")]);
    let message = frame(&ExportOutboundTasksRequest::default());
    http.open(Method::POST, RPC, &headers, message).await
}

/// The final status of a gRPC export; `None` where the HTTP stream broke off.
async fn end(wire: Wire, answer: Response<Incoming>) -> Option<Status> {
    let answer = read(answer).await;
    if matches!(wire, Wire::Json1 | Wire::Json2) {
        assert!(answer.is_err(), "{wire:?} ended as if it were whole");
        return None;
    }
    let (last, trailers) = answer.unwrap().unary::<ExportOutboundTasksResponse>();
    assert!(last.is_some(), "{wire:?}: no task was sent");
    Status::from_header_map(&trailers)
}

async fn assert_gone(server: &Server, what: &str) {
    let observer = server.database.client().await;
    let none = async || server.database.count_backends(&observer, BACKEND).await == 0;
    eventually(&format!("{what}: its statement is gone"), 2 * SECOND, none).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_ends_an_export_with_an_error() {
    let server = start(options()).await;
    for wire in STREAM_WIRES {
        let answer = open(&server, wire, "1M").await.unwrap();
        wait_for_blocked(&server, 1).await;
        large::end_statements(&server).await;
        if let Some(status) = end(wire, answer).await {
            assert_eq!(status.code(), Code::Unavailable, "{wire:?}: {status:?}");
            let details = status.get_error_details();
            assert!(details.retry_info().is_some(), "{wire:?}: {details:?}");
            assert!(details.request_info().is_some(), "{wire:?}: {details:?}");
        }
        assert_gone(&server, &format!("{wire:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_cuts_the_stream_and_ends_the_statement() {
    let server = start(Options {
        request_timeout: SECOND / 100,
        max_request_timeout: SECOND / 100,
        stream_timeout: 2 * SECOND,
        ..options()
    })
    .await;
    for (wire, timeout) in STREAM_WIRES
        .into_iter()
        .zip(["1S", "1500m", "1M", "99999999H", "1S"])
    {
        let began = Instant::now();
        let answer = open(&server, wire, timeout).await.unwrap();
        wait_for_blocked(&server, 1).await;
        let observer = server.database.client().await;
        let none = async || server.database.count_backends(&observer, BACKEND).await == 0;
        eventually(&format!("{wire:?}: cut"), 4 * SECOND, none).await;
        assert!(began.elapsed() > SECOND * 9 / 10, "{:?}", began.elapsed());
        if let Some(status) = end(wire, answer).await {
            assert_eq!(
                status.code(),
                Code::DeadlineExceeded,
                "{wire:?}: {status:?}"
            );
        }
    }
    // Before the stream begins, an error is an answer like any other.
    let lock = server.database.lock_tasks().await;
    let answer = read(open(&server, Wire::Json1, "200m").await.unwrap()).await;
    assert_eq!(answer.unwrap().status, 504);
    assert_gone(&server, "without a stream").await;
    drop(lock);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_ends_the_statement() {
    let server = start(options()).await;
    for wire in STREAM_WIRES {
        let answer = open(&server, wire, "1M").await.unwrap();
        wait_for_blocked(&server, 1).await;
        drop(answer);
        assert_gone(&server, &format!("{wire:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_export_too_many_gets_a_retry_delay() {
    let server = start(options()).await;
    let mut answers = Vec::new();
    // One of the four permits is left for other tenants.
    for n in 1..=3 {
        let wire = STREAM_WIRES[n % STREAM_WIRES.len()];
        answers.push(open(&server, wire, "1M").await.unwrap());
        wait_for_blocked(&server, n as i64).await;
    }
    let answer = open(&server, Wire::Json1, "1M").await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "5");
    let answer = read(open(&server, Wire::Grpc, "1M").await.unwrap()).await;
    let (_, trailers) = answer.unwrap().unary::<ExportOutboundTasksResponse>();
    let status = Status::from_header_map(&trailers).unwrap();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_error_details().retry_info().is_some());
    // Lists are still answered.
    server.assert_serves().await;
    drop(answers.pop());
    let free = async || open(&server, Wire::Json1, "1M").await.unwrap().status() == 200;
    eventually("a permit is free", 2 * SECOND, free).await;
}

/// An export counts as a call in progress until its end.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_counts_as_a_call_under_way() {
    let server = start(Options {
        max_in_flight: 1,
        ..options()
    })
    .await;
    let answer = open(&server, Wire::Grpc, "1M").await.unwrap();
    wait_for_blocked(&server, 1).await;
    assert_eq!(server.http().list("").await.status, 503);
    drop(answer);
    let free = async || server.http().list("").await.status == 200;
    eventually("the permit is free", 2 * SECOND, free).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_shows_the_moment_at_which_it_began() {
    let server = start(options()).await;
    let answer = open(&server, Wire::Json1, "1M").await.unwrap();
    wait_for_blocked(&server, 1).await;
    let change = "SET session_replication_role = replica; UPDATE tasks SET name = 'new' WHERE status = 1;
        DELETE FROM tasks WHERE status = 2; INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status,
        progress, created_at, updated_at, target_count, target) VALUES ('demo', 'late', 'late', '2026-12-01', '2027-01-01',
        1, 0, now(), now(), 0, '{}')";
    server.database.execute(change).await;
    let body = read(answer).await.unwrap().body;
    let text = String::from_utf8(body).unwrap();
    assert_eq!(text.lines().count(), TASKS);
    assert!(!text.contains("new") && !text.contains("late"));
    let after = server
        .http()
        .get(&format!("{HTTP}?status=pending&target_limit=0"))
        .await;
    let after = String::from_utf8(after.body).unwrap();
    assert_eq!(after.lines().count(), TASKS / 6 + 1);
}
