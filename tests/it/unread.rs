//! Calls with requests that do not arrive: what callers without a key can take from others, and callers with one.

use std::time::{Duration, Instant};

use outbound_tasks::{pb, server::Options};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::support::{
    PATIENCE,
    descriptor::rpcs,
    http::{Answer, half_send},
    keys::unknown_key,
    server::{Server, options, request_with},
    wire::RPC,
};

const SECOND: Duration = Duration::from_secs(1);
const SERVICE: &str = "/outboundtasks.v1.OutboundTaskService";

/// gRPC, gRPC-Web over HTTP/2, and gRPC-Web over HTTP/1.1 with the length of the body.
const KINDS: [(bool, &str, Option<&str>); 3] = [
    (true, "application/grpc", None),
    (true, "application/grpc-web+proto", None),
    (false, "application/grpc-web+proto", Some("5")),
];

/// Makes a call with the beginning of a message. Returns its gRPC code.
async fn half_call(
    server: &Server,
    kind: (bool, &str, Option<&str>),
    path: &str,
    key: Option<&str>,
    begin: &[u8],
) -> i32 {
    let (is_http2, content_type, length) = kind;
    let mut headers = vec![("content-type", content_type), ("te", "trailers")];
    headers.extend(length.map(|length| ("content-length", length)));
    headers.extend(key.map(|key| ("x-api-key", key)));
    let answer = half_send(server.address, is_http2, path, &headers, begin);
    let answer = timeout(PATIENCE, answer).await;
    code(
        &answer
            .unwrap_or_else(|_| panic!("{path} as {content_type} is not answered"))
            .unwrap(),
    )
}

fn code(answer: &Answer) -> i32 {
    let (_, trailers) = answer.unary::<()>();
    Status::from_header_map(&trailers).unwrap().code() as i32
}

/// Calls without a key take no permits: far more such calls than permits, each held open for as long as the caller
/// likes.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_key_takes_no_permit_and_waits_for_nothing() {
    let server = Server::start_with(Options {
        max_in_flight: 2,
        max_watches: 2,
        message_timeout: 60 * SECOND,
        ..options()
    })
    .await;
    let unknown = unknown_key("demo");
    let began = Instant::now();
    let mut calls = 0;
    for kind in KINDS {
        for rpc in rpcs() {
            for key in [None, Some("otk_"), Some(&*unknown)] {
                for begin in [&b""[..], &[0, 0, 0]] {
                    calls += 1;
                    let code = half_call(&server, kind, &rpc.path, key, begin).await;
                    assert_eq!(code, 16, "{kind:?} {} {key:?}", rpc.name);
                }
            }
        }
    }
    // Over HTTP/1.1 a refusal waits for the rest of a body, for 50 ms.
    let most = PATIENCE + calls * Duration::from_millis(50);
    assert!(began.elapsed() < most, "{:?}", began.elapsed());
    server.assert_serves().await;
}

/// With a key, the permit is free again when the message does not come in time. Two of each, since a permit is free a
/// moment after its answer has arrived.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_its_own_deadline() {
    let server = Server::start_with(Options {
        max_in_flight: 2,
        max_watches: 2,
        message_timeout: SECOND / 5,
        ..options()
    })
    .await;
    for kind in KINDS {
        for name in [
            "ListOutboundTasks",
            "ExportOutboundTasks",
            "WatchOutboundTasks",
            "AddTaskTargets",
            "ImportOutboundTasks",
            "ImportTaskTargets",
        ] {
            let path = format!("{SERVICE}/{name}");
            for begin in [&b""[..], &[0, 0, 0]] {
                let code = half_call(&server, kind, &path, Some(&server.key), begin).await;
                assert_eq!(code, 4, "{kind:?} {name}");
            }
        }
    }
    server.assert_serves().await;
}

