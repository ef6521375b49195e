//! The Connect protocol: every unary rpc by JSON and by protobuf, with the answers of gRPC.

use http::Method;
use outbound_tasks::{
    pb::{self, TaskAction},
    server::Options,
};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use serde_json::json;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::support::{
    case::case,
    client::{Client, new_task, way_to},
    connect::{SERVICE, post, post_with},
    descriptor::{Rpc, rpcs},
    http::{Answer, Http, frame},
    server::{Server, options},
    tasks::{Json, bank_tasks, task},
};

/// The forms in which an rpc is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Grpc,
    Json,
    Proto,
}

const FORMS: [Form; 3] = [Form::Grpc, Form::Json, Form::Proto];

/// A message in which the task is `id` and not `theirs`.
fn about(rpc: &Rpc, message: &[u8], id: &str) -> DynamicMessage {
    let message = DynamicMessage::decode(rpc.input.clone(), message).unwrap();
    let json = serde_json::to_string(&message).unwrap();
    let json = match &*rpc.name {
        // The case's own message expects that no task changes.
        "BulkChangeOutboundTasks" => {
            let filter = json!({"taskIds": [id]});
            json!({"action": "TASK_ACTION_STOP", "filter": filter, "expectedCount": 1}).to_string()
        }
        _ => json.replace("theirs2", id).replace("theirs", id),
    };
    let mut reader = serde_json::Deserializer::from_str(&json);
    let mut message = DynamicMessage::deserialize(rpc.input.clone(), &mut reader).unwrap();
    if rpc.input.get_field_by_name("idempotency_key").is_some() {
        let key = format!("{}-{id}", rpc.name);
        message.set_field_by_name("idempotency_key", Value::String(key));
    }
    message
}

async fn call(http: &Http, rpc: &Rpc, form: Form, message: &DynamicMessage) -> Answer {
    let (kind, body) = match form {
        Form::Grpc => ("application/grpc", frame(message)),
        Form::Json => ("application/json", serde_json::to_vec(message).unwrap()),
        Form::Proto => ("application/proto", message.encode_to_vec()),
    };
    let answer = post_with(http, &rpc.name, &[("content-type", kind)], body).await;
    assert_eq!(answer.header("content-type"), kind, "{}", rpc.name);
    answer
}

/// The message of an answer as protobuf, without the instant at which it was read. Fields with the default value have no
/// bytes in it.
fn message(rpc: &Rpc, form: Form, answer: &Answer) -> Vec<u8> {
    let said = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{} {form:?}: {said}", rpc.name);
    let output = rpc.output.clone();
    let mut message = match form {
        Form::Grpc => {
            let status = answer.trailers.get("grpc-status");
            assert!(status.is_some_and(|code| code == "0"), "{}", rpc.name);
            DynamicMessage::decode(output, &answer.body[5..]).unwrap()
        }
        Form::Proto => DynamicMessage::decode(output, &*answer.body).unwrap(),
        Form::Json => {
            let mut reader = serde_json::Deserializer::from_slice(&answer.body);
            DynamicMessage::deserialize(output, &mut reader).unwrap()
        }
    };
    if rpc.output.get_field_by_name("as_of").is_some() {
        message.clear_field_by_name("as_of");
    }
    message.encode_to_vec()
}

