//! Calls with a key that is revoked or expires end within two seconds, and commit nothing after that.

use std::time::{Duration, Instant};

use http::Method;
use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    pb::{CreateOutboundTaskRequest, ExportOutboundTasksRequest, ExportOutboundTasksResponse},
};
use strum::VariantArray;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::timeout,
};
use tonic::{Code, Status};

use crate::support::{
    PATIENCE,
    client::{Client, new_task, part},
    eventually,
    http::{Http, frame, read},
    large::{fill, wait_for_blocked, wait_for_end},
    server::Server,
    upload::{Upload, eventually_under_way},
    wire::{STREAM_WIRES, Wire},
};

const SECOND: Duration = Duration::from_secs(1);
/// Two seconds, and a margin for a busy machine.
const SOON: Duration = Duration::from_secs(4);

/// A key that the test revokes through `revoke`.
async fn key(server: &Server) -> (String, String) {
    let tenant = TenantId::parse("demo").unwrap();
    let key = server
        .operator
        .key_create(&tenant, "revoked", Scope::VARIANTS, None);
    let key = key.await.unwrap();
    (key.id.as_str().to_owned(), key.secret)
}

/// Revokes as `outbound-tasks keys revoke` does, which runs in another process.
async fn revoke(server: &Server, id: &str) {
    server.database.succeed(&["keys", "revoke", id], b"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_ends_with_its_key_over_every_transport() {
    let server = Server::start().await;
    fill(&server, "demo").await;
    for wire in STREAM_WIRES {
        let (id, key) = key(&server).await;
        let http = match wire {
            Wire::Web1 | Wire::Json1 => Http::new(server.address, ""),
            _ => Http::http2(server.address, ""),
        };
        let kind = match wire {
            Wire::Grpc => "application/grpc",
            _ => "application/grpc-web+proto",
        };
        let headers = [
            ("x-api-key", &*key),
            ("content-type", kind),
            ("te", "trailers"),
        ];
        let (method, path, message) = match wire {
            Wire::Json1 | Wire::Json2 => (Method::GET, "/api/v1/outboundtasks:export", Vec::new()),
            _ => (
                Method::POST,
                "/outboundtasks.v1.OutboundTaskService/ExportOutboundTasks",
                frame(&ExportOutboundTasksRequest::default()),
            ),
        };
        let headers = match wire {
            Wire::Json1 | Wire::Json2 => &headers[..1],
            _ => &headers[..],
        };
        let answer = http.open(method, path, headers, message).await.unwrap();
        wait_for_blocked(&server, 1).await;
        revoke(&server, &id).await;
        // The export ends although nobody reads it.
        let began = Instant::now();
        wait_for_end(&server).await;
        assert!(began.elapsed() < SOON, "{wire:?}: {:?}", began.elapsed());
        let answer = read(answer).await;
        if matches!(wire, Wire::Json1 | Wire::Json2) {
            assert!(answer.is_err(), "{wire:?} ended as if it were whole");
            continue;
        }
        let (_, trailers) = answer.unwrap().unary::<ExportOutboundTasksResponse>();
        let status = Status::from_header_map(&trailers).unwrap();
        assert_eq!(status.code(), Code::Unauthenticated, "{wire:?}: {status:?}");
    }
}

/// Over HTTP/1.1, what waits for a slow reader in the service and in the kernel would take it minutes.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_over_http_1_1_ends_with_its_key() {
    let server = Server::start().await;
    fill(&server, "demo").await;
    // What a watch has sent before may all be in the kernel already, out of the service's hands.
    for path in ["export"] {
        let (id, key) = key(&server).await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(server.address).await.unwrap();
        let request = format!(
            "GET /api/v1/outboundtasks:{path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut buffer = [0; 1024];
        let length = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..length].starts_with(b"HTTP/1.1 200"), "{path}");
        revoke(&server, &id).await;
        // What waits would take this reader more than a minute.
        let limit = 10 * SECOND;
        let began = Instant::now();
        while matches!(
            timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap(),
            Ok(1..)
        ) {
            assert!(began.elapsed() < limit, "{path}: {:?}", began.elapsed());
            tokio::time::sleep(SECOND / 10).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_ends_with_its_key_and_adds_nothing() {
    let server = Server::start().await;
    let (id, key) = key(&server).await;
    let (owner, client) = (
        Client::new(&server).await,
        Client::with_key(&server, &key).await,
    );
    owner.create(new_task("t", &[])).await;
    let upload = Upload::begin(&client, part("t", &["c1"]));
    eventually_under_way(&server, 1).await;
    revoke(&server, &id).await;
    let began = Instant::now();
    // The upload continues to send meanwhile.
    let answer = loop {
        if upload.answer.is_finished() {
            break upload.answer.await.unwrap();
        }
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        tokio::time::sleep(SECOND / 20).await;
        upload.try_send(&[&format!("c{}", began.elapsed().as_micros())]);
    };
    assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);
    assert!(owner.targets("t").await.is_empty());
}

/// A write that waits for a lock while its key is revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_ends_with_its_key() {
    let server = Server::start().await;
    let (id, key) = key(&server).await;
    let (client, owner) = (
        Client::with_key(&server, &key).await,
        Client::new(&server).await,
    );
    let observer = server.database.client().await;
    let lock = server.database.lock_tasks().await;
    let create = tokio::spawn(async move {
        let task = Some(new_task("t", &[]));
        let request = CreateOutboundTaskRequest {
            task,
            ..Default::default()
        };
        client.create_outbound_task(request).await
    });
    let waits = async || server.database.count_waiting(&observer).await == 1;
    eventually("the write waits", PATIENCE, waits).await;
    revoke(&server, &id).await;
    let began = Instant::now();
    let status = create.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    drop(lock);
    assert_eq!(owner.totals().await.0, 0);
}

/// A write that gets its lock right after its key was revoked, before the service checks the key again.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_commits_on_a_revoked_key() {
    let server = Server::start().await;
    let tenant = TenantId::parse("demo").unwrap();
    let owner = Client::new(&server).await;
    let observer = server.database.client().await;
    for n in 0..5 {
        let key = server
            .operator
            .key_create(&tenant, "revoked", Scope::VARIANTS, None);
        let key = key.await.unwrap();
        let client = Client::with_key(&server, &key.secret).await;
        let lock = server.database.lock_tasks().await;
        let create = tokio::spawn(async move {
            let task = Some(new_task(&format!("t{n}"), &[]));
            let request = CreateOutboundTaskRequest {
                task,
                ..Default::default()
            };
            client.create_outbound_task(request).await
        });
        let waits = async || server.database.count_waiting(&observer).await == 1;
        eventually("the write waits", PATIENCE, waits).await;
        server.app.key_revoke(&key.id).await.unwrap();
        drop(lock);
        let status = create.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    }
    assert_eq!(owner.totals().await.0, 0);
}

/// The expiry of a key ends its calls as a revocation does.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_ends_when_its_key_expires() {
    let server = Server::start().await;
    let tenant = TenantId::parse("demo").unwrap();
    let key = server
        .operator
        .key_create(&tenant, "short", Scope::VARIANTS, Some(2 * SECOND));
    let client = Client::with_key(&server, &key.await.unwrap().secret).await;
    let lock = server.database.lock_tasks().await;
    let task = Some(new_task("t", &[]));
    let request = CreateOutboundTaskRequest {
        task,
        ..Default::default()
    };
    let began = Instant::now();
    let status = client.create_outbound_task(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    assert!(began.elapsed() < 2 * SECOND + SOON, "{:?}", began.elapsed());
    drop(lock);
}
