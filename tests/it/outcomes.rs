//! Stored outcomes of writes across versions of the service: an outcome of another version is replayed, or refused with
//! a clear error.

use outbound_tasks::pb::{CreateOutboundTaskRequest, TargetState, TaskAction, TaskFilter};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    PATIENCE,
    client::{Act, Client, new_task, part, result},
    database::Database,
    eventually,
    hosts::Proxy,
    server::{Server, options},
    writes::{Raw, Write},
};

/// The idempotency key of each write, in an order in which the writes can be done.
const WRITES: [&str; 14] = [
    "create", "batch", "update", "start", "pause", "resume", "complete", "stop", "fail", "bulk",
    "add", "report", "remove", "delete",
];

/// Does a write with its name as the idempotency key.
async fn write(client: &Client, name: &str) -> Raw {
    let act = |action, id| Write::Act(action, id, "so");
    let write = match name {
        "create" => Write::Create(new_task("a", &["c1", "客户", "c1"])),
        "batch" => {
            let tasks = ["b", "c", "d", "e", "f"].map(|id| new_task(id, &["c1"]));
            Write::Batch(tasks.to_vec())
        }
        "update" => Write::Rename("a", "新"),
        "start" => act(TaskAction::Start, "a"),
        "pause" => act(TaskAction::Pause, "a"),
        "resume" => act(TaskAction::Resume, "a"),
        "complete" => act(TaskAction::Complete, "a"),
        "stop" => act(TaskAction::Stop, "b"),
        "fail" => act(TaskAction::Fail, "c"),
        "bulk" => {
            let filter = TaskFilter {
                task_ids: ["b", "d", "e"].map(str::to_owned).to_vec(),
                ..Default::default()
            };
            Write::Bulk(TaskAction::Start, filter, 2)
        }
        "add" => Write::Upload(vec![part("f", &["c1", "c2", "c3"])]),
        "report" => Write::Report(
            "f",
            vec![
                result("c1", TargetState::Answered, 1, 5),
                result("c2", TargetState::Busy, 1, 5),
                result("other", TargetState::Busy, 1, 5),
            ],
        ),
        "remove" => Write::Remove("f", &["c3", "other"]),
        "delete" => Write::Delete("f"),
        _ => panic!("no write {name}"),
    };
    write.send(client, name).await
}

#[derive(serde::Deserialize)]
struct Stored {
    key: String,
    request_hash: String,
    outcome: String,
    answer: String,
}

/// Rows of the first version of the format, as a service of that version stored them, and its answers.
fn first_version() -> Vec<Stored> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/outcomes_v1.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Inserts rows as that service did.
async fn fill(server: &Server, rows: &[Stored]) {
    let sql = server.database.client().await;
    for row in rows {
        let add = "INSERT INTO idempotency_keys (tenant_id, idempotency_key, request_hash, outcome)
            VALUES ('demo', $1, decode($2, 'hex'), $3)";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&row.key, &row.request_hash, &row.outcome];
        sql.execute(add, &values).await.unwrap();
    }
}

