//! The watch: what there is, what comes, changes and goes, and how it ends.

use std::time::{Duration, Instant};

use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    embedded::{Durability, Embedded},
    pb::{
        BatchCreateOutboundTasksRequest, DateRange, OutboundTask, TargetState, TaskAction,
        TaskChangeKind, TaskDateField, TaskFilter, TaskStatus, UpdateOutboundTaskRequest,
        WatchOutboundTasksRequest,
    },
    server::Options,
};
use prost_types::FieldMask;
use tonic::Code;

use crate::support::{
    TempDir,
    client::{Client, START, at, fields, new_task, part, remove, report, result},
    database::Database,
    eventually,
    server::{Server, options, request_with},
    tasks::{Json, task},
    watch::{Picture, Watch},
};

async fn begin(server: &Server, picture: &Picture) -> Watch {
    Watch::begin(server.address, &server.key, picture.request())
        .await
        .unwrap()
}

fn kinds(picture: &Picture, kind: TaskChangeKind) -> usize {
    picture.seen.get(&(kind as i32)).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_what_there_is_and_what_becomes_of_it() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create_all(
            (0..50)
                .map(|n| new_task(&format!("old{n}"), &["c1"]))
                .collect(),
        )
        .await;
    let mut all = Picture::default();
    let mut watch = begin(&server, &all).await;
    all.follow(&mut watch, |p| !p.resume_token.is_empty()).await;
    assert_eq!(
        (all.tasks.len(), kinds(&all, TaskChangeKind::Initial)),
        (50, 50)
    );
    assert_eq!(all.tasks["old7"], client.get("old7").await.unwrap());
    let running = TaskFilter {
        status: vec![TaskStatus::Running as i32],
        ..Default::default()
    };
    let mut running = Picture::of(running);
    let mut running_watch = begin(&server, &running).await;
    running
        .follow(&mut running_watch, |p| !p.resume_token.is_empty())
        .await;
    assert!(running.tasks.is_empty());

    client.create(new_task("new", &["c1", "c2"])).await;
    all.follow(&mut watch, |p| p.tasks.contains_key("new"))
        .await;
    client.acted(TaskAction::Start, "new").await;
    running
        .follow(&mut running_watch, |p| p.tasks.len() == 1)
        .await;
    report(
        &client,
        "new",
        &[result("c1", TargetState::Answered, 1, START)],
    )
    .await
    .unwrap();
    let halfway = |p: &Picture| p.tasks.get("new").is_some_and(|t| t.progress == 50);
    running.follow(&mut running_watch, halfway).await;
    all.follow(&mut watch, halfway).await;
    assert_eq!(running.tasks["new"], client.get("new").await.unwrap());
    assert_eq!(running.tasks["new"], all.tasks["new"]);
    client.acted(TaskAction::Pause, "new").await;
    running
        .follow(&mut running_watch, |p| p.tasks.is_empty())
        .await;
    client.delete("new").await;
    all.follow(&mut watch, |p| !p.tasks.contains_key("new"))
        .await;
    assert_eq!(kinds(&running, TaskChangeKind::Created), 1);
    assert_eq!(kinds(&running, TaskChangeKind::Removed), 1);
    assert_eq!(kinds(&all, TaskChangeKind::Removed), 1);
    assert_eq!(all.tasks.len(), 50);
}