/// Where no message came, the answer does not say that a change may have been made, or that a filter should be narrower.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_without_a_message_says_that_nothing_was_done() {
    let server = Server::start().await;
    for name in ["ListOutboundTasks", "CreateOutboundTask", "AddTaskTargets"] {
        let path = format!("{SERVICE}/{name}");
        let headers = [
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("grpc-timeout", "200m"),
            ("x-api-key", &server.key),
        ];
        let answer = half_send(server.address, true, &path, &headers, &[0, 0, 0]);
        let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
        let (_, trailers) = answer.unary::<()>();
        let status = Status::from_header_map(&trailers).unwrap();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{name}");
        let said = "the deadline passed before the request message had arrived; nothing was done";
        assert_eq!(status.message(), said, "{name}");
    }
}

/// A shorter deadline of the caller counts.
#[tokio::test(flavor = "multi_thread")]
async fn health_calls_have_the_same_limits() {
    let server = Server::start_with(Options {
        message_timeout: SECOND / 5,
        ..options()
    })
    .await;
    for kind in KINDS {
        for name in ["Check", "Watch"] {
            let path = format!("/grpc.health.v1.Health/{name}");
            assert_eq!(
                half_call(&server, kind, &path, None, &[0, 0]).await,
                4,
                "{kind:?} {name}"
            );
        }
    }
    let large = [&[0, 0, 0, 0x20, 0][..], &[b'x'; 0x2000]].concat();
    let path = "/grpc.health.v1.Health/Check";
    assert_eq!(half_call(&server, KINDS[0], path, None, &large).await, 8);
}

/// A health check is answered at once, however many other calls are held open.
#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_call_without_a_key_gives_way() {
    let server = Server::start_with(Options {
        max_keyless: 3,
        message_timeout: 60 * SECOND,
        ..options()
    })
    .await;
    let path = "/grpc.health.v1.Health/Check";
    let (address, mut held) = (server.address, JoinSet::new());
    for _ in 0..10 {
        held.spawn(async move {
            let headers = [("content-type", "application/grpc"), ("te", "trailers")];
            let answer = half_send(address, true, path, &headers, &[0, 0]).await;
            code(&answer.unwrap())
        });
    }
    for _ in 0..7 {
        let ended = timeout(PATIENCE, held.join_next()).await.unwrap();
        assert_eq!(ended.unwrap().unwrap(), 14);
    }
    let channel = server.channel().await;
    let mut health = HealthClient::new(channel);
    let answer = health.check(HealthCheckRequest::default());
    timeout(PATIENCE, answer).await.unwrap().unwrap();
    // Also among health watches.
    let mut watches = Vec::new();
    for _ in 0..4 {
        let watch = health.watch(HealthCheckRequest::default());
        let mut watch = timeout(PATIENCE, watch)
            .await
            .unwrap()
            .unwrap()
            .into_inner();
        watch.message().await.unwrap();
        watches.push(watch);
    }
    // It may get one more health status before it ends.
    let ended = async {
        loop {
            if let Err(ended) = watches[0].message().await {
                return ended;
            }
        }
    };
    let ended = timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(ended.code(), Code::Unavailable);
}

/// The server reads and drops the rest of the request, since TCP would otherwise reset the connection and lose the
/// answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_caller_sees_the_answer() {
    let server = Server::start().await;
    for length in [5, 64 << 10, 256 << 10] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!(
            "POST {RPC} HTTP/1.1\r\nhost: x\r\ncontent-type: application/grpc-web+proto\r\ncontent-length: {length}\r\n\r\n"
        );
        let begin = [head.as_bytes(), &[0; 4]].concat();
        stream.write_all(&begin).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let read = read.unwrap();
        // A client that writes all of its request before it reads anything must get the answer too.
        for piece in vec![0; length - 5].chunks(4 << 10) {
            let written = stream.write_all(piece).await;
            assert!(written.is_ok(), "{length}: {written:?}");
        }
        let text = String::from_utf8_lossy(&answer);
        assert!(read.is_ok(), "{length}: {read:?} after {text}");
        assert!(
            text.starts_with("HTTP/1.1 200") && text.contains("grpc-status: 16"),
            "{length}: {text}"
        );
    }
}

