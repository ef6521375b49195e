//! Calls, exports, uploads and watches of one tenant leave permits for other tenants. A call that no client reads or
//! sends to gives up its permit when another tenant needs it.

use std::time::{Duration, Instant};

use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use outbound_tasks::{
    pb::{TaskFilter, WatchOutboundTasksRequest},
    server::Options,
};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{
    PATIENCE,
    client::{Client, new_task, part},
    eventually,
    http::{Http, read},
    large::{TASKS, fill, wait_for_blocked},
    server::{Server, options},
    upload::{Upload, eventually_under_way},
    watch::Watch,
    wire::{Caller, Wire},
};

const SECOND: Duration = Duration::from_secs(1);
const EXPORT: &str = "/api/v1/outboundtasks:export";

async fn export(server: &Server, key: &str) -> Response<Incoming> {
    let http = Http::new(server.address, "");
    let key = [("x-api-key", key)];
    let answer = http.open(Method::GET, EXPORT, &key, Vec::new());
    answer.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_tenant_leave_room_for_another() {
    let server = Server::start_uncached(Options {
        max_in_flight: 4,
        ..options()
    })
    .await;
    let other = server.tenant("other").await;
    let observer = server.database.client().await;
    let lock = server.database.lock_tasks().await;
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let (caller, key) = (Caller::new(server.address), server.key.clone());
        calls.spawn(async move { caller.list(Wire::Grpc, &[("x-api-key", &key)]).await.code });
    }
    let waits = async || server.database.count_waiting(&observer).await == 3;
    eventually("as many are under way as may be", PATIENCE, waits).await;
    let caller = Caller::new(server.address);
    let theirs =
        tokio::spawn(async move { caller.list(Wire::Grpc, &[("x-api-key", &other)]).await });
    let waits = async || server.database.count_waiting(&observer).await == 4;
    eventually("the other tenant's is too", PATIENCE, waits).await;
    drop(lock);
    assert_eq!(theirs.await.unwrap().code, Code::Ok);
    let codes = calls.join_all().await;
    let refused = codes.iter().filter(|code| **code == Code::Unavailable);
    assert_eq!(refused.count(), 5, "{codes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_exports_hold_up_no_other_tenant() {
    let server = Server::start().await;
    let keys = [
        server.key.clone(),
        server.tenant("b").await,
        server.tenant("c").await,
    ];
    for tenant in ["demo", "b"] {
        fill(&server, tenant).await;
    }
    let mut unread = Vec::new();
    for n in 1..=3 {
        unread.push(export(&server, &keys[0]).await);
        wait_for_blocked(&server, n).await;
    }
    assert_eq!(export(&server, &keys[0]).await.status(), 503);
    // Another tenant gets a permit at once.
    unread.push(export(&server, &keys[1]).await);
    assert_eq!(unread[3].status(), 200);
    wait_for_blocked(&server, 4).await;
    // And a third one gets one as soon as the unread exports have stalled.
    let began = Instant::now();
    let third = export(&server, &keys[2]).await;
    assert_eq!(third.status(), 200);
    assert!(began.elapsed() < 10 * SECOND, "{:?}", began.elapsed());
    assert!(read(third).await.unwrap().body.is_empty());
    // Exports that gave up their permit are cut off, and the others are complete. A cut export does not look complete.
    let mut cut = 0;
    for answer in unread {
        match read(answer).await {
            Ok(whole) => {
                let lines = whole.body.iter().filter(|b| **b == b'\n').count();
                assert_eq!(lines, TASKS);
            }
            Err(_) => cut += 1,
        }
    }
    assert!(cut > 0, "the third tenant's export got nobody's permit");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_uploads_hold_up_no_other_tenant() {
    let server = Server::start().await;
    let mut clients = vec![Client::new(&server).await];
    for tenant in ["b", "c"] {
        let key = server.tenant(tenant).await;
        clients.push(Client::with_key(&server, &key).await);
    }
    let tasks = |client: usize, count: usize| (0..count).map(move |n| (client, format!("t{n}")));
    let mut idle = Vec::new();
    for (client, task) in tasks(0, 3).chain(tasks(1, 1)) {
        clients[client].create(new_task(&task, &[])).await;
        idle.push(Upload::begin(&clients[client], part(&task, &["c1"])));
    }
    eventually_under_way(&server, 4).await;
    let refused = clients[0].add_task_targets(vec![part("t0", &["c2"])]).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    clients[2].create(new_task("t", &[])).await;
    let began = Instant::now();
    let added = clients[2].add_task_targets(vec![part("t", &["c1"])]).await;
    assert_eq!(added.unwrap().into_inner().added_count, 1);
    assert!(began.elapsed() < 10 * SECOND, "{:?}", began.elapsed());
    // The idle uploads are rolled back, with an error that gives the reason.
    for upload in idle {
        let status = upload.answer.await.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(status.message().contains("sent nothing"), "{status:?}");
    }
    assert!(clients[0].targets("t0").await.is_empty());
}

/// Watches that begin with large lists, which no client reads.
#[tokio::test(flavor = "multi_thread")]
async fn unread_watches_hold_up_no_other_tenants_watch() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    fill(&server, "demo").await;
    let mut unread = Vec::new();
    for n in 1..=3 {
        let request = WatchOutboundTasksRequest::default();
        unread.push(
            Watch::begin(server.address, &server.key, request)
                .await
                .unwrap(),
        );
        wait_for_blocked(&server, n).await;
    }
    // One more watch of the same tenant waits.
    let (address, key) = (server.address, server.key.clone());
    let fourth = tokio::spawn(async move {
        Watch::begin(address, &key, WatchOutboundTasksRequest::default())
            .await
            .map(drop)
    });
    let began = Instant::now();
    let request = WatchOutboundTasksRequest {
        filter: Some(TaskFilter::default()),
        ..Default::default()
    };
    let mut watch = Watch::begin(server.address, &other, request).await.unwrap();
    assert!(watch.next().await.unwrap().unwrap().changes.is_empty());
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
    fourth.abort();
}

/// Callers who try again at once. Refusals by the thousand would take a processor from other tenants.
#[tokio::test(flavor = "multi_thread")]
async fn searches_that_are_tried_again_at_once_are_refused_slowly() {
    const CALLERS: u32 = 12;
    let server = Server::start_uncached(options()).await;
    let _lock = server.database.lock_tasks().await;
    let until = Instant::now() + 5 * SECOND;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let http = server.http();
        callers.spawn(async move {
            let mut refused = 0;
            while Instant::now() < until {
                let answer = http.list("name=a").await;
                refused += u32::from(answer.status == StatusCode::SERVICE_UNAVAILABLE);
            }
            refused
        });
    }
    let refused: u32 = callers.join_all().await.into_iter().sum();
    // Ten times a second each, at most.
    assert!((1..CALLERS * 10 * 6).contains(&refused), "{refused}");
}
