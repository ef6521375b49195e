//! Watches that are resumed after an outage: many at the same time, far behind, without a delay for other watches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use outbound_tasks::pb::{TaskAction, TaskFilter, WatchOutboundTasksRequest};
use tokio::{sync::Barrier, task::JoinSet, time::sleep};
use tonic::Code;

use crate::support::{
    client::{Client, new_task},
    server::Server,
    watch::{Picture, Watch},
};

const CHANGES: u32 = 2_000;

/// Reads until the watch has caught up, with as many reconnects as that takes, and returns the number of changes.
async fn catch_up(server: &Server, key: &str, mut request: WatchOutboundTasksRequest) -> usize {
    let mut changes = 0;
    loop {
        let mut watch = match Watch::begin(server.address, key, request.clone()).await {
            Ok(watch) => watch,
            Err(error) => {
                assert_eq!(error.code(), Code::Unavailable, "{error:?}");
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        while let Ok(Some(message)) = watch.next().await {
            assert!(!message.list_again);
            changes += message.changes.len();
            request.resume_token = message.resume_token;
            if message.as_of.is_some() {
                return changes;
            }
        }
    }
}

/// A small number of tasks, so that the clients in this process need little of the machine.
fn few() -> TaskFilter {
    TaskFilter {
        task_ids: (1..=10).map(|n| format!("t{n}")).collect(),
        ..Default::default()
    }
}

/// The worst case: each watch resumes from another position, so that no two can share a read.
#[tokio::test(flavor = "multi_thread")]
async fn resumed_watches_do_not_delay_others() {
    let server = Arc::new(Server::start().await);
    let other = server.tenant("other").await;
    let client = Client::new(&server).await;
    server.database.add_tasks("demo", CHANGES).await;
    let mut picture = Picture::of(few());
    let mut watch = picture.begin_and_read(&server).await;
    let mut requests = Vec::new();
    for n in 0..40 {
        requests.push(picture.request());
        let action = match n {
            0 => TaskAction::Start,
            n if n % 2 == 1 => TaskAction::Pause,
            _ => TaskAction::Resume,
        };
        let etag = client.acted(action, "t1").await.etag;
        picture
            .follow(&mut watch, |p| p.tasks["t1"].etag == etag)
            .await;
    }
    drop(watch);
    let backlog = "UPDATE tasks SET progress = 1 WHERE tenant_id = 'demo'";
    server.database.execute(backlog).await;

    let theirs = Client::with_key(&server, &other).await;
    theirs.create(new_task("a", &[])).await;
    theirs.acted(TaskAction::Start, "a").await;
    let mut watch = Watch::begin(
        server.address,
        &other,
        WatchOutboundTasksRequest {
            skip_initial: true,
            ..Default::default()
        },
    )
    .await
    .unwrap();
    watch.next().await.unwrap();
    let mut late = JoinSet::new();
    for request in requests {
        let server = Arc::clone(&server);
        late.spawn(async move { catch_up(&server, &server.key, request).await });
    }
    let all_began = Instant::now();
    let mut worst = Duration::ZERO;
    let mut updates = 0;
    while !late.is_empty() {
        let action = [TaskAction::Pause, TaskAction::Resume][updates % 2];
        theirs.acted(action, "a").await;
        updates += 1;
        let began = Instant::now();
        while watch.next().await.unwrap().unwrap().changes.is_empty() {}
        worst = worst.max(began.elapsed());
        while let Some(changes) = late.try_join_next() {
            assert_eq!(changes.unwrap(), 10);
        }
    }
    // If the service read for all watches in one go, the other watch would wait that long. (The machine may be slow.)
    let took = all_began.elapsed();
    assert!(updates >= 8, "{updates} updates in {took:?}");
    let limit = Duration::from_secs(2).max(took / 3);
    assert!(worst < limit, "{worst:?} late, while {took:?} passed");
}

/// After an outage most watches resume from the same position. One read serves all of them.
#[tokio::test(flavor = "multi_thread")]
async fn watches_that_resume_together_share_their_reads() {
    const EACH: usize = 100;
    let server = Arc::new(Server::start().await);
    let other = server.tenant("other").await;
    let ready = Arc::new(Barrier::new(2 * EACH + 1));
    let mut back = JoinSet::new();
    for (tenant, key) in [("demo", &server.key), ("other", &other)] {
        server.database.add_tasks(tenant, CHANGES).await;
        let request = WatchOutboundTasksRequest {
            filter: Some(few()),
            skip_initial: true,
            ..Default::default()
        };
        let watch = Watch::begin(server.address, key, request.clone()).await;
        let first = watch.unwrap().next().await.unwrap().unwrap();
        let request = WatchOutboundTasksRequest {
            resume_token: first.resume_token,
            ..request
        };
        for _ in 0..EACH {
            let (server, ready) = (Arc::clone(&server), Arc::clone(&ready));
            let (key, request) = (key.clone(), request.clone());
            back.spawn(async move {
                ready.wait().await;
                catch_up(&server, &key, request).await
            });
        }
    }
    server
        .database
        .execute("UPDATE tasks SET progress = 1")
        .await;
    ready.wait().await;
    let began = Instant::now();
    while let Some(changes) = back.join_next().await {
        assert_eq!(changes.unwrap(), 10);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_too_far_behind_gets_list_again_at_once() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let mut picture = Picture::default();
    let watch = picture.begin_and_read(&server).await;
    drop(watch);
    // 20,000 changes are sent, one more is not.
    let log = |count: u32| {
        format!(
            "INSERT INTO task_log (tenant_id, task_id, was_status, was_start_time, was_end_time, was_created_at, \
                was_updated_at, was_name) \
             SELECT tenant_id, task_id, status, start_time, end_time, created_at, updated_at, name \
             FROM tasks, generate_series(1, {count})"
        )
    };
    server.database.execute(&log(20_000)).await;
    let mut watch = picture.begin(&server).await;
    let reported = watch.next().await.unwrap().unwrap();
    assert_eq!((reported.list_again, reported.changes.len()), (false, 1));
    picture.resume_token = reported.resume_token;
    drop(watch);
    server.database.execute(&log(20_001)).await;
    let mut watch = picture.begin(&server).await;
    assert!(watch.next().await.unwrap().unwrap().list_again);
    assert_eq!(watch.next().await.unwrap(), None);
}