/// Each part of a filter, as a task comes to match it and ceases to.
#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_the_filter_holds() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("it", &["c1"])).await;
    client.create(new_task("other", &["c1"])).await;
    let range = |start, end, date_field: TaskDateField| TaskFilter {
        date_range: Some(DateRange { start, end }),
        date_field: date_field as i32,
        ..Default::default()
    };
    let later = START + 1_000_000;
    let filters = [
        TaskFilter {
            name: "GRÜSSE 你好".into(),
            ..Default::default()
        },
        range(at(later), None, TaskDateField::StartTime),
        range(at(later), at(later + 1), TaskDateField::StartTime),
        range(at(later + 3600), None, TaskDateField::EndTime),
        range(at(later), at(later + 10), TaskDateField::Window),
        TaskFilter {
            task_ids: vec!["it".into(), "another".into()],
            ..range(at(later), None, TaskDateField::Window)
        },
        TaskFilter {
            customer_id: "c1".into(),
            name: "你".into(),
            ..Default::default()
        },
    ];
    let update = async |name: &str, start: i64| {
        let update = UpdateOutboundTaskRequest {
            task: Some(OutboundTask {
                task_id: "it".into(),
                name: name.into(),
                start_time: at(start),
                end_time: at(start + 3600),
                ..Default::default()
            }),
            update_mask: Some(FieldMask {
                paths: ["name", "start_time", "end_time"]
                    .map(str::to_owned)
                    .to_vec(),
            }),
            ..Default::default()
        };
        client.update_outbound_task(update).await.unwrap();
    };
    let mut all = Vec::new();
    for filter in filters {
        let mut picture = Picture::of(filter);
        let mut watch = begin(&server, &picture).await;
        picture
            .follow(&mut watch, |p| !p.resume_token.is_empty())
            .await;
        assert!(picture.tasks.is_empty(), "{picture:?}");
        all.push((picture, watch));
    }
    update("Viele Grüße 你好!", later).await;
    for (picture, watch) in &mut all {
        picture.follow(watch, |p| p.tasks.len() == 1).await;
        assert_eq!(kinds(picture, TaskChangeKind::Created), 1, "{picture:?}");
    }
    update("viele grüsse 你好", later).await;
    for (picture, watch) in &mut all {
        picture
            .follow(watch, |p| kinds(p, TaskChangeKind::Changed) == 1)
            .await;
    }
    update("it", START).await;
    for (picture, watch) in &mut all {
        picture.follow(watch, |p| p.tasks.is_empty()).await;
        assert_eq!(kinds(picture, TaskChangeKind::Removed), 1, "{picture:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_tasks_are_followed() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for id in ["a", "b"] {
        client.create(new_task(id, &["c1"])).await;
    }
    let of_c2 = TaskFilter {
        customer_id: "c2".into(),
        ..Default::default()
    };
    let mut picture = Picture::of(of_c2);
    let mut watch = begin(&server, &picture).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    // Of other customers nothing is told.
    client.acted(TaskAction::Start, "b").await;
    client.create(new_task("c", &["c2"])).await;
    picture
        .follow(&mut watch, |p| p.tasks.contains_key("c"))
        .await;
    assert_eq!(picture.seen.len(), 1);
    client.acted(TaskAction::Start, "c").await;
    picture
        .follow(&mut watch, |p| kinds(p, TaskChangeKind::Changed) == 1)
        .await;
    remove(&client, "c", &["c2".into()]).await.unwrap();
    picture.follow(&mut watch, |p| p.tasks.is_empty()).await;
    // It cannot be told from one that had it before.
    client
        .add_task_targets(vec![part("a", &["c2"])])
        .await
        .unwrap();
    let message = watch.next().await.unwrap().unwrap();
    let [change] = &message.changes[..] else {
        panic!("{message:?}")
    };
    assert_eq!(
        (change.kind(), &*change.task_id),
        (TaskChangeKind::Changed, "a")
    );
}

/// A watch that is resumed has missed nothing, on whatever server.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_where_it_was() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create_all((0..5).map(|n| new_task(&format!("t{n}"), &[])).collect())
        .await;
    let mut picture = Picture::default();
    let mut watch = begin(&server, &picture).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    drop(watch);
    // One transaction that began before the token and ends after it, one of each kind, two of one task.
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
    // What one service changes, watches of the other see at once.
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

