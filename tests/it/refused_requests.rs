//! Requests that are refused before anything reads their fields: bytes that are no message, paths and methods that are not
//! served, too large ones.

use std::time::Duration;

use http::Method;
use outbound_tasks::{pb::ListOutboundTasksRequest, request::MAX_MESSAGE_BYTES};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_request::MessageRequest,
};

use crate::{
    list_errors::fields,
    support::{PATIENCE, server::Server},
};

/// Bytes that are no message of the contract are an error of the caller too.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_decoded_is_refused() {
    let server = Server::start().await;
    for bytes in [&b"\x3a\x02\xff\xfe"[..], b"\xff\xff\xff", b"\x08"] {
        let mut body = vec![0, 0, 0, 0, bytes.len() as u8];
        body.extend(bytes);
        let headers = [
            ("content-type", "application/grpc-web+proto"),
            ("x-api-key", server.key.as_str()),
        ];
        let path = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";
        let answer = server.http().send(Method::POST, path, &headers, body).await;
        assert_eq!(answer.header("grpc-status"), "3", "{bytes:?}");
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_methods_that_are_not_served() {
    let server = Server::start().await;
    let http = server.http();
    for (method, path, status) in [
        (Method::GET, "/x", 404),
        (Method::GET, "/api/v1/outboundtasks/", 404),
        (Method::GET, "/docs/x", 404),
        (
            Method::GET,
            "/outboundtasks.v2.OutboundTaskService/ListOutboundTasks",
            404,
        ),
        (Method::POST, "/api/v1/outboundtasks", 405),
        (Method::DELETE, "/api/v1/outboundtasks", 405),
    ] {
        let answer = http.send(method, path, &[], Vec::new()).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(fields(&answer).is_empty());
    }
}

/// More than the server accepts, in every part of a request.
#[tokio::test(flavor = "multi_thread")]
async fn oversized_requests_are_refused() {
    let server = Server::start().await;
    let http = server.http();
    let megabyte = "x".repeat(1 << 20);
    for length in [70_000, 1 << 20] {
        // hyper answers these before there is a request.
        let mut raw = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        let head = format!(
            "GET /api/v1/outboundtasks?x={} HTTP/1.1\r\nhost: x\r\n\r\n",
            &megabyte[..length]
        );
        let mut answer = Vec::new();
        let _ = raw.write_all(head.as_bytes()).await; // the server may close the connection before the end
        let _ = raw.read_to_end(&mut answer).await;
        let line = String::from_utf8_lossy(&answer[..12.min(answer.len())]).into_owned();
        assert!(
            ["HTTP/1.1 414", "HTTP/1.1 431"].contains(&line.as_str()),
            "{line}"
        );
    }
    let answer = http.list(&format!("colour={}", "x".repeat(40_000))).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.len() < 1000,
        "the answer does not repeat it all"
    );
    let mut grpc = server.grpc().await;
    let message = ListOutboundTasksRequest {
        page_token: megabyte,
        ..Default::default()
    };
    let status = grpc
        .list_outbound_tasks(server.request(message.clone()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    // The limit is on the decompressed message.
    let mut zipped = server
        .grpc()
        .await
        .send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let status = zipped
        .list_outbound_tasks(server.request(message))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let ok = ListOutboundTasksRequest::default();
    grpc.list_outbound_tasks(server.request(ok)).await.unwrap();
}

/// A caller that asks first is not told to send a message that is too large.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_asks_first_is_answered_at_once() {
    let server = Server::start().await;
    let head = |length: usize| {
        format!(
            "POST /outboundtasks.v1.OutboundTaskService/ListOutboundTasks HTTP/1.1\r\nhost: a\r\nx-api-key: {}\r\n\
             content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n",
            server.key
        )
    };
    for (length, wanted) in [
        (2, "HTTP/1.1 100 Continue\r\n"),
        (MAX_MESSAGE_BYTES, "HTTP/1.1 100 Continue\r\n"),
        (MAX_MESSAGE_BYTES + 1, "HTTP/1.1 429 "),
        (1 << 40, "HTTP/1.1 429 "),
    ] {
        let mut raw = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        raw.write_all(head(length).as_bytes()).await.unwrap();
        let mut answer = vec![0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(10), raw.read(&mut answer)).await;
        let read = read.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]);
        assert!(answer.starts_with(wanted), "{length}: {answer}");
        if length == 2 {
            raw.write_all(b"{}").await.unwrap();
            let mut answer = vec![0; 4096];
            let read = raw.read(&mut answer).await.unwrap();
            assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK"));
        }
    }
}

/// A refusal before the body was read: the connection serves the next request if the body comes soon, and else says that it
/// ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_caller_over_http1_knows_whether_the_connection_goes_on() {
    let server = Server::start().await;
    let path = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";
    let head = |more: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{more}\r\n")
    };
    let waits = "expect: 100-continue\r\ncontent-length: 2\r\n";
    for (more, body, goes_on) in [
        ("content-length: 2\r\n", "{}", true),
        (
            "transfer-encoding: chunked\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
            true,
        ),
        ("content-length: 3\r\n", "{}", false),
        ("content-length: 70000\r\n", "{}", false),
        (waits, "", false),
    ] {
        let mut raw = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        raw.write_all(head(more).as_bytes()).await.unwrap();
        // The body is a packet of its own, as clients send it. One that comes late is not waited for.
        if !goes_on {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        raw.write_all(body.as_bytes()).await.unwrap();
        if goes_on {
            raw.write_all(b"GET /nowhere HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
        }
        let mut answers = String::new();
        raw.read_to_string(&mut answers).await.unwrap();
        let second = answers.find("HTTP/1.1 404 ");
        let first = &answers[..second.unwrap_or(answers.len())];
        assert!(first.starts_with("HTTP/1.1 401 "), "{more:?}: {answers}");
        assert_ne!(
            first.contains("\r\nconnection: close\r\n"),
            goes_on,
            "{more:?}: {answers}"
        );
        assert_eq!(second.is_some(), goes_on, "{more:?}: {answers}");
    }
}

/// A call over HTTP/1.1 that ends before its request, while its answer is under way: the connection ends with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_reads_to_its_end_keeps_no_connection() {
    let server = Server::start().await;
    let question = ServerReflectionRequest {
        message_request: Some(MessageRequest::FileContainingSymbol("nowhere".to_owned())),
        ..Default::default()
    };
    let question = question.encode_to_vec();
    let mut message = vec![0, 0, 0, 0, question.len() as u8];
    message.extend(question);
    let mut raw = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let head = format!(
        "POST /grpc.reflection.v1.ServerReflection/ServerReflectionInfo HTTP/1.1\r\nhost: a\r\n\
         content-type: application/grpc-web+proto\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n",
        message.len()
    );
    raw.write_all(head.as_bytes()).await.unwrap();
    raw.write_all(&message).await.unwrap();
    // The chunk is whole, and the last one never comes.
    raw.write_all(b"\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, raw.read_to_end(&mut answer)).await;
    ended.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("grpc-status:5"), "{answer}");
}
