//! A stream that breaks off must not look complete, especially over HTTP/1.0, where the end of the connection is the
//! end of the answer. nginx speaks HTTP/1.0 to its upstreams unless it is configured otherwise.

use std::{net::SocketAddr, time::Duration};

use http::{Method, header};
use outbound_tasks::{
    pb::{ExportOutboundTasksRequest, WatchOutboundTasksRequest},
    server::Options,
};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    PATIENCE,
    http::{Http, frame},
    large::{TASKS, end_statements, fill, wait_for_blocked, wait_for_end},
    server::{Server, options},
    wire::STREAM_WIRES,
};

const SECOND: Duration = Duration::from_secs(1);
const EXPORT: &str = "/api/v1/outboundtasks:export";
const WATCH: &str = "/api/v1/outboundtasks:watch";
const SERVICE: &str = "/outboundtasks.v1.OutboundTaskService";

/// Sends a GET over HTTP/1.0, as nginx does.
async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("GET {path} HTTP/1.0\r\nHost: x\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream
        .write_all(format!("{head}\r\n").as_bytes())
        .await
        .unwrap();
    stream
}

/// Waits until an answer has begun. An export that is ended before that gets a complete error answer.
async fn begun(stream: &mut TcpStream) {
    let mut begin = [0; 15];
    timeout(PATIENCE, stream.read_exact(&mut begin))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&begin, b"HTTP/1.0 200 OK");
}

