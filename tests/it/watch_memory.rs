//! Memory of watches: a change is held once for all of them, and a client that does not read takes nothing from others.

use std::time::{Duration, Instant};

use http::Method;
use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    pb::{
        ListOutboundTasksRequest, OutboundTask, TaskAction, TaskFilter, TaskStatus,
        WatchOutboundTasksRequest, outbound_task_service_client::OutboundTaskServiceClient,
    },
    server::Options,
};
use strum::VariantArray;
use tokio::{task::JoinSet, time::sleep};
use tonic::{Code, transport::Endpoint};

use crate::support::{
    PATIENCE,
    bulk::{change_all, of_status},
    client::{Client, new_task},
    database::Database,
    eventually,
    http::Http,
    keys,
    process::Process,
    server::{Server, options},
    watch::{Picture, Watch},
};

const RPC: &str = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";

/// Gives the tenant tasks with a hundred customers of `bytes` characters each.
async fn add_tasks(client: &Client, count: usize, bytes: usize) {
    let customers: Vec<String> = (0..100).map(|n| format!("{n:0>bytes$}")).collect();
    let customers: Vec<&str> = customers.iter().map(|c| &**c).collect();
    let ids = (0..count).map(|n| new_task(&format!("t{n}"), &customers));
    client.create_all(ids.collect()).await;
}

fn changes_alone() -> WatchOutboundTasksRequest {
    WatchOutboundTasksRequest {
        skip_initial: true,
        ..Default::default()
    }
}

fn all_have(status: TaskStatus) -> impl Fn(&Picture) -> bool {
    move |picture| {
        let has = |task: &OutboundTask| task.status() == status;
        picture.tasks.values().all(has)
    }
}

/// 500 watches and 10,000 tasks need a tenth of the memory that a message for each watch would take.
#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_change_is_held_once_for_all_watches() {
    const WATCHES: usize = 100;
    let database = Database::new().await;
    let operator = database.operator();
    let tenant = TenantId::parse("demo").unwrap();
    operator.tenant_create(&tenant).await.unwrap();
    let key = operator
        .key_create(&tenant, "k", Scope::VARIANTS, None)
        .await;
    let key = key.unwrap().secret;
    let service = Process::serve(&database, &[]).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", service.address)).unwrap();
    let grpc = OutboundTaskServiceClient::new(endpoint.connect().await.unwrap());
    let client = Client::on(grpc, &key);
    add_tasks(&client, 1_000, 20).await;
    let begin = async || {
        let watch = Watch::begin_slow(service.address, &key, changes_alone()).await;
        let mut watch = watch.unwrap();
        assert!(watch.next().await.unwrap().is_some());
        watch
    };
    let mut unread = Vec::new();
    for _ in 0..WATCHES {
        unread.push(begin().await);
    }
    let mut reading = begin().await;
    let before = service.memory();
    let start = of_status(&[TaskStatus::Pending], TaskAction::Start);
    change_all(&client, start).await;
    let mut reported = 0;
    while reported < 1_000 {
        let message = reading.next().await.unwrap().unwrap();
        assert!(!message.list_again);
        reported += message.changes.len();
    }
    let grown = (service.memory().saturating_sub(before)) >> 20;
    assert!(grown < 100, "{grown} MiB more for 2.4 MB of changes");
    // The watches that continue to read get all changes too.
    for watch in &mut unread[..3] {
        let mut reported = 0;
        while reported < 1_000 {
            let message = watch.next().await.unwrap().unwrap();
            assert!(!message.list_again);
            reported += message.changes.len();
        }
    }
}

/// Memory is bounded, however much changes while the clients do not read.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_for_slow_watches_is_bounded() {
    const LIMIT: usize = 8 * 1024 * 1024;
    let server = Server::start_with(Options {
        watch_buffer: LIMIT,
        ..options()
    })
    .await;
    let client = Client::new(&server).await;
    add_tasks(&client, 200, 60).await;
    let mut picture = Picture::default();
    let mut watch = picture.begin_and_read(&server).await;
    let mut unread = Vec::new();
    for _ in 0..10 {
        let slow = Watch::begin_slow(server.address, &server.key, changes_alone()).await;
        unread.push(slow.unwrap());
    }
    for slow in &mut unread {
        slow.next().await.unwrap();
    }
    let mut most = 0;
    for round in 0..10 {
        let (from, action, to) = match round {
            0 => (TaskStatus::Pending, TaskAction::Start, TaskStatus::Running),
            n if n % 2 == 1 => (TaskStatus::Running, TaskAction::Pause, TaskStatus::Paused),
            _ => (TaskStatus::Paused, TaskAction::Resume, TaskStatus::Running),
        };
        change_all(&client, of_status(&[from], action)).await;
        picture.follow(&mut watch, all_have(to)).await;
        most = most.max(server.app.watch_buffer_bytes());
    }
    // A client that reads gets everything. One that does not must start again.
    assert_eq!(picture.anew, 0);
    assert!((1..=LIMIT).contains(&most), "{most}");
    for mut slow in unread {
        while !slow.next().await.unwrap().unwrap().list_again {}
        assert_eq!(slow.next().await.unwrap(), None);
    }
    drop(watch);
    let is_empty = async || server.app.watch_buffer_bytes() == 0;
    crate::support::eventually("it is empty", crate::support::PATIENCE, is_empty).await;
}

