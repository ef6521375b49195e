//! A temporary refusal by PostgreSQL is answered as temporary, with a delay for the retry, over every way to write and
//! to read. The language of the server makes no difference, since the service reads codes and not texts.

use std::time::Instant;

use outbound_tasks::pb::{
    BulkChangeOutboundTasksRequest, TaskAction,
    outbound_task_service_client::OutboundTaskServiceClient,
};
use tonic::{Code, Status, transport::Endpoint};
use tonic_types::StatusExt;

use crate::support::{
    client::{Client, new_task, part},
    process::Process,
    server::Server,
};

/// The answer to a write that PostgreSQL refuses with this SQLSTATE.
const CODES: [(&str, Code, &str); 14] = [
    (
        "25006",
        Code::Unavailable,
        "the database takes no writes now",
    ),
    (
        "53000",
        Code::Unavailable,
        "the database is short of resources",
    ),
    ("53100", Code::Unavailable, "the database's disk is full"),
    ("53200", Code::Unavailable, "the database is out of memory"),
    (
        "53300",
        Code::Unavailable,
        "the database has no connection left",
    ),
    ("55P03", Code::DeadlineExceeded, "held a lock for longer"),
    (
        "57014",
        Code::DeadlineExceeded,
        "the database ended the statement",
    ),
    (
        "57P01",
        Code::Unavailable,
        "the database is starting or stopping",
    ),
    (
        "57P03",
        Code::Unavailable,
        "the database is starting or stopping",
    ),
    ("40001", Code::Aborted, "another change came between"),
    ("40P01", Code::Aborted, "waited for each other"),
    (
        "08006",
        Code::Unavailable,
        "the database cannot be reached now",
    ),
    // Defects of the service: a retry does not help.
    (
        "23514",
        Code::Internal,
        "the request id names the log entry",
    ),
    (
        "42501",
        Code::Internal,
        "the request id names the log entry",
    ),
];

/// Makes every change of a task fail with this SQLSTATE, and with a text from which no code could be guessed.
async fn refuse(server: &Server, code: &str) {
    let sql = format!(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            RAISE EXCEPTION '磁盘已满' USING ERRCODE = '{code}'; END $$; \
         CREATE OR REPLACE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON tasks FOR EACH ROW EXECUTE FUNCTION refuse(); \
         CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON task_targets FOR EACH ROW EXECUTE FUNCTION refuse()"
    );
    server.database.execute(&sql).await;
}