/// All bytes of the answer, and whether it ended in order.
async fn rest(mut stream: TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut all))
        .await
        .unwrap();
    (all, end.is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_over_http_1_0_is_reset_where_it_breaks_off() {
    let server = Server::start().await;
    fill(&server, "demo").await;
    let key = [("x-api-key", &*server.key)];
    let gzip = [key[0], ("accept-encoding", "gzip")];
    // A complete answer ends in order.
    let (whole, is_orderly) = rest(get(server.address, EXPORT, &key).await).await;
    assert!(is_orderly && whole.starts_with(b"HTTP/1.0 200"));
    assert_eq!(
        whole.iter().filter(|b| **b == b'\n').count(),
        TASKS + head_lines(&whole)
    );
    for headers in [&key[..], &gzip[..]] {
        let mut stream = get(server.address, EXPORT, headers).await;
        begun(&mut stream).await;
        if headers.len() == 1 {
            wait_for_blocked(&server, 1).await;
        }
        end_statements(&server).await;
        let (part, is_orderly) = rest(stream).await;
        // gzip makes the data so small that the buffers may hold all of it.
        assert!(
            !is_orderly || headers.len() == 2,
            "{} bytes pass for all",
            part.len()
        );
    }
}

fn head_lines(answer: &[u8]) -> usize {
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    answer[..head + 4].iter().filter(|b| **b == b'\n').count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_and_a_stop_reset_what_they_cut_over_http_1_0() {
    let server = Server::start_with(Options {
        drain_timeout: SECOND / 2,
        ..options()
    })
    .await;
    fill(&server, "demo").await;
    let late = [("x-api-key", &*server.key), ("grpc-timeout", "4S")];
    let (_, is_orderly) = {
        let mut stream = get(server.address, EXPORT, &late).await;
        begun(&mut stream).await;
        wait_for_blocked(&server, 1).await;
        wait_for_end(&server).await;
        rest(stream).await
    };
    assert!(!is_orderly, "cut by its deadline, it passes for whole");
    let key = [("x-api-key", &*server.key)];
    let mut export = get(server.address, EXPORT, &key).await;
    begun(&mut export).await;
    wait_for_blocked(&server, 1).await;
    let mut watch = get(server.address, &format!("{WATCH}?skip_initial=true"), &key).await;
    begun(&mut watch).await;
    server.stop().await;
    assert!(
        !rest(export).await.1,
        "cut by the stop, it passes for whole"
    );
    assert!(!rest(watch).await.1, "a watch does not end in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_export_over_http_1_0_is_reset() {
    let mut options = options();
    options.limits.write_timeout = SECOND;
    let server = Server::start_with(options).await;
    fill(&server, "demo").await;
    let mut stream = get(server.address, EXPORT, &[("x-api-key", &*server.key)]).await;
    begun(&mut stream).await;
    wait_for_blocked(&server, 1).await;
    wait_for_end(&server).await;
    assert!(
        !rest(stream).await.1,
        "cut by the write timeout, it passes for whole"
    );
}

/// Behind a proxy that buffers responses, a watch would show nothing until it ends.
#[tokio::test(flavor = "multi_thread")]
async fn every_stream_asks_proxies_to_pass_it_on_at_once() {
    let server = Server::start().await;
    for wire in STREAM_WIRES {
        let http = match format!("{wire:?}").contains('2') || wire == STREAM_WIRES[0] {
            true => Http::http2(server.address, ""),
            false => Http::new(server.address, ""),
        };
        let kind = match wire {
            w if w == STREAM_WIRES[0] => "application/grpc",
            _ => "application/grpc-web+proto",
        };
        let key = ("x-api-key", &*server.key);
        let rpc = [key, ("content-type", kind), ("te", "trailers")];
        let mut streams = Vec::new();
        if format!("{wire:?}").starts_with("Json") {
            for path in [EXPORT, WATCH] {
                streams.push((
                    path.to_owned(),
                    http.open(Method::GET, path, &[key], Vec::new()).await,
                ));
            }
            let unary = http
                .open(Method::GET, "/api/v1/outboundtasks", &[key], Vec::new())
                .await;
            assert!(!unary.unwrap().headers().contains_key("x-accel-buffering"));
        } else {
            let export = frame(&ExportOutboundTasksRequest::default());
            let watch = frame(&WatchOutboundTasksRequest::default());
            let health = frame(&tonic_health::pb::HealthCheckRequest::default());
            for (path, message) in [
                (format!("{SERVICE}/ExportOutboundTasks"), export),
                (format!("{SERVICE}/WatchOutboundTasks"), watch),
                ("/grpc.health.v1.Health/Watch".to_owned(), health),
            ] {
                streams.push((
                    path.clone(),
                    http.open(Method::POST, &path, &rpc, message).await,
                ));
            }
        }
        for (path, answer) in streams {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200, "{wire:?} {path}");
            assert_eq!(
                answer.headers()["x-accel-buffering"],
                "no",
                "{wire:?} {path}"
            );
            assert!(!answer.headers().contains_key(header::CONTENT_LENGTH));
        }
    }
}

/// gRPC-Web over HTTP/1.0, as from a browser through nginx: the last frame of the body has the status.
#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_web_export_over_http_1_0_says_how_it_ended() {
    let server = Server::start().await;
    fill(&server, "demo").await;
    let message = frame(&ExportOutboundTasksRequest::default());
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {SERVICE}/ExportOutboundTasks HTTP/1.0\r\nHost: x\r\nx-api-key: {}\r\n\
        content-type: application/grpc-web+proto\r\ncontent-length: {}\r\n\r\n",
        server.key,
        message.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&message).await.unwrap();
    begun(&mut stream).await;
    wait_for_blocked(&server, 1).await;
    end_statements(&server).await;
    let (all, _) = rest(stream).await;
    let text = String::from_utf8_lossy(&all);
    assert!(text.contains("grpc-status:14"), "no status at the end");
    assert!(ExportOutboundTasksRequest::default().encoded_len() == 0);
}

/// HTTP/1.1 clients of gRPC read no trailers, so a stream that breaks off would look complete to them.
#[tokio::test(flavor = "multi_thread")]
async fn grpc_over_http_1_is_refused() {
    let server = Server::start().await;
    let message = frame(&ExportOutboundTasksRequest::default());
    let export = format!("{SERVICE}/ExportOutboundTasks");
    let http1 = Http::new(server.address, "");
    for path in [&*export, "/grpc.health.v1.Health/Check"] {
        for kind in [
            "application/grpc",
            "application/grpc+proto",
            "application/grpc;charset=utf-8",
        ] {
            let headers = [("x-api-key", &*server.key), ("content-type", kind)];
            let answer = http1
                .send(Method::POST, path, &headers, message.clone())
                .await;
            let text = String::from_utf8(answer.body.clone()).unwrap();
            assert_eq!(answer.status, 505, "{path} {kind}: {text}");
            assert!(text.contains("gRPC needs HTTP/2"), "{text}");
            assert!(!answer.header("x-request-id").is_empty());
        }
    }
    let headers = [
        ("x-api-key", &*server.key),
        ("content-type", "application/grpc-web+proto"),
    ];
    let web = http1.send(Method::POST, &export, &headers, message).await;
    assert_eq!(web.status, 200);
    server.assert_serves().await;
}