/// Each form comes first once, so that each does the work and none only repeats an answer.
#[tokio::test(flavor = "multi_thread")]
async fn every_unary_rpc_answers_as_over_grpc() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    // A connection of HTTP/2, which gRPC needs, and one of HTTP/1.1.
    let two = Http::http2(server.address, &server.key);
    let one = server.http();
    let unary: Vec<Rpc> = rpcs().into_iter().filter(|rpc| !rpc.is_stream).collect();
    assert!(unary.len() >= 18, "{}", unary.len());
    for rpc in &unary {
        let case = case(&rpc.name);
        for first in 0..FORMS.len() {
            let id = format!("{}-{first}", rpc.name);
            if !rpc.name.contains("Create") {
                client.create(new_task(&id, &["c1", "c2"])).await;
            }
            let status = match &*rpc.name {
                "PauseOutboundTask" | "CompleteOutboundTask" => pb::TaskStatus::Running,
                "ResumeOutboundTask" => pb::TaskStatus::Paused,
                _ => pb::TaskStatus::Pending,
            };
            for step in way_to(status) {
                client.acted(*step, &id).await;
            }
            let request = about(rpc, &case.message, &id);
            let mut seen = Vec::new();
            for n in 0..FORMS.len() {
                let form = FORMS[(first + n) % FORMS.len()];
                let http = match form == Form::Grpc || first == 1 {
                    true => &two,
                    false => &one,
                };
                let answer = call(http, rpc, form, &request).await;
                let is_write = request.has_field_by_name("idempotency_key");
                // A header of gRPC's metadata is a header here.
                let replayed = answer.header("idempotent-replayed");
                let wanted = if is_write && n > 0 { "true" } else { "" };
                assert_eq!(replayed, wanted, "{} {form:?}", rpc.name);
                seen.push(message(rpc, form, &answer));
            }
            assert_eq!(seen[0], seen[1], "{}", rpc.name);
            assert_eq!(seen[0], seen[2], "{}", rpc.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_that_of_protobuf_with_the_names_of_the_contract() {
    let server = Server::start().await;
    let http = server.http();
    let empty = post_with(&http, "ListOutboundTasks", &[], "{}").await;
    assert_eq!(empty.status, 200);
    assert_eq!(empty.header("x-content-type-options"), "nosniff");
    assert_eq!(empty.header("cache-control"), "no-store");
    assert!(!empty.header("x-request-id").is_empty());
    let mut list = empty.json();
    assert!(list.as_object_mut().unwrap().remove("as_of").is_some());
    let nothing = json!({
        "total": 0, "tasks": [], "next_page_token": "", "status_counts": [], "attention_counts": []
    });
    assert_eq!(list, nothing);

    // Names of the contract, and those of ProtoJSON; numbers as texts; enums by number.
    let created = json!({"task": {"task_id": "a", "name": "任务", "target": ["c1"],
        "start_time": "2026-11-26T09:00:00+08:00", "endTime": "2026-11-27T09:00:00.5Z"}});
    let answer = post(&server, "CreateOutboundTask", &created).await;
    let json = answer.json();
    assert_eq!(answer.status, 200, "{json}");
    let task = &json["task"];
    assert_eq!(task["task_id"], "a");
    assert_eq!(task["name"], "任务");
    assert_eq!(task["status"], "TASK_STATUS_PENDING");
    assert_eq!(task["start_time"], "2026-11-26T01:00:00Z");
    assert_eq!(task["end_time"], "2026-11-27T09:00:00.500Z");
    assert_eq!(task["progress"], 0);
    assert_eq!(task["status_reason"], "");
    for (body, total) in [
        (
            json!({"status": ["TASK_STATUS_PENDING", 2], "limit": "7"}),
            1,
        ),
        (json!({"status": [2]}), 0),
        (
            json!({"taskIds": ["a"], "orderBy": "TASK_ORDER_BY_NAME", "name": null}),
            1,
        ),
        (
            json!({"date_range": {"start": "2026-11-26T01:00:00.000001Z"}}),
            0,
        ),
    ] {
        let answer = post(&server, "ListOutboundTasks", &body).await;
        assert_eq!(answer.json()["total"], total, "{body}");
    }
}

/// Fields that were not asked for are absent, since their default value would be false.
#[tokio::test(flavor = "multi_thread")]
async fn a_field_mask_shows_its_fields_and_no_others() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1"])).await;
    for mask in ["task_id,progress", "taskId,progress"] {
        let only = json!({"task_id": "a", "progress": 0});
        let body = json!({"read_mask": mask});
        let list = post(&server, "ListOutboundTasks", &body).await.json();
        assert_eq!(list["tasks"], json!([only]));
        assert_eq!(list["total"], 1);
        let body = json!({"task_id": "a", "readMask": mask});
        let one = post(&server, "GetOutboundTask", &body).await.json();
        assert_eq!(one, json!({"task": only}));
        let body = json!({"task_ids": ["a", "b"], "read_mask": mask});
        let some = post(&server, "BatchGetOutboundTasks", &body).await.json();
        assert_eq!(some, json!({"tasks": [only], "missing_task_ids": ["b"]}));
    }
    let body = json!({"task": {"task_id": "a", "name": "new"}, "update_mask": "name"});
    let updated = post(&server, "UpdateOutboundTask", &body).await.json();
    assert_eq!(updated["task"]["name"], "new");
    assert_eq!(updated["task"]["progress"], 0);
}

/// Large answers are converted beside other calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_page_is_the_same_in_every_form() {
    let server = Server::start().await;
    server.import(&bank_tasks()).await;
    let rpcs = rpcs();
    let rpc = rpcs.iter().find(|rpc| rpc.name == "ListOutboundTasks");
    let rpc = rpc.unwrap();
    let mut request = DynamicMessage::new(rpc.input.clone());
    request.set_field_by_name("limit", Value::I32(1000));
    let two = Http::http2(server.address, &server.key);
    let mut seen = Vec::new();
    for form in FORMS {
        let answer = call(&two, rpc, form, &request).await;
        assert!(answer.body.len() > 64 << 10, "{form:?}");
        seen.push(message(rpc, form, &answer));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_compressed_in_both_directions() {
    let server = Server::start().await;
    server.import(&bank_tasks()[..100]).await;
    let http = server.http();
    let body = br#"{"limit": 100}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, body).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&body[..], 3).unwrap();
    let plain = post_with(&http, "ListOutboundTasks", &[], body)
        .await
        .json();
    for (encoding, sent) in [("gzip", gzip), ("zstd", zstd), ("identity", body.to_vec())] {
        let headers = [
            ("content-encoding", encoding),
            ("accept-encoding", encoding),
        ];
        let answer = post_with(&http, "ListOutboundTasks", &headers, sent).await;
        assert_eq!(answer.status, 200, "{encoding}");
        let body = match answer.header("content-encoding") {
            "gzip" => {
                let mut text = Vec::new();
                let mut reader = flate2::read::MultiGzDecoder::new(&*answer.body);
                std::io::Read::read_to_end(&mut reader, &mut text).unwrap();
                text
            }
            "zstd" => zstd::decode_all(&*answer.body).unwrap(),
            _ => {
                assert_eq!(encoding, "identity");
                answer.body
            }
        };
        let list: Json = serde_json::from_slice(&body).unwrap();
        assert_eq!(list["tasks"], plain["tasks"], "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_served_without_a_key() {
    let server = Server::start().await;
    server.assert_serves().await;
    let http = Http::new(server.address, "");
    let path = "/grpc.health.v1.Health/Check";
    let kind = [("content-type", "application/json")];
    let body = br#"{"service": "outboundtasks.v1.OutboundTaskService"}"#.to_vec();
    let answer = http.send(Method::POST, path, &kind, body).await;
    assert_eq!(answer.json(), json!({"status": "SERVING"}));
    let kind = [("content-type", "application/proto")];
    let body = HealthCheckRequest::default().encode_to_vec();
    let answer = http.send(Method::POST, path, &kind, body).await;
    let message = HealthCheckResponse::decode(&*answer.body).unwrap();
    assert_eq!(message.status, 1);
}

/// A browser asks before it sends a JSON body to another origin, so a page needs the permission of the service.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_send_the_headers_of_the_protocol() {
    let server = Server::start_with(options()).await;
    let http = Http::new(server.address, "");
    let path = format!("{SERVICE}/ListOutboundTasks");
    let headers = [
        ("origin", "https://console.example.com"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "connect-protocol-version,connect-timeout-ms,content-type,x-api-key",
        ),
    ];
    let answer = http
        .send(Method::OPTIONS, &path, &headers, Vec::new())
        .await;
    let allowed = answer.header("access-control-allow-headers");
    for name in headers[2].1.split(',') {
        assert!(allowed.split(',').any(|allowed| allowed == name), "{name}");
    }
}

/// As `curl -d`, without any header of the protocol, and with all of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_headers_of_the_protocol_are_optional() {
    let server = Server::start_with(Options {
        min_request_timeout: std::time::Duration::from_millis(10),
        ..options()
    })
    .await;
    let http = server.http();
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
    ] {
        let headers = [("content-type", kind)];
        let answer = post_with(&http, "GetQuota", &headers, "{}").await;
        assert_eq!(answer.status, 200, "{kind}");
        let headers = [
            ("content-type", kind),
            ("connect-protocol-version", "1"),
            ("connect-timeout-ms", "5000"),
        ];
        let answer = post_with(&http, "GetQuota", &headers, " {} \n").await;
        assert_eq!(
            answer.json(),
            json!({"quotas": [], "key_name": "test"}),
            "{kind}"
        );
    }
}

/// The two write actions that change a status need no body but the id.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_created_started_and_stopped_by_hand() {
    let server = Server::start().await;
    let task = json!({"task": {"task_id": "a", "name": "a",
        "start_time": "2026-11-26T09:00:00Z", "end_time": "2026-11-27T09:00:00Z"}});
    assert_eq!(post(&server, "CreateOutboundTask", &task).await.status, 200);
    for (action, status) in [
        (TaskAction::Start, "TASK_STATUS_RUNNING"),
        (TaskAction::Stop, "TASK_STATUS_STOPPED"),
    ] {
        let rpc = format!("{action:?}OutboundTask");
        let answer = post(&server, &rpc, &json!({"task_id": "a"})).await.json();
        assert_eq!(answer["task"]["status"], status, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_a_list_can_be_imported() {
    let server = Server::start().await;
    let statuses = ["pending", "running", "failed"];
    let tasks = statuses.map(|status| task(status, "2023-03-01", "2023-03-02", status));
    server.import(&tasks).await;
    let answer = post(&server, "ListOutboundTasks", &json!({})).await;
    server.tenant("copy").await;
    let import = ["import", "-", "--tenant=copy", "--format=json"];
    server.database.succeed(&import, &answer.body).await;
    let copies = server.database.exported("copy").await;
    assert_eq!(
        copies.iter().map(|t| &t["status"]).collect::<Vec<_>>(),
        ["failed", "pending", "running"]
    );
}

/// A leap second is the same instant in a message of JSON, in a query string and in an import: the second that follows.
#[tokio::test(flavor = "multi_thread")]
async fn a_leap_second_is_one_instant_everywhere() {
    let server = Server::start().await;
    let text = "2016-12-31T23:59:60.5Z";
    // Also where it is no time.
    let task = json!({"task_id": "a", "name": text, "startTime": text, "end_time": "2017-01-01T00:00:60Z"});
    let created = post(&server, "CreateOutboundTask", &json!({"task": task})).await;
    assert_eq!(created.status, 200, "{}", created.json());
    let task = &created.json()["task"];
    assert_eq!(
        (&task["name"], &task["start_time"], &task["end_time"]),
        (
            &text.into(),
            &"2017-01-01T00:00:00.500Z".into(),
            &"2017-01-01T00:01:00Z".into()
        )
    );
    let range = json!({"date_range": {"start": text, "end": "2017-01-01T00:00:01Z"}});
    let listed = post(&server, "ListOutboundTasks", &range).await.json();
    assert_eq!(listed["total"], 1, "{listed}");
    let query = format!("/api/v1/outboundtasks?date_range={text},2017-01-01T00:00:01Z");
    assert_eq!(server.http().get(&query).await.json()["total"], 1);
}
