//! Connections: how long a client may take, how many connections there may be, how old they get.

use std::{
    io::{ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use outbound_tasks::{
    pb::ListOutboundTasksRequest,
    server::{Limits, Options},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::Code;

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    http2::{self, GOAWAY},
    process::Process,
    server::{Server, options},
    wire::{Caller, LIST, RPC, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

async fn start(limits: Limits) -> Server {
    Server::start_uncached(Options {
        limits,
        ..options()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_finish_its_first_headers_is_disconnected() {
    let header_timeout = Duration::from_millis(300);
    let server = start(Limits {
        header_timeout,
        ..options().limits
    })
    .await;
    let head = format!("GET {LIST} HTTP/1.1\r\nhost: x\r\nx-api-");
    for said in ["", "G", "P", "PRI * HTTP/2.0\r\n", "POST / HT", &head] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let began = Instant::now();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = timeout(3 * SECOND, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "after {said:?} the connection stays open");
        let took = began.elapsed();
        assert!(took < header_timeout + SECOND, "after {said:?}: {took:?}");
    }
    server.assert_serves().await;
}

/// Whether one of these whole frames of HTTP/2 has headers that end its stream: the trailers.
fn ends_stream(mut frames: &[u8]) -> bool {
    let mut is_end = false;
    while let [a, b, c, kind, flags, ..] = *frames {
        is_end |= kind == http2::HEADERS && flags & 1 == 1;
        frames = &frames[9 + u32::from_be_bytes([0, a, b, c]) as usize..];
    }
    is_end
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_grpc_arrives_at_once() {
    let server = Server::start().await;
    server.database.add_tasks("demo", 20).await;
    let stream = http2::connect(server.address).await;
    let mut stream = stream.into_std().unwrap();
    let block = http2::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", RPC),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("x-api-key", &server.key),
    ]);
    for call in 0..30 {
        let id = 2 * call + 1;
        let mut request = http2::bytes(http2::HEADERS, 4, id, &block);
        request.extend(http2::bytes(http2::DATA, 1, id, &[0; 5]));
        stream.write_all(&request).unwrap();
        // In a loop that never sleeps, so that two packets are read one by one.
        let (mut count, mut reads) = (0, 0);
        let began = Instant::now();
        while count == 0 {
            assert!(began.elapsed() < PATIENCE, "no answer to call {call}");
            let mut bytes = [0; 64 * 1024];
            let read = match stream.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                read => read.unwrap(),
            };
            assert!(read > 0, "the connection ended after call {call}");
            reads += 1;
            if ends_stream(&bytes[..read]) {
                count = read;
            }
        }
        // The settings of the connection come before the first answer.
        if call > 0 {
            assert!(count > 1_000, "a message that h2 does not copy: {count}");
            assert_eq!(reads, 1, "call {call}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_requests_a_client_may_take_longer() {
    let (header_timeout, idle_timeout) = (SECOND / 5, 2 * SECOND);
    let server = start(Limits {
        header_timeout,
        idle_timeout,
        ..options().limits
    })
    .await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        let request = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = [0; 1024];
        let length = timeout(SECOND, stream.read(&mut answer)).await;
        let answer = &answer[..length.unwrap().unwrap()];
        assert!(answer.starts_with(b"HTTP/1.1 404"), "{answer:?}");
        tokio::time::sleep(3 * header_timeout).await;
    }
    let ended = timeout(idle_timeout + SECOND, stream.read(&mut [0])).await;
    assert_eq!(ended.unwrap().unwrap(), 0, "it is kept for ever");
}

/// A connection with this request sent.
async fn ask(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let key = &server.key;
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Whether an answer comes on a connection within `limit`.
async fn is_answered(stream: &mut TcpStream, limit: Duration) -> bool {
    let mut byte = [0];
    timeout(limit, stream.read_exact(&mut byte))
        .await
        .is_ok_and(|read| read.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_while_all_have_a_call_under_way() {
    let server = start(Limits {
        connections: 2,
        ..options().limits
    })
    .await;
    let observer = server.database.client().await;
    let lock = server.database.lock_tasks().await;
    let (first, second) = (ask(&server, LIST).await, ask(&server, LIST).await);
    let both = async || server.database.count_waiting(&observer).await == 2;
    eventually("both calls wait", PATIENCE, both).await;
    let mut third = ask(&server, "/nowhere").await;
    assert!(
        !is_answered(&mut third, SECOND / 2).await,
        "the third is served beside the two"
    );
    drop(first);
    assert!(is_answered(&mut third, PATIENCE).await);
    drop(lock);
    let mut second = second;
    assert!(is_answered(&mut second, PATIENCE).await);
}

/// Idle connections with different histories: nothing, a request, a call that needs no key and does not end.
#[tokio::test(flavor = "multi_thread")]
async fn the_connection_that_is_idle_for_longest_gives_way() {
    let server = start(Limits {
        connections: 4,
        ..options().limits
    })
    .await;
    let observer = server.database.client().await;
    let _lock = server.database.lock_tasks().await;
    let busy = ask(&server, LIST).await;
    let waits = async || server.database.count_waiting(&observer).await == 1;
    eventually("the call waits", PATIENCE, waits).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut health = http2::connect(server.address).await;
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Watch"),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.extend(http2::header(name, value));
    }
    let mut request = http2::bytes(http2::HEADERS, 4, 1, &block);
    request.extend(http2::bytes(http2::DATA, 1, 1, &[0; 5]));
    health.write_all(&request).await.unwrap();
    timeout(PATIENCE, http2::frame(&mut health, http2::DATA))
        .await
        .unwrap();
    let mut kept = ask(&server, "/nowhere").await;
    assert!(is_answered(&mut kept, PATIENCE).await);

    let mut others = Vec::new();
    for n in 0..3 {
        let mut other = ask(&server, "/nowhere").await;
        assert!(is_answered(&mut other, PATIENCE).await, "{n}");
        others.push(other);
        let mut rest = Vec::new();
        let ended = match n {
            0 => timeout(PATIENCE, silent.read_to_end(&mut rest)).await,
            1 => timeout(PATIENCE, health.read_to_end(&mut rest)).await,
            _ => timeout(PATIENCE, kept.read_to_end(&mut rest)).await,
        };
        assert!(ended.is_ok(), "connection {n} is still there");
    }
    assert!(waits().await, "the call under way was ended");
    drop(busy);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_soft_limit_of_open_files_does_not_limit_connections() {
    let database = Database::new().await;
    let most = ["--max-connections=300"];
    let start = async |limit| Process::serve_after(limit, &database, &most).await;
    let process = start("ulimit -n 250").await;
    let is_reported = async || process.log().contains("LimitNOFILE");
    eventually("the limit is logged", PATIENCE, is_reported).await;

    let process = start("ulimit -Sn 64").await;
    // They are answered while all of them are open.
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(process.address).await.unwrap();
        let request = b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        timeout(PATIENCE, stream.read_exact(&mut [0]))
            .await
            .unwrap()
            .unwrap();
        streams.push(stream);
    }
    assert!(!process.log().contains("LimitNOFILE"), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_connections_end_and_no_call_on_them_fails() {
    let server = start(Limits {
        age: Duration::from_millis(200),
        ..options().limits
    })
    .await;
    let lock = server.database.lock_tasks().await;
    let (caller, key) = (Caller::new(server.address), server.key.clone());
    let long = tokio::spawn(async move { caller.list(Wire::Grpc, &[("x-api-key", &key)]).await });
    let observer = server.database.client().await;
    let waits = async || server.database.count_waiting(&observer).await == 1;
    eventually("the long call waits", PATIENCE, waits).await;
    // A newer connection gets GOAWAY by now, so the connection of the long call got it too.
    let mut stream = http2::connect(server.address).await;
    timeout(SECOND, http2::frame(&mut stream, GOAWAY))
        .await
        .unwrap();
    drop(lock);
    assert_eq!(long.await.unwrap().code, Code::Ok, "the long call");

    let (grpc, caller) = (server.grpc().await, Caller::new(server.address));
    let began = Instant::now();
    while began.elapsed() < 2 * SECOND {
        let over_grpc = async || {
            let request = server.request(ListOutboundTasksRequest::default());
            let answer = grpc.clone().list_outbound_tasks(request).await;
            answer.map(drop).map_err(|status| format!("{status:?}"))
        };
        let over_http = async || {
            let headers = [("x-api-key", &*server.key)];
            let answer = caller.try_list(Wire::Json2, "", &headers).await;
            let answer = answer.map_err(|error| format!("{error:?}"))?;
            assert_eq!(answer.code, Code::Ok, "{answer:?}");
            Ok(())
        };
        answered_at_the_second_try(over_grpc).await;
        answered_at_the_second_try(over_http).await;
    }
}

async fn answered_at_the_second_try(call: impl AsyncFn() -> Result<(), String>) {
    let Err(first) = call().await else { return };
    // hyper's client, unlike clients of other languages, does not repeat unprocessed requests by itself.
    let turned_away = ["kind: GoAway(b\"\", NO_ERROR, Remote)", "Canceled"];
    assert!(turned_away.iter().any(|why| first.contains(why)), "{first}");
    assert_eq!(call().await, Ok(()), "again after {first}");
}

/// HTTP/1.1 has no GOAWAY, so the last answer says that it is the last one.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_http_1_1_connection_ends_with_an_answer() {
    let age = Duration::from_millis(200);
    let server = start(Limits {
        age,
        ..options().limits
    })
    .await;
    let mut stream = ask(&server, LIST).await;
    assert!(is_answered(&mut stream, PATIENCE).await);
    // Nothing is sent for longer than the age.
    tokio::time::sleep(3 * age).await;
    let key = &server.key;
    let request = format!("GET {LIST} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answers = String::new();
    let all = stream.read_to_string(&mut answers);
    timeout(PATIENCE, all).await.unwrap().unwrap();
    assert!(answers.contains("HTTP/1.1 200 OK\r\n"), "{answers}");
    assert!(answers.contains("\r\nconnection: close\r\n"), "{answers}");

    // One on which nothing comes is closed after the grace.
    let age_grace = age;
    let server = start(Limits {
        age,
        age_grace,
        ..options().limits
    })
    .await;
    let mut idle = ask(&server, LIST).await;
    let mut answer = Vec::new();
    timeout(PATIENCE, idle.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

/// RFC 9112, section 3.2. HTTP/1.0 knows no Host.
#[tokio::test(flavor = "multi_thread")]
async fn an_http_1_1_request_names_one_host() {
    let server = Server::start().await;
    for (head, status) in [
        ("HTTP/1.1\r\n", "400"),
        ("HTTP/1.1\r\nhost: x\r\nhost: x\r\n", "400"),
        ("HTTP/1.0\r\nhost: x\r\nhost: y\r\n", "400"),
        ("HTTP/1.1\r\nhost: x\r\n", "200"),
        ("HTTP/1.1\r\nhost:\r\n", "200"),
        ("HTTP/1.0\r\n", "200"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let key = &server.key;
        let request = format!("GET {LIST} {head}x-api-key: {key}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert_eq!(&answer[9..], status, "{head:?}");
    }
}