fn assert_is(status: &Status, code: &str, wanted: Code, message: &str, what: &str) {
    assert_eq!(status.code(), wanted, "{code}, {what}: {status:?}");
    assert!(
        status.message().contains(message),
        "{code}, {what}: {status:?}"
    );
    assert!(
        !status.message().contains("磁盘"),
        "{code}, {what}: {status:?}"
    );
    let after = status.get_error_details();
    let after = after.retry_info().and_then(|info| info.retry_delay);
    assert_eq!(
        after.is_some(),
        wanted != Code::Internal,
        "{code}, {what}: {status:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_answered_by_the_meaning_of_the_sqlstate() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("t", &[])).await;
    for (code, wanted, message) in CODES {
        refuse(&server, code).await;
        let created = client
            .create_outbound_task(outbound_tasks::pb::CreateOutboundTaskRequest {
                task: Some(new_task("u", &[])),
                idempotency_key: String::new(),
                ..Default::default()
            })
            .await;
        assert_is(&created.unwrap_err(), code, wanted, message, "create");
        let deleted = client.try_delete("t").await;
        assert_is(&deleted.unwrap_err(), code, wanted, message, "delete");
        let bulk = BulkChangeOutboundTasksRequest {
            action: TaskAction::Start as i32,
            expected_count: Some(1),
            ..Default::default()
        };
        let changed = client.bulk_change_outbound_tasks(bulk).await;
        assert_is(&changed.unwrap_err(), code, wanted, message, "bulk");
        let added = client.add_task_targets(vec![part("t", &["c"])]).await;
        assert_is(&added.unwrap_err(), code, wanted, message, "add targets");
        // Reads still work, on every connection of the pool.
        for _ in 0..8 {
            assert_eq!(client.get("t").await.unwrap().task_id, "t");
        }
        // A command that writes with COPY.
        let task = r#"{"task_id":"v","name":"v","start_time":"2026-01-01T00:00:00Z","end_time":"2026-01-02T00:00:00Z"}"#;
        let import = server
            .database
            .run(&["import", "-", "--tenant=demo"], task.as_bytes());
        let output = import.await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{code}: {said}");
        assert!(said.contains("磁盘已满"), "{code}: {said}");
        if wanted != Code::Internal {
            assert!(said.contains(message), "{code}: {said}");
        }
    }
    server
        .database
        .execute("DROP TRIGGER refuse ON tasks; DROP TRIGGER refuse ON task_targets")
        .await;
    client.create(new_task("u", &["c"])).await;
    assert_eq!(client.targets("u").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_is_answered_by_the_meaning_of_the_sqlstate() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("t", &[])).await;
    let caller = crate::support::wire::Caller::new(server.address);
    let http = server.http();
    // Lists and exports with a part of a name in the filter call this function.
    let real = "SELECT pg_get_functiondef('task_name_query'::regproc)";
    let real: String = server
        .database
        .client()
        .await
        .query_one(real, &[])
        .await
        .unwrap()
        .get(0);
    for (code, wanted, message) in CODES {
        let refuse = format!(
            "CREATE OR REPLACE FUNCTION task_name_query(tenant text, folded text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE \
             AS $$ BEGIN RAISE EXCEPTION '磁盘已满' USING ERRCODE = '{code}'; END $$"
        );
        server.database.execute(&refuse).await;
        let answer = http.list("name=task").await;
        let json = answer.json();
        let status = match wanted {
            Code::Unavailable | Code::Aborted => 503,
            Code::DeadlineExceeded => 504,
            _ => 500,
        };
        assert_eq!(answer.status, status, "{code}: {json}");
        let text = json["error"]["message"].as_str().unwrap();
        assert!(text.contains(message), "{code}: {json}");
        assert_eq!(
            answer.header("retry-after").is_empty(),
            wanted == Code::Internal,
            "{code}"
        );
        let export = http.get("/api/v1/outboundtasks:export?name=task").await;
        assert_eq!(export.status, status, "{code}");
        // Calls that do not use the function are answered.
        for wire in crate::support::wire::WIRES {
            let answer = caller.list(wire, &[("x-api-key", &server.key)]).await;
            assert_eq!(answer.code, Code::Ok, "{code}: {answer:?}");
        }
    }
    server.database.execute(&real).await;
    assert_eq!(http.list("name=task").await.status, 200);
}

/// A call that waits for another transaction's lock is answered while its deadline leaves time to try again.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_waited_for_no_longer_than_two_seconds() {
    let server = Server::start().await;
    let process = Process::serve(&server.database, &[]).await;
    let channel = Endpoint::from_shared(format!("http://{}", process.address)).unwrap();
    let grpc = OutboundTaskServiceClient::new(channel.connect().await.unwrap());
    let client = Client::on(grpc, &server.key);
    client.create(new_task("t", &[])).await;
    let sql = server.database.client().await;
    sql.batch_execute("BEGIN; SELECT FROM tasks FOR UPDATE")
        .await
        .unwrap();
    let began = Instant::now();
    let refused = client.try_delete("t").await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert!(
        refused.message().contains("held a lock for longer"),
        "{refused:?}"
    );
    assert!(refused.get_details_retry_info().is_some());
    let took = began.elapsed();
    assert!((2.0..4.5).contains(&took.as_secs_f64()), "{took:?}");
    sql.batch_execute("COMMIT").await.unwrap();
    client.delete("t").await;
}
