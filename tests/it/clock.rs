//! A service with a wrong clock: everything that is compared with times in the database uses PostgreSQL's clock.

use std::{fs, path::Path, time::Duration};

use chrono::TimeDelta;
use futures_util::future::join_all;
use outbound_tasks::{
    db::Db,
    domain::{key::Scope, tenant::TenantId},
    pb::{
        CreateOutboundTaskRequest, OutboundTask, TargetState, TaskAction, TaskStatus,
        UpdateOutboundTaskRequest,
    },
};
use prost_types::Timestamp;
use tonic::Code;

use crate::support::{
    PATIENCE,
    bulk::{change, of_status},
    client::{Client, START, at, new_task, part, remove, report, result},
    database::Database,
    eventually,
    keys::create,
    server::{Server, kept, options},
    wire::{Caller, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// PostgreSQL clocks that the tests use, as offsets from the service's clock.
const OFFSETS: [&str; 2] = ["-3 years", "8 hours"];

/// The source files that may use the machine's clock, and why.
const OWN_CLOCK: [(&str, &str); 8] = [
    ("src/db/clock.rs", "measures how far it is off"),
    (
        "src/cli/watch/printer.rs",
        "shows a person when a message without a time came",
    ),
    (
        "src/server/tls/acceptor.rs",
        "warns of a certificate that has expired, which clients judge by their own clocks",
    ),
    (
        "src/cli/dev/certificate.rs",
        "gives a certificate its days, which clients judge by their own clocks",
    ),
    (
        "src/cli/dev.rs",
        "moves the sample tasks to today, for a PostgreSQL of the same machine",
    ),
    (
        "src/domain/write/create.rs",
        "generates ids, which nothing compares with a time",
    ),
    (
        "src/app/import/record.rs",
        "generates ids, which nothing compares with a time",
    ),
    (
        "src/request/id.rs",
        "generates ids, which nothing compares with a time",
    ),
];

fn sources(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

/// A time of the service's clock must not be compared with a time of the database, so only these files may ask for it.
#[test]
fn nothing_else_asks_the_services_own_clock() {
    let mut files = Vec::new();
    let root = env!("CARGO_MANIFEST_DIR");
    sources(&Path::new(root).join("src"), &mut files);
    assert!(files.len() > 100, "{files:?}");
    let mut asking = Vec::new();
    for file in files {
        let name = file[root.len() + 1..].to_owned();
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            let asks = [
                "Utc::now",
                "Local::now",
                "SystemTime::now",
                "now_v7",
                "now_v1",
                "now_v6",
                "OffsetDateTime::now",
            ];
            let is_code = !line.trim_start().starts_with("//");
            let is_listed = OWN_CLOCK.iter().any(|(listed, _)| *listed == name);
            if is_code && !is_listed && asks.iter().any(|ask| line.contains(ask)) {
                asking.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(
        asking.is_empty(),
        "only {OWN_CLOCK:#?} may ask the machine's clock; use PostgreSQL's (db::clock): {asking:#?}"
    );
}

/// The time as numbers that can be compared.
fn instant(time: Option<Timestamp>) -> (i64, i32) {
    time.map(|t| (t.seconds, t.nanos)).unwrap()
}

/// The times that the last change gave a task are those of its last event.
async fn assert_agrees(client: &Client, task: &OutboundTask) {
    let last = client.events(&task.task_id).await.pop().unwrap();
    assert_eq!(last.at, task.updated_at, "{last:?} {task:?}");
    assert!(
        instant(task.created_at) <= instant(task.updated_at),
        "{task:?}"
    );
    if task.allowed_actions != client.get(&task.task_id).await.unwrap().allowed_actions {
        panic!("{task:?} is not the last version");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_times_of_a_change_agree_and_come_from_the_database() {
    join_all(OFFSETS.map(async |offset| {
        let server = Server::start_on(Database::with_clock(offset).await, options()).await;
        let client = Client::new(&server).await;
        let made = client.create(new_task("a", &["c1", "c2"])).await;
        assert_eq!(made.created_at, made.updated_at);
        assert_eq!(made.created_at, made.status_changed_at);
        assert_agrees(&client, &made).await;
        assert_eq!(client.get("a").await.unwrap(), made);
        let mut last = made;
        for action in [TaskAction::Start, TaskAction::Pause, TaskAction::Resume] {
            let task = client.acted(action, "a").await;
            assert_eq!(task.status_changed_at, task.updated_at);
            assert!(instant(last.updated_at) < instant(task.updated_at), "{last:?} {task:?}");
            assert_agrees(&client, &task).await;
            last = task;
        }
        let update = UpdateOutboundTaskRequest {
            task: Some(OutboundTask {
                task_id: "a".into(),
                name: "new".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        client.update_outbound_task(update).await.unwrap();
        assert_agrees(&client, &client.get("a").await.unwrap()).await;
        client.add_task_targets(vec![part("a", &["c3"])]).await.unwrap();
        assert_agrees(&client, &client.get("a").await.unwrap()).await;
        let results = [result("c1", TargetState::Answered, 1, 5)];
        report(&client, "a", &results).await.unwrap();
        assert_agrees(&client, &client.get("a").await.unwrap()).await;
        remove(&client, "a", &["c1".to_owned()]).await.unwrap();
        assert_agrees(&client, &client.get("a").await.unwrap()).await;

        client.create_all(vec![new_task("b", &[]), new_task("c", &[])]).await;
        let mut bulk = of_status(&[TaskStatus::Pending], TaskAction::Start);
        bulk.expected_count = Some(2);
        change(&client, bulk).await.unwrap();
        for id in ["b", "c"] {
            assert_agrees(&client, &client.get(id).await.unwrap()).await;
        }
        // Changes by the service itself, and an import.
        let imported = serde_json::json!({
            "task_id": "i", "name": "i", "start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z",
        });
        server.import(&[imported]).await;
        let imported = client.get("i").await.unwrap();
        assert_eq!(imported.created_at, imported.updated_at);
        server.app.schedule(&TenantId::parse("demo").unwrap()).await.unwrap();
        assert_agrees(&client, &client.get("i").await.unwrap()).await;
        let before = client.get("c").await.unwrap().updated_at;
        client.delete("c").await;
        let deleted = client.events("c").await.pop().unwrap();
        assert!(instant(before) < instant(deleted.at), "{deleted:?}");

        // By the clock of the database, all of this happened just now.
        let sql = server.database.client().await;
        for times in [
            "SELECT created_at, updated_at, coalesce(status_changed_at, now()) FROM tasks",
            "SELECT at, at, at FROM task_events",
            "SELECT at, at, at FROM task_log",
        ] {
            let wrong = format!(
                "SELECT count(*), count(*) FILTER (WHERE least(a, b, c) < now() - interval '1 minute'
                    OR greatest(a, b, c) > now()) FROM ({times}) AS times (a, b, c)"
            );
            let row = sql.query_one(&wrong, &[]).await.unwrap();
            assert!(row.get::<_, i64>(0) > 0, "{offset}: {times}");
            assert_eq!(row.get::<_, i64>(1), 0, "{offset}: {times}");
        }
        let database = Db::new(&server.database.options()).unwrap();
        let skew = database.clock_skew().await.unwrap();
        let wanted = if offset == "8 hours" { -8.0 * 3600.0 } else { 3.0 * 365.25 * 24.0 * 3600.0 };
        assert!((skew - wanted).abs() < 2.0 * 24.0 * 3600.0, "{offset}: {skew}");
    }))
    .await;
}

/// By the service's own clock, one that is years ahead would keep nothing, and one that is behind would keep
/// everything.
#[tokio::test(flavor = "multi_thread")]
async fn retention_follows_the_clock_of_the_database() {
    join_all(OFFSETS.map(async |offset| {
        let server = Server::start_on(Database::with_clock(offset).await, options()).await;
        let client = Client::new(&server).await;
        let create = CreateOutboundTaskRequest {
            task: Some(new_task("a", &[])),
            idempotency_key: "k".into(),
            ..Default::default()
        };
        client.create_outbound_task(create).await.unwrap();
        let sql = server.database.client().await;
        let rows = async |table: &str| -> i64 {
            let count = format!("SELECT count(*) FROM {table}");
            sql.query_one(&count, &[]).await.unwrap().get(0)
        };
        let all = async || {
            let tables = ["task_events", "task_log", "idempotency_keys"];
            join_all(tables.map(async |table| rows(table).await)).await
        };
        let retention = kept(TimeDelta::hours(1));
        server.app.clean(retention).await.unwrap();
        assert_eq!(all().await, [1, 1, 1], "{offset}");
        let age = "UPDATE task_events SET at = at - interval '61 minutes';
            UPDATE task_log SET at = at - interval '61 minutes';
            UPDATE idempotency_keys SET created_at = created_at - interval '1441 minutes'";
        sql.batch_execute(age).await.unwrap();
        // The log keeps what transactions of other tests may still have to see.
        let is_empty = async || {
            server.app.clean(retention).await.unwrap();
            all().await == [0, 0, 0]
        };
        eventually(&format!("all is deleted, {offset}"), 2 * PATIENCE, is_empty).await;
    }))
    .await;
    // Very long retention periods do not overflow.
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    for age in [TimeDelta::MAX, TimeDelta::days(1_000_000)] {
        server.app.clean(kept(age)).await.unwrap();
        assert_eq!(client.events("a").await.len(), 1);
    }
    assert_eq!(client.get("a").await.unwrap().start_time, at(START));
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_and_last_use_of_keys_follow_the_clock_of_the_database() {
    join_all(OFFSETS.map(async |offset| {
        let server = Server::start_on(Database::with_clock(offset).await, options()).await;
        let caller = Caller::new(server.address);
        let code = async |key: &str| caller.list(Wire::Grpc, &[("x-api-key", key)]).await.code;
        let sql = server.database.client().await;
        // Once with the command, and then by SQL.
        let by_command = create(&server.database, "read", &["--expires-in=1h"]).await;
        let expires = "SELECT extract(epoch FROM expires_at - now())::float8 FROM api_keys WHERE expires_at IS NOT NULL";
        let left: f64 = sql.query_one(expires, &[]).await.unwrap().get(0);
        assert!((3500.0..=3600.0).contains(&left), "{offset}: {left}");
        assert_eq!(code(&by_command).await, Code::Ok, "{offset}");
        let set = async |expires_at: &str| {
            let set = format!(
                "UPDATE api_keys SET expires_at = {expires_at} WHERE expires_at IS NOT NULL"
            );
            sql.batch_execute(&set).await.unwrap();
        };
        // The key expires on time, plus the second for which the service caches its record.
        set("now() + interval '2 seconds'").await;
        assert_eq!(code(&by_command).await, Code::Ok, "{offset}");
        let expired = async || code(&by_command).await == Code::Unauthenticated;
        eventually("the key expires", 10 * SECOND, expired).await;
        let over = "SELECT count(*) FROM api_keys WHERE expires_at <= now() + interval '1 second'";
        assert_eq!(sql.query_one(over, &[]).await.unwrap().get::<_, i64>(0), 1);

        let noted = async || {
            code(&server.key).await;
            let age = "SELECT abs(extract(epoch FROM now() - last_used_at))::float8 FROM api_keys WHERE name = 'test'
                AND expires_at IS NULL";
            let age: Option<f64> = sql.query_one(age, &[]).await.unwrap().get(0);
            age.is_some_and(|age| age < 30.0)
        };
        eventually("the use is noted", 10 * SECOND, noted).await;
        for wrong in ["- interval '61 seconds'", "+ interval '1 day'"] {
            let set = format!("UPDATE api_keys SET last_used_at = now() {wrong}");
            sql.batch_execute(&set).await.unwrap();
            eventually("the next use is noted", 10 * SECOND, noted).await;
        }
        server
            .app
            .authenticate(Some(&server.key), Scope::Admin)
            .await
            .unwrap();
    }))
    .await;
}