async fn assert_nothing_was_done(server: &Server) {
    let sql = server.database.client().await;
    for table in ["tasks", "task_targets", "task_events", "task_log"] {
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 = sql.query_one(&count, &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "{table}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_of_the_first_version_are_replayed() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let rows = first_version();
    fill(&server, &rows).await;
    let keys: Vec<&str> = rows.iter().map(|row| &*row.key).collect();
    assert_eq!(keys, WRITES);
    for row in &rows {
        let (answer, is_replay) = write(&client, &row.key).await.unwrap();
        assert!(is_replay, "{}", row.key);
        assert_eq!(hex(&answer), row.answer, "{}", row.key);
    }
    assert_nothing_was_done(&server).await;
}

/// The stored format is unchanged, field for field, so a service of that version can still read it.
#[tokio::test(flavor = "multi_thread")]
async fn the_format_is_the_one_of_the_first_version() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let sql = server.database.client().await;
    for row in first_version() {
        let (_, is_replay) = write(&client, &row.key).await.unwrap();
        assert!(!is_replay);
        let stored = "SELECT encode(request_hash, 'hex'), outcome_version, outcome FROM idempotency_keys WHERE idempotency_key = $1";
        let stored = sql.query_one(stored, &[&row.key]).await.unwrap();
        assert_eq!(stored.get::<_, String>(0), row.request_hash, "{}", row.key);
        assert_eq!(stored.get::<_, i16>(1), 1, "{}", row.key);
        let outcome = serde_json::from_str(&stored.get::<_, String>(2)).unwrap();
        let before = serde_json::from_str(&row.outcome).unwrap();
        assert_eq!(shape(outcome), shape(before), "{}", row.key);
    }
}

/// A value without the parts that differ between runs: versions, and the times of changes.
fn shape(mut value: serde_json::Value) -> serde_json::Value {
    match &mut value {
        serde_json::Value::Object(fields) => {
            // The first version did not have it.
            fields.remove("last_result_at");
            for (name, field) in fields.iter_mut() {
                let differs = ["revision", "created_at", "updated_at", "status_changed_at"];
                *field = match differs.contains(&&**name) {
                    true => serde_json::Value::Null,
                    false => shape(field.take()),
                };
            }
        }
        serde_json::Value::Array(list) => {
            for item in list.iter_mut() {
                *item = shape(item.take());
            }
        }
        _ => {}
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_outcome_is_refused_and_the_write_not_repeated() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    fill(&server, &first_version()).await;
    let sql = server.database.client().await;
    // Outcomes of a later version, and one of this version with an unknown field.
    let break_them = "UPDATE idempotency_keys SET outcome_version = CASE WHEN idempotency_key < 'd' THEN 2 ELSE 1 END,
        outcome = CASE WHEN idempotency_key < 'd' THEN outcome ELSE '{\"further\": 1}' END";
    sql.batch_execute(break_them).await.unwrap();
    for name in WRITES {
        let refused = write(&client, name).await.unwrap_err();
        assert_eq!(refused.code(), Code::Aborted, "{name}: {refused:?}");
        let details = refused.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.reason, "OUTCOME_UNREADABLE", "{name}");
    }
    assert_nothing_was_done(&server).await;
}

/// A service of the first version takes an expired key over, and leaves the command hash of another write behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_taken_over_by_an_older_service_belongs_to_its_write() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let sql = server.database.client().await;
    for row in first_version() {
        // Another write under the key, by a service of this version.
        let other = CreateOutboundTaskRequest {
            task: Some(new_task(&format!("before {}", row.key), &[])),
            idempotency_key: row.key.clone(),
            ..Default::default()
        };
        client.create_outbound_task(other.clone()).await.unwrap();
        let take_over = "UPDATE idempotency_keys SET request_hash = decode($2, 'hex'), outcome = $3, outcome_version = 1
            WHERE idempotency_key = $1";
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&row.key, &row.request_hash, &row.outcome];
        assert_eq!(sql.execute(take_over, &values).await.unwrap(), 1);
        let (answer, is_replay) = write(&client, &row.key).await.unwrap();
        assert!(is_replay, "{}", row.key);
        assert_eq!(hex(&answer), row.answer, "{}", row.key);
        let refused = client.create_outbound_task(other).await.unwrap_err();
        let details = refused.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(info.reason, "IDEMPOTENCY_KEY_REUSED", "{}", row.key);
    }
}

/// COMMIT goes with the change, so it is unknown what came of it when the connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_connection_ends_is_not_confirmed() {
    let database = Database::new().await;
    let proxy = Proxy::to(&database).await;
    let server = Server::start_on(database.at(&[proxy.address], ""), options()).await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1"])).await;
    // The trigger of the change waits for it.
    let mut holder = database.client().await;
    let lock = holder.transaction().await.unwrap();
    let exclusive = "LOCK TABLE task_log IN EXCLUSIVE MODE";
    lock.batch_execute(exclusive).await.unwrap();
    let caller = client.clone();
    let start = tokio::spawn(async move {
        let act = Act {
            task_id: "a",
            ..Act::default()
        };
        caller.act(TaskAction::Start, act).await
    });
    let asking = database.client().await;
    let change = "wait_event_type = 'Lock' AND query LIKE '%UPDATE tasks%'";
    let waiting = async || server.database.count_backends(&asking, change).await == 1;
    eventually("the change waits", PATIENCE, waiting).await;
    drop(proxy);
    let status = start.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("not confirmed"), "{status:?}");
    lock.rollback().await.unwrap();
}
