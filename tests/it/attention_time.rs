//! What time and results do to tasks that need attention: in lists, beside the cache, and in watches.

use std::{slice, time::Duration};

use outbound_tasks::pb::{
    ListOutboundTasksRequest, TargetState, TaskAction, TaskAttention, TaskChangeKind, TaskFilter,
    TaskStatus,
};
use tonic::Code;

use crate::{
    attention::{KINDS, list, micros},
    support::{
        PATIENCE,
        client::{Client, at, facts, fields, new_task, report, result},
        eventually,
        keys::{self, id_of},
        server::Server,
        watch::{Picture, Watch},
    },
};

/// The second list is a hit of the cache if nothing was committed, unless time alone can change it.
#[tokio::test(flavor = "multi_thread")]
async fn time_moves_tasks_in_without_a_change() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let now = "SELECT extract(epoch FROM now())::bigint";
    let sql = server.database.client().await;
    let now: i64 = sql.query_one(now, &[]).await.unwrap().get(0);
    let mut soon = new_task("soon", &["c1"]);
    (soon.start_time, soon.end_time) = (at(now + 3), at(now + 3));
    client.create(soon).await;
    let of = |kind: TaskAttention| ListOutboundTasksRequest {
        attention: vec![kind as i32],
        ..Default::default()
    };
    let counts = ListOutboundTasksRequest {
        attention_counts: true,
        ..Default::default()
    };
    let total = async |kind| list(&client, &of(kind)).await.total;
    let counted = async || -> Vec<i32> {
        let counts = list(&client, &counts).await.attention_counts;
        counts.iter().map(|c| c.count).collect()
    };
    for kind in KINDS {
        assert_eq!(total(kind).await, 0, "{kind:?}");
    }
    assert_eq!(counted().await, [0, 0, 0, 0, 0]);
    let (overdue, unstarted) = (TaskAttention::Overdue, TaskAttention::Unstarted);
    let has_moved = async || total(overdue).await == 1;
    eventually("time moves the task in", PATIENCE, has_moved).await;
    assert_eq!(total(unstarted).await, 1);
    assert_eq!(counted().await, [1, 0, 0, 1, 0]);
    // Kinds that only changes bring about are answered from the cache.
    let hits = server.app.list_cache().hits;
    for kind in [TaskAttention::FinishedUnended, TaskAttention::Empty] {
        assert_eq!(total(kind).await, 0);
    }
    assert_eq!(server.app.list_cache().hits, hits + 2);
}

/// A start, a resumption and each result begin the time anew. Reports that are older than what is known do not.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_stalled_when_nothing_comes_in() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1", "c2"])).await;
    let age = async |column: &str| {
        let older = format!(
            "UPDATE tasks SET {column} = now() - interval '1 hour' WHERE {column} IS NOT NULL"
        );
        server.database.execute(&older).await;
    };
    let is_stalled = async || {
        let request = ListOutboundTasksRequest {
            attention: vec![TaskAttention::Stalled as i32],
            ..Default::default()
        };
        list(&client, &request).await.total == 1
    };
    assert_eq!(client.get("a").await.unwrap().last_result_at, None);
    age("created_at").await;
    assert!(!is_stalled().await, "a pending task is not stalled");
    client.acted(TaskAction::Start, "a").await;
    assert!(!is_stalled().await);
    age("status_changed_at").await;
    assert!(is_stalled().await);
    let first = result("c1", TargetState::Busy, 2, 10);
    report(&client, "a", slice::from_ref(&first)).await.unwrap();
    let task = client.get("a").await.unwrap();
    assert_eq!(task.last_result_at, task.updated_at);
    assert!(!is_stalled().await);
    age("last_result_at").await;
    assert!(is_stalled().await);
    let known = client.get("a").await.unwrap().last_result_at;
    for late in [first, result("c1", TargetState::Answered, 1, 10)] {
        report(&client, "a", &[late]).await.unwrap();
    }
    client.acted(TaskAction::Pause, "a").await;
    assert!(!is_stalled().await, "a paused task is not stalled");
    client.acted(TaskAction::Resume, "a").await;
    assert!(!is_stalled().await);
    let task = client.get("a").await.unwrap();
    assert_eq!(task.last_result_at, known);
    // An import has the time of its latest result, if that has passed.
    let record = |id: &str, time: &str| {
        serde_json::json!({"task_id": id, "name": id, "start_time": "2023-03-01", "end_time": "2023-03-02",
            "target": ["c1", "c2"], "target_results": [
                {"customer_id": "c1", "state": "busy", "attempt": 1, "time": "2023-03-01T10:00:00Z"},
                {"customer_id": "c2", "state": "answered", "attempt": 1, "time": time}]})
    };
    let early = record("early", "2023-03-01T11:00:00Z");
    server
        .import(&[early, record("never", "9999-01-01T00:00:00Z")])
        .await;
    let early = client.get("early").await.unwrap();
    assert_eq!(micros(early.last_result_at), Some(1_677_668_400_000_000));
    let never = client.get("never").await.unwrap();
    assert_eq!(never.last_result_at, never.created_at);
    let of_http = server
        .http()
        .list("task_ids=early&fields=last_result_at")
        .await;
    assert_eq!(
        of_http.json()["tasks"][0]["last_result_at"],
        "2023-03-01T11:00:00Z"
    );
}

