//! Resumed watches: on another server, after transactions that commit late, and watches that cannot be resumed.

use std::time::{Duration, Instant};

use http::Method;
use outbound_tasks::{
    embedded::{Durability, Embedded},
    pb::{TaskAction, TaskStatus, WatchOutboundTasksRequest},
};

use crate::support::{
    PATIENCE, TempDir,
    client::{Client, new_task},
    database::Database,
    eventually,
    server::{Server, options},
    tasks::{Json, task},
    watch::{Picture, Watch},
};

/// A resumed watch misses nothing, on any server.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_resumes_at_its_token() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create_all((0..5).map(|n| new_task(&format!("t{n}"), &[])).collect())
        .await;
    let mut picture = Picture::default();
    let watch = picture.begin_and_read(&server).await;
    drop(watch);
    // Changes after the token: one of each kind, and two of the same task.
    client.acted(TaskAction::Start, "t1").await;
    client.acted(TaskAction::Pause, "t1").await;
    client.delete("t2").await;
    client.delete("t3").await;
    client.create(new_task("t3", &["c"])).await;
    client.create(new_task("t9", &[])).await;
    client.delete("t9").await;
    client.create(new_task("t8", &[])).await;
    let second = server.beside().await;
    let mut watch = Watch::begin(second.address, &server.key, picture.request())
        .await
        .unwrap();
    let message = watch.next().await.unwrap().unwrap();
    picture.apply(message);
    let there: Vec<&str> = picture.tasks.keys().map(|id| &**id).collect();
    assert_eq!(there, ["t0", "t1", "t3", "t4", "t8"]);
    for (id, task) in &picture.tasks {
        assert_eq!(*task, client.get(id).await.unwrap());
    }
    // Watches of one service see at once what the other one changes.
    let began = Instant::now();
    client.acted(TaskAction::Resume, "t1").await;
    picture
        .follow(&mut watch, |p| {
            p.tasks["t1"].status() == TaskStatus::Running
        })
        .await;
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
}

