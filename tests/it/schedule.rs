//! The schedule: tasks are started and ended on time, once, with any number of services.

use std::sync::Arc;

use outbound_tasks::{
    app::App,
    domain::tenant::TenantId,
    pb::{NewOutboundTask, OutboundTask, TaskAction, TaskEventKind, TaskStatus},
    server::Options,
};

use crate::support::{
    PATIENCE,
    client::{Client, START, at, new_task},
    database::Database,
    eventually,
    process::Process,
    server::{Server, options},
};

fn task(id: &str, start: i64, end: i64) -> NewOutboundTask {
    NewOutboundTask {
        start_time: at(start),
        end_time: at(end),
        ..new_task(id, &[])
    }
}

fn demo() -> TenantId {
    TenantId::parse("demo").unwrap()
}

/// More tasks of each kind than one transaction changes: to be started, missed, to be ended, and not due.
async fn fill(server: &Server, client: &Client, each: i64) {
    let mut tasks = Vec::new();
    for n in 0..each {
        tasks.push(task(&format!("started-{n}"), n, START));
        tasks.push(task(&format!("missed-{n}"), n, n + 1));
        tasks.push(task(&format!("running-{n}"), n, n));
        tasks.push(task(&format!("paused-{n}"), n, n + 100));
        tasks.push(task(&format!("over-{n}"), n, n));
        tasks.push(task(&format!("later-{n}"), START, START + n));
        tasks.push(task(&format!("going-{n}"), n, START));
    }
    client.create_all(tasks).await;
    let statuses = "UPDATE tasks SET status = CASE split_part(task_id, '-', 1)
        WHEN 'running' THEN 2 WHEN 'paused' THEN 3 WHEN 'over' THEN 4 WHEN 'going' THEN 2 ELSE status END";
    server.database.execute(statuses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_start_and_end_each_task_once() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    fill(&server, &client, 700).await;
    let sql = server.database.client().await;
    let due = async || {
        let due =
            "SELECT count(*) FROM tasks WHERE (status = 1 AND least(start_time, end_time) <= now())
            OR (status IN (2, 3) AND end_time <= now())";
        sql.query_one(due, &[]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!(due().await, 2800);
    let apps = [0, 1].map(|_| Arc::new(App::new(&server.database.options()).unwrap()));
    let (demo, other) = (demo(), demo());
    while due().await > 0 {
        let (one, two) = tokio::join!(apps[0].schedule(&demo), apps[1].schedule(&other));
        one.unwrap();
        two.unwrap();
    }
    let events = "SELECT split_part(task_id, '-', 1), kind, reason, key_id, count(*), count(DISTINCT task_id)
        FROM task_events WHERE kind <> 'created' GROUP BY 1, 2, 3, 4 ORDER BY 1";
    let rows = sql.query(events, &[]).await.unwrap();
    let reported: Vec<_> = rows
        .iter()
        .map(|row| {
            let [what, kind, reason, key_id] = [0, 1, 2, 3].map(|n| row.get::<_, &str>(n));
            assert_eq!(
                (key_id, row.get::<_, i64>(4), row.get::<_, i64>(5)),
                ("", 700, 700),
                "{what}"
            );
            (what, kind, reason)
        })
        .collect();
    assert_eq!(
        reported,
        [
            (
                "missed",
                "stopped",
                "end_time passed before the task was started"
            ),
            ("paused", "completed", "end_time passed"),
            ("running", "completed", "end_time passed"),
            ("started", "started", "start_time came"),
        ]
    );
    assert_eq!(client.totals().await, (4900, [700, 1400, 0, 2100, 700, 0]));
    for (id, status, reason) in [
        (
            "missed-3",
            TaskStatus::Stopped,
            "end_time passed before the task was started",
        ),
        ("paused-3", TaskStatus::Completed, "end_time passed"),
        ("started-3", TaskStatus::Running, "start_time came"),
        ("later-3", TaskStatus::Pending, ""),
    ] {
        let task: OutboundTask = client.get(id).await.unwrap();
        assert_eq!((task.status(), &*task.status_reason), (status, reason));
    }
    let said = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(said, "demo\t0 counts differ\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_task_is_skipped_and_changed_later() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create_all((0..5).map(|n| task(&format!("t{n}"), n, START)).collect())
        .await;
    let holder = server.database.client().await;
    holder
        .batch_execute("BEGIN; SELECT FROM tasks WHERE task_id = 't2' FOR UPDATE")
        .await
        .unwrap();
    // Does not wait for the locked task.
    server.app.schedule(&demo()).await.unwrap();
    for n in 0..5 {
        let status = client.get(&format!("t{n}")).await.unwrap().status();
        let wanted = if n == 2 {
            TaskStatus::Pending
        } else {
            TaskStatus::Running
        };
        assert_eq!(status, wanted, "t{n}");
    }
    holder.batch_execute("COMMIT").await.unwrap();
    server.app.schedule(&demo()).await.unwrap();
    assert_eq!(
        client.get("t2").await.unwrap().status(),
        TaskStatus::Running
    );
    for n in 0..5 {
        assert_eq!(client.events(&format!("t{n}")).await.len(), 2);
    }
}

/// At the same time as callers that do the same: one of them makes the change, and the others see that it is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_and_the_schedule_do_not_both_start_a_task() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client
        .create_all((0..60).map(|n| task(&format!("t{n}"), n, START)).collect())
        .await;
    let by_hand = async {
        for n in 0..60 {
            let task_id = format!("t{n}");
            let act = crate::support::client::Act {
                task_id: &task_id,
                ..Default::default()
            };
            let _ = client.act(TaskAction::Start, act).await;
        }
    };
    let (demo, app) = (demo(), &server.app);
    let by_itself = async {
        for _ in 0..10 {
            app.schedule(&demo).await.unwrap();
        }
    };
    tokio::join!(by_hand, by_itself);
    for n in 0..60 {
        let events = client.events(&format!("t{n}")).await;
        let kinds: Vec<_> = events.iter().map(|e| e.kind()).collect();
        assert_eq!(
            kinds,
            [TaskEventKind::Created, TaskEventKind::Started],
            "t{n}"
        );
    }
}

/// Without the flag the service starts nothing. With it, it starts the tasks of all tenants.
#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_runs_only_with_the_flag() {
    let on = Server::start_with(Options {
        scheduler: true,
        ..options()
    })
    .await;
    let other = on.tenant("other").await;
    let theirs = Client::with_key(&on, &other).await;
    let client = Client::new(&on).await;
    // The program without the flag, on a database of its own.
    let database = Database::demo().await;
    database.add_tasks("demo", 1).await;
    let off = Process::serve(&database, &[]).await;
    for round in 0..2 {
        let id = format!("t{round}");
        for client in [&client, &theirs] {
            client.create(task(&id, round, START)).await;
            let started = async || client.get(&id).await.unwrap().status() == TaskStatus::Running;
            eventually("the task is started", PATIENCE, started).await;
        }
    }
    let sql = database.client().await;
    let pending = "SELECT status FROM tasks WHERE start_time <= now()";
    assert_eq!(
        sql.query_one(pending, &[]).await.unwrap().get::<_, i16>(0),
        1
    );
    drop(off);
}
