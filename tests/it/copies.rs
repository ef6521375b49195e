//! Copies of tasks: which customers they have, what names their source, and what happens beside a copy that takes long.

use std::time::Duration;

use outbound_tasks::{
    pb::{
        self, CopyOutboundTaskRequest, TargetState, TaskChangeKind, TaskEventKind, TaskFilter,
        TaskStatus,
    },
    server::Options,
};
use tonic::{Code, Status};

use crate::support::{
    PATIENCE,
    client::{
        Client, START, assert_not_found, at, copy_of, fields, new_task, report, resource, result,
        way_to,
    },
    database::Database,
    eventually,
    server::{Server, options},
    tasks::Json,
    watch::Picture,
};

async fn copied(
    client: &Client,
    request: CopyOutboundTaskRequest,
) -> Result<pb::OutboundTask, Status> {
    let copied = client.copy_outbound_task(request).await?;
    Ok(copied.into_inner().task.unwrap())
}

/// A task with one customer in each state, in this order: busy, answered, pending, failed, no answer, skipped.
async fn called(client: &Client, id: &str) {
    let customers = ["busy", "answered", "pending", "failed", "none", "skipped"];
    client.create(new_task(id, &customers)).await;
    let results = [
        result("busy", TargetState::Busy, 2, 10),
        result("answered", TargetState::Answered, 1, 10),
        result("failed", TargetState::Failed, 1, 10),
        result("none", TargetState::NoAnswer, 1, 10),
        result("skipped", TargetState::Skipped, 0, 10),
    ];
    report(client, id, &results).await.unwrap();
}

fn ids(targets: &[pb::TaskTarget]) -> Vec<&str> {
    targets.iter().map(|t| t.customer_id.as_str()).collect()
}