/// In whatever order the transactions commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_commit_is_not_lost() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for id in ["a", "b", "c"] {
        client.create(new_task(id, &[])).await;
    }
    let (early, late) = (
        server.database.client().await,
        server.database.client().await,
    );
    let rename = |id| format!("UPDATE tasks SET name = 'new' WHERE task_id = '{id}'");
    early
        .batch_execute(&format!("BEGIN; {}", rename("a")))
        .await
        .unwrap();
    let mut picture = Picture::default();
    let mut watch = picture.begin_and_read(&server).await;
    late.batch_execute(&format!("BEGIN; {}", rename("b")))
        .await
        .unwrap();
    client.acted(TaskAction::Start, "c").await;
    picture
        .follow(&mut watch, |p| p.tasks["c"].status() == TaskStatus::Running)
        .await;
    let token = picture.resume_token.clone();
    assert_eq!(picture.tasks["a"].name, "task a");
    late.batch_execute("COMMIT").await.unwrap();
    early.batch_execute("COMMIT").await.unwrap();
    let is_reported = |p: &Picture| ["a", "b"].iter().all(|id| p.tasks[*id].name == "new");
    picture.follow(&mut watch, is_reported).await;
    // The same for a watch that is resumed with a token from before the commits.
    let mut message = Watch::begin(
        server.address,
        &server.key,
        WatchOutboundTasksRequest {
            resume_token: token,
            ..Default::default()
        },
    )
    .await
    .unwrap();
    let reported = message.next().await.unwrap().unwrap();
    let mut reported: Vec<_> = reported
        .changes
        .into_iter()
        .map(|c| (c.task_id, c.task.unwrap().name))
        .collect();
    reported.sort();
    assert_eq!(
        reported,
        [("a".into(), "new".into()), ("b".into(), "new".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_gets_list_again() {
    // A server of its own: open transactions of other tests would prevent or delay the deletion of old log rows.
    let dir = TempDir::new();
    let postgres = Embedded::start(&dir.0, Durability::Throwaway)
        .await
        .unwrap();
    let server = Server::start_on(Database::on(&postgres).await, options()).await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let mut picture = Picture::default();
    let mut watch = picture.begin_and_read(&server).await;
    let token = picture.request();
    // More changes than a watch sends one by one.
    let many: Vec<Json> = (0..1001)
        .map(|n| {
            task(
                &format!("m{n}"),
                "2033-05-18T03:33:20Z",
                "2033-05-18T04:33:20Z",
                "pending",
            )
        })
        .collect();
    server.import(&many).await;
    picture.follow(&mut watch, |p| p.anew == 1).await;
    assert_eq!(watch.next().await.unwrap(), None);
    // An old token: its changes are no longer in the log.
    client.acted(TaskAction::Start, "a").await;
    let none = outbound_tasks::app::Retention {
        audit: chrono::TimeDelta::MAX,
        watch: chrono::TimeDelta::zero(),
    };
    server.app.clean(none).await.unwrap();
    let mut watch = Watch::begin(server.address, &server.key, token)
        .await
        .unwrap();
    assert!(watch.next().await.unwrap().unwrap().list_again);
    assert_eq!(watch.next().await.unwrap(), None);
    // A new watch works all the same, and continues while old log rows are deleted.
    let mut watch = picture.begin_and_read(&server).await;
    assert_eq!(picture.tasks.len(), 1002);
    client.acted(TaskAction::Pause, "a").await;
    picture
        .follow(&mut watch, |p| p.tasks["a"].status() == TaskStatus::Paused)
        .await;
    server.app.clean(none).await.unwrap();
    client.acted(TaskAction::Resume, "a").await;
    picture
        .follow(&mut watch, |p| p.tasks["a"].status() == TaskStatus::Running)
        .await;
    assert_eq!(picture.anew, 1);
    server.stop().await;
    postgres.stop().await.unwrap();
}

/// As in a database that was restored from a dump of a server with greater transaction ids. The service's role sees one tenant
/// at a time, and finds all of them nevertheless.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_from_another_database_does_not_hide_new_changes() {
    let server = Server::start_on(Database::restricted().await, options()).await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    // The log of one more tenant is foreign, of another one only what was trimmed, and the last one's is our own.
    for tenant in ["entries", "trimmed", "own"] {
        let key = server.tenant(tenant).await;
        let theirs = Client::with_key(&server, &key).await;
        theirs.create(new_task("a", &[])).await;
    }
    let foreign =
        "UPDATE task_log SET xid = xid + 1000000000 WHERE tenant_id IN ('demo', 'entries');
        UPDATE tenants SET log_trimmed = 1000000000 WHERE tenant_id IN ('demo', 'trimmed')";
    server.database.execute(foreign).await;
    let second = server.beside().await;
    let logs = "SELECT string_agg(concat_ws(' ', s.tenant_id, s.log_trimmed, \
        (SELECT count(*) FROM task_log l WHERE l.tenant_id = s.tenant_id)), ', ' ORDER BY s.tenant_id) FROM tenants s";
    let sql = server.database.client().await;
    let is_gone = async || {
        let logs: String = sql.query_one(logs, &[]).await.unwrap().get(0);
        logs == "demo 0 0, entries 0 0, own 0 1, trimmed 0 1"
    };
    eventually("they are gone", PATIENCE, is_gone).await;
    let mut picture = Picture::default();
    let mut watch = picture.begin_and_read(&second).await;
    client.acted(TaskAction::Start, "a").await;
    picture
        .follow(&mut watch, |p| p.tasks["a"].status() == TaskStatus::Running)
        .await;
}

/// Without the database the service cannot know whether there are changes, so it sends no heartbeats.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_is_silent_while_the_feed_is_down_and_then_goes_on() {
    let dir = TempDir::new();
    let start = async || Embedded::start(&dir.0, Durability::Durable).await.unwrap();
    let postgres = start().await;
    let server = Server::start_on(Database::on(&postgres).await, options()).await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let mut picture = Picture::default();
    let mut watch = picture.begin_and_read(&server).await;
    postgres.stop().await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(12), watch.next()).await;
    assert!(heard.is_err(), "{heard:?}");
    // A browser that reconnects gets an error after which it tries again.
    let path = format!(
        "/api/v1/outboundtasks:watch?resume_token={}",
        picture.resume_token
    );
    let key = ("x-api-key", &*server.key);
    let http = server.http();
    let refused = http.send(Method::GET, &path, &[key], Vec::new()).await;
    assert_eq!(refused.status, 503);
    let headers = [key, ("last-event-id", &*picture.resume_token)];
    let later = http.send(Method::GET, &path, &headers, Vec::new()).await;
    assert_eq!(
        (later.status.as_u16(), later.header("content-type")),
        (200, "text/event-stream")
    );
    assert_eq!(String::from_utf8(later.body).unwrap(), "retry: 1000\n\n");
    let postgres = start().await;
    let started = async || client.get("a").await.is_ok();
    eventually("it answers again", PATIENCE, started).await;
    client.acted(TaskAction::Start, "a").await;
    picture
        .follow(&mut watch, |p| p.tasks["a"].status() == TaskStatus::Running)
        .await;
    server.stop().await;
    postgres.stop().await.unwrap();
}

/// The files of the database were replaced by an older copy, so changes that the token knows are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_changes_that_are_gone_is_told_to_list_again() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let mut picture = Picture::default();
    drop(picture.begin_and_read(&server).await);
    let before = picture.clone();
    client.create(new_task("b", &[])).await;
    let mut watch = Watch::begin(server.address, &server.key, picture.request())
        .await
        .unwrap();
    picture
        .follow(&mut watch, |p| p.tasks.contains_key("b"))
        .await;
    drop(watch);
    let undo = "DELETE FROM tasks WHERE task_id = 'b'; DELETE FROM task_log WHERE task_id = 'b'";
    server.database.execute(undo).await;
    for (token, is_lost) in [(&before, false), (&picture, true)] {
        let watch = Watch::begin(server.address, &server.key, token.request()).await;
        let message = watch.unwrap().next().await.unwrap().unwrap();
        assert_eq!(message.list_again, is_lost, "{message:?}");
    }
}