/// The number of snapshots that watches begin with is limited, and a client that does not read cannot hold one for
/// long.
#[tokio::test(flavor = "multi_thread")]
async fn an_unread_watch_gives_up_its_snapshot() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let client = Client::new(&server).await;
    add_tasks(&client, 400, 100).await;
    let mut unread = Vec::new();
    let begin = |key: &str| {
        let (address, key) = (server.address, key.to_owned());
        tokio::spawn(async move {
            let watch = Watch::begin_slow(address, &key, WatchOutboundTasksRequest::default());
            watch.await.unwrap()
        })
    };
    for _ in 0..4 {
        unread.push(begin(&server.key));
    }
    let mut watches = Vec::new();
    for slow in unread {
        watches.push(slow.await.unwrap());
    }
    // All snapshots are taken by clients that do not read. Neither other tenants nor the same one wait for long.
    for key in [&other, &server.key] {
        let began = Instant::now();
        let mut next = begin(key).await.unwrap();
        assert!(next.next().await.unwrap().is_some());
        let took = began.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
    let mut ended = 0;
    for mut slow in watches {
        let end = loop {
            match slow.next().await {
                Ok(message) if message.as_ref().unwrap().resume_token.is_empty() => {}
                Ok(_) => break None,
                Err(end) => break Some(end.code()),
            }
        };
        assert!(end.is_none_or(|code| code == Code::Unavailable));
        ended += usize::from(end.is_some());
    }
    assert!(ended >= 3, "{ended}");
}

/// A hundred callers of large requests at a time: a fixed number of threads reads them, since each thread keeps memory.
#[tokio::test(flavor = "multi_thread")]
async fn large_requests_are_read_by_few_threads() {
    let database = Database::demo().await;
    let key = keys::create(&database, "read", &[]).await;
    let service = Process::serve(&database, &[]).await;
    let ids: Vec<String> = (0..1000).map(|n| format!("{n:0>100}")).collect();
    let json = serde_json::json!({ "taskIds": ids }).to_string();
    let mut calls = JoinSet::new();
    for number in 0..100 {
        let (address, key, ids, json) = (service.address, key.clone(), ids.clone(), json.clone());
        calls.spawn(async move {
            let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
            let channel = endpoint.connect().await.unwrap();
            let client = Client::on(OutboundTaskServiceClient::new(channel), &key);
            let http = Http::new(address, "");
            for _ in 0..10 {
                if number % 2 == 0 {
                    let list = ListOutboundTasksRequest {
                        task_ids: ids.clone(),
                        ..Default::default()
                    };
                    client.list_outbound_tasks(list).await.unwrap();
                } else {
                    let body = json.clone().into_bytes();
                    let headers = [("content-type", "application/json"), ("x-api-key", &*key)];
                    let answer = http.send(Method::POST, RPC, &headers, body).await;
                    assert_eq!(answer.status, 200);
                }
            }
        });
    }
    let mut most = 0;
    while calls.try_join_next().map(|ended| ended.unwrap()).is_some() || !calls.is_empty() {
        most = most.max(service.threads());
        sleep(Duration::from_millis(20)).await;
    }
    // Tokio's two or more, the four readers, the log's, and those that blocking work has.
    let usual = std::thread::available_parallelism().unwrap().get() + 16;
    assert!(most <= usual, "{most} threads");
}

/// A watch holds its filter for as long as it lives.
#[tokio::test(flavor = "multi_thread")]
async fn the_filters_of_watches_are_bounded() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let watch = async |key: &str, ids: usize| {
        let request = WatchOutboundTasksRequest {
            filter: Some(TaskFilter {
                task_ids: (0..ids).map(|n| format!("{n:0>128}")).collect(),
                ..Default::default()
            }),
            ..changes_alone()
        };
        Watch::begin(server.address, key, request).await
    };
    let mut watches = Vec::new();
    let refused = loop {
        match watch(&server.key, 1000).await {
            Ok(watch) => watches.push(watch),
            Err(refused) => break refused,
        }
        assert!(watches.len() < 1000);
    };
    let code = refused.code();
    let why = refused.message();
    assert!(
        code == Code::Unavailable && why.contains("filters of watches"),
        "{refused:?}"
    );
    // 48 MiB, three quarters, at 149 KiB each, of which whole blocks of 16 KiB count.
    assert_eq!(watches.len(), 48 * 64 / 9);
    // Small filters do not count, and another tenant has room.
    watch(&server.key, 100).await.unwrap();
    let theirs = watch(&other, 1000).await.unwrap();
    drop((watches, theirs));
    let again = async || watch(&server.key, 1000).await.is_ok();
    eventually("there is room again", PATIENCE, again).await;
}
