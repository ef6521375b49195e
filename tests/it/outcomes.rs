//! Stored outcomes of writes across versions of the service: what another version wrote is replayed, or refused clearly.

use futures_util::future::BoxFuture;
use outbound_tasks::pb::{
    AddTaskTargetsRequest, BatchCreateOutboundTasksRequest, BulkChangeOutboundTasksRequest,
    CreateOutboundTaskRequest, DeleteOutboundTaskRequest, OutboundTask, RemoveTaskTargetsRequest,
    ReportTargetResultsRequest, TargetState, TaskAction, TaskFilter, UpdateOutboundTaskRequest,
};
use prost::Message;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use crate::support::{
    client::{Act, Client, is_replay, new_task, part, result},
    server::Server,
};

/// The idempotency key of each write, in the order in which they can be done.
const WRITES: [&str; 14] = [
    "create", "batch", "update", "start", "pause", "resume", "complete", "stop", "fail", "bulk",
    "add", "report", "remove", "delete",
];

/// An answer as bytes, and whether it was given before.
type Raw = Result<(Vec<u8>, bool), Status>;

fn raw<M: Message>(answer: Result<Response<M>, Status>) -> Raw {
    answer.map(|a| (a.get_ref().encode_to_vec(), is_replay(&a)))
}

/// Does a write under its own name as idempotency key.
fn write<'a>(client: &'a Client, name: &'a str) -> BoxFuture<'a, Raw> {
    let idempotency_key = name.to_owned();
    let act = move |action, task_id: &'static str| async move {
        let act = Act {
            task_id,
            reason: "so",
            idempotency_key: name,
            ..Act::default()
        };
        raw(client.act(action, act).await)
    };
    Box::pin(async move {
        match name {
            "create" => {
                let task = Some(new_task("a", &["c1", "客户", "c1"]));
                let message = CreateOutboundTaskRequest {
                    task,
                    idempotency_key,
                };
                raw(client.create_outbound_task(message).await)
            }
            "batch" => {
                let tasks = ["b", "c", "d", "e", "f"]
                    .map(|id| new_task(id, &["c1"]))
                    .to_vec();
                let message = BatchCreateOutboundTasksRequest {
                    tasks,
                    idempotency_key,
                };
                raw(client.batch_create_outbound_tasks(message).await)
            }
            "update" => {
                let task = Some(OutboundTask {
                    task_id: "a".into(),
                    name: "新".into(),
                    ..Default::default()
                });
                let message = UpdateOutboundTaskRequest {
                    task,
                    update_mask: None,
                    idempotency_key,
                };
                raw(client.update_outbound_task(message).await)
            }
            "start" => act(TaskAction::Start, "a").await,
            "pause" => act(TaskAction::Pause, "a").await,
            "resume" => act(TaskAction::Resume, "a").await,
            "complete" => act(TaskAction::Complete, "a").await,
            "stop" => act(TaskAction::Stop, "b").await,
            "fail" => act(TaskAction::Fail, "c").await,
            "bulk" => {
                let message = BulkChangeOutboundTasksRequest {
                    filter: Some(TaskFilter {
                        task_ids: ["b", "d", "e"].map(str::to_owned).to_vec(),
                        ..Default::default()
                    }),
                    action: TaskAction::Start as i32,
                    expected_count: Some(2),
                    idempotency_key,
                    ..Default::default()
                };
                raw(client.bulk_change_outbound_tasks(message).await)
            }
            "add" => {
                let first = AddTaskTargetsRequest {
                    idempotency_key,
                    ..part("f", &["c1", "c2", "c3"])
                };
                raw(client.add_task_targets(vec![first]).await)
            }
            "report" => {
                let message = ReportTargetResultsRequest {
                    task_id: "f".into(),
                    results: vec![
                        result("c1", TargetState::Answered, 1, 5),
                        result("c2", TargetState::Busy, 1, 5),
                        result("other", TargetState::Busy, 1, 5),
                    ],
                    idempotency_key,
                };
                raw(client.report_target_results(message).await)
            }
            "remove" => {
                let message = RemoveTaskTargetsRequest {
                    task_id: "f".into(),
                    customer_ids: vec!["c3".into(), "other".into()],
                    etag: String::new(),
                    idempotency_key,
                };
                raw(client.remove_task_targets(message).await)
            }
            "delete" => {
                let message = DeleteOutboundTaskRequest {
                    task_id: "f".into(),
                    etag: String::new(),
                    idempotency_key,
                };
                raw(client.delete_outbound_task(message).await)
            }
            _ => panic!("no write {name}"),
        }
    })
}

#[derive(serde::Deserialize)]
struct Stored {
    key: String,
    request_hash: String,
    outcome: String,
    answer: String,
}

/// Rows of the first version of the format, as a service of that time stored them, and its answers.
fn first_version() -> Vec<Stored> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/outcomes_v1.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Puts rows into the database, as that service did.
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
async fn what_a_service_of_the_first_version_stored_is_replayed() {
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

/// What is stored is in that format still: field for field, a service of that time can read it.
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

/// A value without what differs from run to run: versions, and the times of changes.
fn shape(mut value: serde_json::Value) -> serde_json::Value {
    match &mut value {
        serde_json::Value::Object(fields) => {
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
async fn an_outcome_that_cannot_be_read_is_refused_and_not_done_again() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    fill(&server, &first_version()).await;
    let sql = server.database.client().await;
    // Of a later version, and of this one with a field that is not there.
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