/// Halves of 20 messages of 200 KiB each, where the limit is 1 MiB. A tenant has three quarters of it at most.
#[tokio::test(flavor = "multi_thread")]
async fn requests_share_a_bounded_memory() {
    let server = Server::start_with(Options {
        request_buffer: 1 << 20,
        message_timeout: 2 * SECOND,
        ..options()
    })
    .await;
    let mut begin = vec![0];
    begin.extend((200_u32 << 10).to_be_bytes());
    begin.resize(100 << 10, b'x');
    let mut calls = JoinSet::new();
    let began = Instant::now();
    for _ in 0..20 {
        let (address, key, begin) = (server.address, server.key.clone(), begin.clone());
        calls.spawn(async move {
            let headers = [
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                ("x-api-key", &*key),
            ];
            let answer = half_send(address, true, RPC, &headers, &begin)
                .await
                .unwrap();
            (code(&answer), began.elapsed())
        });
    }
    // Small messages always fit.
    server.assert_serves().await;
    // Each held half takes a buffer of 128 KiB, so six of them are held.
    let mut refused = Vec::new();
    while refused.len() < 14 {
        let ended = timeout(PATIENCE, calls.join_next()).await.unwrap();
        refused.push(ended.unwrap().unwrap());
    }
    // Another tenant's large message has room meanwhile.
    let key = server.tenant("other").await;
    let ids = (0..1000).map(|n| format!("{n:0>100}")).collect();
    let message = pb::ListOutboundTasksRequest {
        task_ids: ids,
        ..Default::default()
    };
    let mut client = server.grpc().await;
    let answer = client.list_outbound_tasks(request_with(&key, message));
    assert_eq!(answer.await.unwrap().into_inner().total, 0);
    let late = timeout(PATIENCE, calls.join_all()).await.unwrap();
    let is = |code| move |(ended, _): &(i32, Duration)| *ended == code;
    assert!(
        refused.iter().all(is(14)) && late.iter().all(is(4)),
        "{refused:?} {late:?}"
    );
    server.assert_serves().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_message_of_a_unary_request_is_refused() {
    let server = Server::start().await;
    let one = [0, 0, 0, 0, 0];
    for kind in KINDS {
        for name in [
            "ListOutboundTasks",
            "ExportOutboundTasks",
            "WatchOutboundTasks",
        ] {
            let path = format!("{SERVICE}/{name}");
            let kind = (kind.0, kind.1, kind.2.map(|_| "10"));
            let two = [one, one].concat();
            let code = half_call(&server, kind, &path, Some(&server.key), &two).await;
            assert_eq!(code, 3, "{kind:?} {name}");
            let code = half_call(&server, kind, &path, None, &two).await;
            assert_eq!(code, 16, "{kind:?} {name}");
        }
    }
}

/// Every value of a message of 256 KiB is wrong. As many are named as an answer can hold, and all are counted.
#[tokio::test(flavor = "multi_thread")]
async fn all_wrong_values_of_a_large_message_are_counted() {
    const COUNT: usize = 250_000;
    let server = Server::start().await;
    let message = pb::ListOutboundTasksRequest {
        status: vec![99; COUNT],
        ..Default::default()
    };
    let mut client = server.grpc().await;
    let refused = client.list_outbound_tasks(server.request(message)).await;
    let status = refused.unwrap_err();
    let named = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<&str> = named.iter().map(|violation| &*violation.field).collect();
    let wanted: Vec<String> = (0..fields.len()).map(|n| format!("status[{n}]")).collect();
    assert_eq!(fields, wanted);
    let more = format!("and {} more", COUNT - fields.len());
    assert!(
        fields.len() > 5 && status.message().ends_with(&more),
        "{status:?}"
    );
    // The same in a query string.
    let query = format!("status={}", ["x"; 10_000].join(","));
    let answer = server.http().list(&query).await;
    assert_eq!(answer.status, 400);
    let text = String::from_utf8_lossy(&answer.body);
    let violations = answer.json()["error"]["details"].to_string();
    assert!(
        violations.matches("\"status\"").count() > 5 && text.contains(" more"),
        "{text}"
    );
}