/// Whatever the order of commits.
#[tokio::test(flavor = "multi_thread")]
async fn what_commits_late_is_not_lost() {
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
    let mut watch = begin(&server, &picture).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
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
    let is_told = |p: &Picture| ["a", "b"].iter().all(|id| p.tasks[*id].name == "new");
    picture.follow(&mut watch, is_told).await;
    // The same for one that comes back with a token from in between.
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
    let told = message.next().await.unwrap().unwrap();
    let mut told: Vec<_> = told
        .changes
        .into_iter()
        .map(|c| (c.task_id, c.task.unwrap().name))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [("a".into(), "new".into()), ("b".into(), "new".to_owned())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_any_more_is_to_be_listed_again() {
    // One that no other test has transactions open in, which would keep the log from being trimmed, or make it look so.
    let dir = TempDir::new();
    let postgres = Embedded::start(&dir.0, Durability::Throwaway)
        .await
        .unwrap();
    let server = Server::start_on(Database::on(&postgres).await, options()).await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let mut picture = Picture::default();
    let mut watch = begin(&server, &picture).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    let token = picture.request();
    // More than is told one by one.
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
    // An old token, of which the log has nothing any more.
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
    // A new one begins all the same, and lives on over what is removed.
    let mut watch = begin(&server, &picture).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
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

#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_their_own_changes_alone() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let (mine, theirs) = (
        Client::new(&server).await,
        Client::with_key(&server, &other).await,
    );
    theirs.create(new_task("a", &["c1"])).await;
    let mut picture = Picture::default();
    let mut watch = begin(&server, &picture).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    assert!(picture.tasks.is_empty());
    theirs.acted(TaskAction::Start, "a").await;
    theirs.create(new_task("b", &[])).await;
    mine.create(new_task("a", &[])).await;
    picture.follow(&mut watch, |p| p.tasks.len() == 1).await;
    assert_eq!(picture.tasks["a"].status(), TaskStatus::Pending);
    assert_eq!(picture.seen.values().sum::<usize>(), 1);
    // Nor does one's token open the other's watch.
    let refused = Watch::begin(server.address, &other, picture.request()).await;
    assert_eq!(fields(&refused.err().unwrap()), ["resume_token"]);
    // Nor another filter.
    let request = WatchOutboundTasksRequest {
        filter: Some(TaskFilter {
            name: "a".into(),
            ..Default::default()
        }),
        ..picture.request()
    };
    let refused = Watch::begin(server.address, &server.key, request).await;
    assert_eq!(fields(&refused.err().unwrap()), ["resume_token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_its_key_its_deadline_and_its_server() {
    let server = Server::start_with(Options {
        max_watches: 3,
        stream_timeout: Duration::from_secs(4),
        ..options()
    })
    .await;
    let tenant = TenantId::parse("demo").unwrap();
    let key = server
        .app
        .key_create(&tenant, "k", &[Scope::Read], None)
        .await
        .unwrap();
    let request = WatchOutboundTasksRequest::default;
    let mut revoked = Watch::begin(server.address, &key.secret, request())
        .await
        .unwrap();
    let mut limited = Watch::begin(server.address, &server.key, request())
        .await
        .unwrap();
    let mut grpc = server.grpc().await;
    let mut short = request_with(&server.key, request());
    short.set_timeout(Duration::from_secs(1));
    let mut short = grpc.watch_outbound_tasks(short).await.unwrap().into_inner();
    let full = Watch::begin(server.address, &server.key, request())
        .await
        .err()
        .unwrap();
    assert_eq!(full.code(), Code::Unavailable);
    let began = Instant::now();
    for watch in [&mut revoked, &mut limited] {
        assert!(watch.next().await.unwrap().is_some());
    }
    server.app.key_revoke(&key.id).await.unwrap();
    assert_eq!(
        revoked.next().await.unwrap_err().code(),
        Code::Unauthenticated
    );
    assert!(
        began.elapsed() < Duration::from_millis(2500),
        "{:?}",
        began.elapsed()
    );
    short.message().await.unwrap();
    assert_eq!(
        short.message().await.unwrap_err().code(),
        Code::DeadlineExceeded
    );
    assert_eq!(limited.next().await.unwrap_err().code(), Code::Unavailable);
    let took = began.elapsed();
    assert!((3..6).contains(&took.as_secs()), "{took:?}");
    // Their places are free again; the end of the server ends them at once.
    let mut watch = Watch::begin(server.address, &server.key, request())
        .await
        .unwrap();
    assert!(watch.next().await.unwrap().is_some());
    let stop = tokio::spawn(server.stop());
    assert_eq!(watch.next().await.unwrap_err().code(), Code::Unavailable);
    drop(watch);
    let began = Instant::now();
    stop.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// One that does not read is dropped, and holds nobody up.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_watch_is_told_so() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let mut picture = Picture::default();
    let mut watch = begin(&server, &picture).await;
    let mut slow = begin(&server, &picture).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    let customers: Vec<String> = (0..100).map(|n| format!("{n:0>100}")).collect();
    let customers: Vec<&str> = customers.iter().map(|c| &**c).collect();
    for batch in 0..400 {
        let tasks = (0..5)
            .map(|n| new_task(&format!("{batch}-{n}"), &customers))
            .collect();
        let create = BatchCreateOutboundTasksRequest {
            tasks,
            idempotency_key: String::new(),
        };
        client.batch_create_outbound_tasks(create).await.unwrap();
        picture
            .follow(&mut watch, |p| p.tasks.len() == 5 * (batch + 1))
            .await;
    }
    assert_eq!(picture.anew, 0);
    let mut late = Picture::default();
    late.follow(&mut slow, |p| p.anew == 1 || p.tasks.len() == 2000)
        .await;
    assert_eq!(late.anew, 1, "it got all of 2,000 tasks without reading");
    assert_eq!(slow.next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_follows_the_request() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1", "c2"])).await;
    let request = WatchOutboundTasksRequest {
        skip_initial: true,
        target_limit: Some(1),
        read_mask: Some(FieldMask {
            paths: vec!["status".into(), "target".into()],
        }),
        ..Default::default()
    };
    let mut watch = Watch::begin(server.address, &server.key, request)
        .await
        .unwrap();
    let first = watch.next().await.unwrap().unwrap();
    assert!(first.changes.is_empty() && !first.resume_token.is_empty() && first.as_of.is_some());
    client.acted(TaskAction::Start, "a").await;
    let message = watch.next().await.unwrap().unwrap();
    let task = message.changes[0].task.as_ref().unwrap();
    let shown = OutboundTask {
        status: TaskStatus::Running as i32,
        target: vec!["c1".into()],
        ..Default::default()
    };
    assert_eq!(*task, shown);
    assert_eq!(message.changes[0].task_id, "a");
    // A heartbeat, though nothing happens.
    let beat = watch.next().await.unwrap().unwrap();
    assert!(beat.changes.is_empty() && beat.as_of != message.as_of);
}

/// As in a database that was made from a dump of one that had counted further.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_from_another_database_does_not_hide_what_comes() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let foreign =
        "UPDATE task_log SET xid = xid + 1000000000; UPDATE tenants SET log_trimmed = 1000000000";
    server.database.execute(foreign).await;
    let second = server.beside().await;
    let count = "SELECT count(*) FROM task_log WHERE xid >= 1000000000";
    let sql = server.database.client().await;
    let is_gone = async || sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 0;
    eventually("they are gone", Duration::from_secs(5), is_gone).await;
    let mut picture = Picture::default();
    let mut watch = begin(&second, &picture).await;
    picture
        .follow(&mut watch, |p| !p.resume_token.is_empty())
        .await;
    client.acted(TaskAction::Start, "a").await;
    picture
        .follow(&mut watch, |p| p.tasks["a"].status() == TaskStatus::Running)
        .await;
}