/// Whatever the status of the source.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_the_customers_that_were_not_reached() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for status in (1..=6).map(|n| TaskStatus::try_from(n).unwrap()) {
        let source = format!("{status:?}");
        called(&client, &source).await;
        for step in way_to(status) {
            client.acted(*step, &source).await;
        }
        let before = client.get(&source).await.unwrap();
        let id = format!("copy of {source}");
        let made = copied(&client, copy_of(&source, &id)).await.unwrap();
        assert_eq!(client.get(&source).await.unwrap(), before, "{source}");

        assert_eq!(client.get(&id).await.unwrap(), made);
        assert_eq!(made.task_id, id);
        assert_eq!(made.name, format!("copy of {source}"));
        assert_eq!(made.copied_from, source);
        assert_eq!(
            (made.start_time, made.end_time),
            (at(START + 7200), at(START + 10_800))
        );
        assert_eq!(made.status(), TaskStatus::Pending);
        assert_eq!((made.progress, made.target_count), (0, 3));
        let counts = pb::TargetCounts {
            pending: 3,
            ..Default::default()
        };
        assert_eq!(made.target_counts, Some(counts));
        assert_eq!(made.target, ["busy", "pending", "none"]);
        assert_eq!(made.created_at, made.updated_at);
        assert!(made.created_at.unwrap().seconds >= before.updated_at.unwrap().seconds);
        let targets = client.targets(&id).await;
        assert_eq!(ids(&targets), ["busy", "pending", "none"]);
        for target in targets {
            assert_eq!(
                (target.state(), target.attempt, target.time),
                (TargetState::Pending, 0, None)
            );
        }
    }
    let verified = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(verified, "demo\t0 counts differ\n");
    assert_eq!(client.totals().await, (12, [7, 1, 1, 1, 1, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_has_the_customers_of_the_named_states() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    called(&client, "a").await;
    let copy = async |states: &[TargetState]| {
        let request = CopyOutboundTaskRequest {
            states: states.iter().map(|state| *state as i32).collect(),
            ..copy_of("a", "")
        };
        let made = copied(&client, request).await.unwrap();
        assert_eq!(made.task_id.len(), 36, "a generated id");
        let targets = client.targets(&made.task_id).await;
        assert_eq!(made.target, ids(&targets));
        assert_eq!(made.target_count as usize, targets.len());
        made
    };
    use TargetState::{Answered, Busy, Failed, NoAnswer, Pending, Skipped};
    for (states, customers) in [
        (&[Busy][..], &["busy"][..]),
        (
            &[Skipped, Busy, Busy, Answered],
            &["busy", "answered", "skipped"],
        ),
        (
            &[Pending, Answered, NoAnswer, Busy, Failed, Skipped],
            &["busy", "answered", "pending", "failed", "none", "skipped"],
        ),
    ] {
        assert_eq!(copy(states).await.target, customers, "{states:?}");
    }
    // A copy can be copied, and nobody has to be left to call.
    let all = copy(&[Answered]).await;
    let none = CopyOutboundTaskRequest {
        states: vec![Busy as i32],
        ..copy_of(&all.task_id, "none")
    };
    let none = copied(&client, none).await.unwrap();
    assert_eq!((none.target_count, &none.copied_from), (0, &all.task_id));
    // The source may go; the copy still names it.
    client.delete(&all.task_id).await;
    assert_eq!(client.get("none").await.unwrap().copied_from, all.task_id);
}

/// In every answer that has a task, in its events, in exports, and in imports of these.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_was_copied_from_is_shown_everywhere() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    called(&client, "a").await;
    let filter = TaskFilter {
        task_ids: vec!["b".into(), "c".into()],
        ..Default::default()
    };
    let mut picture = Picture::of(filter);
    let mut watch = picture.begin_and_read(&server).await;
    copied(&client, copy_of("a", "b")).await.unwrap();
    picture
        .follow(&mut watch, |picture| picture.tasks.contains_key("b"))
        .await;
    assert_eq!(picture.tasks["b"].copied_from, "a");
    assert_eq!(picture.seen[&(TaskChangeKind::Created as i32)], 1);

    let events = client.events("b").await;
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(event.kind(), TaskEventKind::Created);
    assert_ne!(event.key_id, "");
    let changes: Vec<_> = event
        .changes
        .iter()
        .map(|c| (&*c.field, &*c.old_value, &*c.new_value))
        .collect();
    assert_eq!(
        changes,
        [
            ("name", "", "copy of a"),
            ("start_time", "", "2033-05-18T05:33:20Z"),
            ("end_time", "", "2033-05-18T06:33:20Z"),
            ("target_count", "", "3"),
            ("copied_from", "", "a"),
        ]
    );
    assert_eq!(client.events("a").await.len(), 2);

    let http = server.http();
    let of_list = http.list("task_ids=b").await.json();
    assert_eq!(of_list["tasks"][0]["copied_from"], "a");
    let of_source = http.list("task_ids=a").await.json();
    assert_eq!(of_source["tasks"][0]["copied_from"], "");
    // An export has it, and an import of it keeps it.
    let exported = http.get("/api/v1/outboundtasks:export?task_ids=b").await;
    let mut exported: Json = serde_json::from_slice(&exported.body).unwrap();
    assert_eq!(exported["copied_from"], "a");
    exported["task_id"] = "c".into();
    server.import(&[exported.clone()]).await;
    assert_eq!(client.get("c").await.unwrap().copied_from, "a");
    let csv = http
        .get("/api/v1/outboundtasks:export?task_ids=b&format=csv")
        .await;
    let csv = String::from_utf8(csv.body).unwrap().replace("\nb,", "\nd,");
    let arguments = ["import", "-", "--format", "csv", "--tenant", "demo"];
    server.database.succeed(&arguments, csv.as_bytes()).await;
    assert_eq!(client.get("d").await.unwrap().copied_from, "a");
    exported["copied_from"] = "x".repeat(129).into();
    let record = format!("{exported}\n");
    let arguments = ["import", "-", "--tenant", "demo"];
    let refused = server.database.run(&arguments, record.as_bytes()).await;
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("copied_from"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_copy_leaves_nothing_behind() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    called(&client, "a").await;
    client.create(new_task("taken", &["mine"])).await;
    let other = server.tenant("other").await;
    let other = Client::with_key(&server, &other).await;
    other.create(new_task("theirs", &["c1"])).await;
    let rows = "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM task_targets),
        (SELECT count(*) FROM task_events), (SELECT count(*) FROM task_log)";
    let sql = server.database.client().await;
    let state = async || {
        let row = sql.query_one(rows, &[]).await.unwrap();
        [0, 1, 2, 3].map(|n| row.get::<_, i64>(n))
    };
    let before = state().await;
    for id in ["taken", "a"] {
        let refused = copied(&client, copy_of("a", id)).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
        assert_eq!(resource(&refused), id);
    }
    for source in ["theirs", "nobody"] {
        let refused = copied(&client, copy_of(source, "new")).await.unwrap_err();
        assert_not_found(&refused, source);
    }
    let reversed = CopyOutboundTaskRequest {
        end_time: at(START),
        ..copy_of("a", "new")
    };
    let refused = copied(&client, reversed).await.unwrap_err();
    assert_eq!(fields(&refused), ["end_time"]);
    assert_eq!(state().await, before);
    assert_eq!(client.get("taken").await.unwrap().target, ["mine"]);
}

/// The copy waits here for a transaction that has created a task with its id. It outlasts the timeout of other calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_may_take_long_and_holds_nobody_up() {
    let server = Server::start_with(Options {
        request_timeout: Duration::from_millis(300),
        max_request_timeout: Duration::from_secs(1),
        ..options()
    })
    .await;
    let client = Client::new(&server).await;
    called(&client, "a").await;
    let sql = server.database.client().await;
    let hold = "BEGIN; INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at,
        updated_at, target_count, target) SELECT tenant_id, 'b', name, start_time, end_time, 1, 0, now(), now(), 0, '{}'
        FROM tasks WHERE task_id = 'a'";
    sql.batch_execute(hold).await.unwrap();
    let copy = tokio::spawn({
        let client = client.clone();
        async move { copied(&client, copy_of("a", "b")).await }
    });
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%copied_from%'
        AND datname = current_database())";
    let watcher = server.database.client().await;
    let is_waiting = async || {
        watcher
            .query_one(waits, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    };
    eventually("the copy waits", PATIENCE, is_waiting).await;
    // Its source is not locked, and other writers of the tenant go on.
    let late = result("busy", TargetState::Answered, 3, 20);
    report(&client, "a", &[late]).await.unwrap();
    client.create(new_task("other", &["c1"])).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(!copy.is_finished());
    sql.batch_execute("ROLLBACK").await.unwrap();
    let made = copy.await.unwrap().unwrap();
    // Its customers are those of its beginning.
    assert_eq!(made.target, ["busy", "pending", "none"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_copy_keeps_the_order_of_its_source() {
    let server = Server::start_on(Database::restricted().await, options()).await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let customers: Vec<String> = (0..30_000u32)
        .map(|n| format!("c{}", n.wrapping_mul(2_654_435_761)))
        .collect();
    for part in customers.chunks(10_000) {
        let part = pb::AddTaskTargetsRequest {
            task_id: "a".into(),
            customer_ids: part.to_vec(),
            ..Default::default()
        };
        client.add_task_targets(vec![part]).await.unwrap();
    }
    // Every third was answered.
    let reached: Vec<&String> = customers.iter().step_by(3).collect();
    for part in reached.chunks(1000) {
        let results: Vec<_> = part
            .iter()
            .map(|id| result(id, TargetState::Answered, 1, 10))
            .collect();
        report(&client, "a", &results).await.unwrap();
    }
    let made = copied(&client, copy_of("a", "b")).await.unwrap();
    let mut wanted = customers.clone();
    let mut index = 0;
    wanted.retain(|_| {
        index += 1;
        (index - 1) % 3 != 0
    });
    assert_eq!(made.target_count as usize, wanted.len());
    assert_eq!(made.target, wanted[..100]);
    assert_eq!(ids(&client.targets("b").await), wanted);
}