fn filter(kinds: &[TaskAttention]) -> TaskFilter {
    TaskFilter {
        attention: kinds.iter().map(|kind| *kind as i32).collect(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_sees_what_time_and_what_changes_move() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let sql = server.database.client().await;
    let now = "SELECT extract(epoch FROM now())::bigint";
    let now: i64 = sql.query_one(now, &[]).await.unwrap().get(0);
    let task = |id: &str, end: i64, customers: &[&str]| {
        let mut task = new_task(id, customers);
        (task.start_time, task.end_time) = (at(now - 60), at(end));
        task
    };
    client.create(task("late", now - 30, &["c1"])).await;
    client.create(task("soon", now + 4, &["c1"])).await;
    let kinds = [TaskAttention::Overdue, TaskAttention::Empty];
    let mut picture = Picture::of(filter(&kinds));
    let mut watch = picture.begin_and_read(&server).await;
    assert!(picture.tasks.keys().eq(["late"]), "{:?}", picture.tasks);
    assert_eq!(picture.tasks["late"].target, ["c1"]);
    // Time moves one in, a change another one.
    client.create(task("empty", now + 3600, &[])).await;
    picture
        .follow(&mut watch, |p| p.tasks.keys().eq(["empty", "late", "soon"]))
        .await;
    client.acted(TaskAction::Start, "late").await;
    client.acted(TaskAction::Stop, "soon").await;
    client.delete("empty").await;
    picture
        .follow(&mut watch, |p| {
            p.tasks.keys().eq(["late"]) && p.tasks["late"].status() == TaskStatus::Running
        })
        .await;
    // It cannot go on behind a token.
    drop(watch);
    let resumed = picture.begin(&server).await;
    let message = { resumed }.next().await.unwrap().unwrap();
    assert!(message.list_again);
    // Another token is refused, as for any other filter.
    let mut other = picture.request();
    other.filter = Some(filter(&[TaskAttention::Overdue]));
    let refused = Watch::begin(server.address, &server.key, other).await;
    assert_eq!(fields(&refused.err().unwrap()), ["resume_token"]);
}

/// A task is read when the client takes it, so one that is deleted before is never sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_not_read_holds_no_tasks() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let customers: Vec<String> = (0..100).map(|n| format!("{n:0>100}")).collect();
    let customers: Vec<&str> = customers.iter().map(|id| &**id).collect();
    for n in (0..400).step_by(20) {
        let tasks = (n..n + 20).map(|n| {
            let mut task = new_task(&format!("t{n:03}"), &customers);
            (task.start_time, task.end_time) = (at(1_600_000_000), at(1_600_000_060));
            task
        });
        client.create_all(tasks.collect()).await;
    }
    let mut picture = Picture::of(filter(&[TaskAttention::Overdue]));
    let watch = Watch::begin_slow(server.address, &server.key, picture.request());
    let mut watch = watch.await.unwrap();
    picture.follow(&mut watch, |p| !p.tasks.is_empty()).await;
    assert!(picture.tasks.len() < 200, "{}", picture.tasks.len());
    client.delete("t399").await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    assert_eq!(picture.tasks.len(), 399);
    let seen = &picture.seen;
    assert_eq!(seen.get(&(TaskChangeKind::Initial as i32)), Some(&399));
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_too_many_is_refused() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let tasks = (0..1001).map(|n| new_task(&format!("t{n}"), &[]));
    client.create_all(tasks.collect()).await;
    let picture = Picture::of(filter(&[TaskAttention::Empty]));
    let refused = Watch::begin(server.address, &server.key, picture.request()).await;
    let refused = refused.err().unwrap();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let facts = facts(&refused);
    assert_eq!(facts["matched_count"], "1001");
    client.delete("t0").await;
    let mut picture = picture;
    let mut watch = picture.begin_and_read(&server).await;
    assert_eq!(picture.tasks.len(), 1000);
    // Without a change it beats, and it ends with one task too many.
    let beat = watch.next().await.unwrap().unwrap();
    assert_eq!((beat.changes.len(), beat.as_of.is_some()), (0, true));
    client.create(new_task("t0", &[])).await;
    let ended = loop {
        match watch.next().await {
            Ok(message) => assert!(message.is_some()),
            Err(ended) => break ended,
        }
    };
    assert_eq!(ended.code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_its_key() {
    let server = Server::start().await;
    let key = keys::create(&server.database, "read", &[]).await;
    let picture = Picture::of(filter(&[TaskAttention::Stalled]));
    let mut watch = Watch::begin(server.address, &key, picture.request())
        .await
        .unwrap();
    watch.next().await.unwrap().unwrap();
    let revoke = ["keys", "revoke", &id_of(&key)];
    server.database.succeed(&revoke, b"").await;
    let ended = tokio::time::timeout(Duration::from_secs(10), watch.next()).await;
    assert_eq!(ended.unwrap().unwrap_err().code(), Code::Unauthenticated);
}
