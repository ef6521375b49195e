//! Tasks by their ids, one and many, over gRPC and HTTP.

use http::Method;
use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    pb::{BatchGetOutboundTasksRequest, GetOutboundTaskRequest, ListOutboundTasksRequest},
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    server::{Server, request_with},
    tasks::{Json, bank_tasks, task},
};

const PATH: &str = "/api/v1/outboundtasks";

fn one(task_id: &str) -> GetOutboundTaskRequest {
    GetOutboundTaskRequest {
        task_id: task_id.to_owned(),
        ..Default::default()
    }
}

fn many<I: IntoIterator<Item: Into<String>>>(task_ids: I) -> BatchGetOutboundTasksRequest {
    BatchGetOutboundTasksRequest {
        task_ids: task_ids.into_iter().map(Into::into).collect(),
        ..Default::default()
    }
}

fn plain(task_id: &str) -> Json {
    task(
        task_id,
        "2023-03-01T10:00:00Z",
        "2023-03-02T10:00:00Z",
        "running",
    )
}

/// The id as a segment of a path.
fn escaped(task_id: &str) -> String {
    task_id.bytes().map(|b| format!("%{b:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_task_equals_the_task_in_the_list() {
    let server = Server::start().await;
    let tasks: Vec<Json> = bank_tasks().into_iter().take(500).collect();
    server.import(&tasks).await;
    let mut grpc = server.grpc().await;
    let list = ListOutboundTasksRequest {
        limit: 500,
        target_limit: Some(7),
        ..ListOutboundTasksRequest::default()
    };
    let listed = grpc
        .list_outbound_tasks(server.request(list))
        .await
        .unwrap()
        .into_inner()
        .tasks;
    assert_eq!(listed.len(), 500);

    // In an order that no list has.
    let mut wanted = listed.clone();
    wanted.sort_by_key(|t| t.task_id.bytes().rev().collect::<Vec<_>>());
    let request = BatchGetOutboundTasksRequest {
        target_limit: Some(7),
        ..many(wanted.iter().map(|t| &t.task_id))
    };
    let batch = grpc
        .batch_get_outbound_tasks(server.request(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(batch.tasks, wanted);
    assert!(batch.missing_task_ids.is_empty());

    let json = server.http().list("limit=500&time_format=compact").await;
    for (message, json) in listed
        .iter()
        .zip(json.json()["tasks"].as_array().unwrap())
        .step_by(25)
    {
        let request = GetOutboundTaskRequest {
            target_limit: Some(7),
            ..one(&message.task_id)
        };
        let got = grpc.get_outbound_task(server.request(request)).await;
        assert_eq!(got.unwrap().into_inner().task.as_ref(), Some(message));
        let path = format!("{PATH}/{}?time_format=compact", message.task_id);
        let answer = server.http().get(&path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), *json);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_possible_id_is_found() {
    let server = Server::start().await;
    let ids = [
        "外呼/1",
        "a b",
        "50%",
        "%2F",
        "..",
        "a:export",
        &"x".repeat(128),
    ];
    server.import(&ids.map(plain)).await;
    let mut grpc = server.grpc().await;
    for id in ids {
        let got = grpc.get_outbound_task(server.request(one(id))).await;
        assert_eq!(got.unwrap().into_inner().task.unwrap().task_id, id);
        let answer = server.http().get(&format!("{PATH}/{}", escaped(id))).await;
        assert_eq!(answer.json()["task_id"], id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_tasks_are_named() {
    let server = Server::start().await;
    server.import(&[plain("mine")]).await;
    let other = server.tenant("other").await;
    server.import_as("other", &[plain("theirs")]).await;
    let mut grpc = server.grpc().await;

    for id in ["theirs", "nobody's"] {
        let status = grpc
            .get_outbound_task(server.request(one(id)))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        let details = status.get_error_details();
        let resource = details.resource_info().unwrap();
        assert_eq!(resource.resource_type, "outboundtasks.v1.OutboundTask");
        assert_eq!(resource.resource_name, id);
        assert_eq!(details.error_info().unwrap().reason, "NOT_FOUND");
        let answer = server.http().get(&format!("{PATH}/{}", escaped(id))).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["error"]["status"], "NOT_FOUND");
    }
    let theirs = grpc.get_outbound_task(request_with(&other, one("theirs")));
    assert_eq!(
        theirs.await.unwrap().into_inner().task.unwrap().name,
        "theirs"
    );

    let asked = many(["theirs", "mine", "nobody's", "mine", "theirs"]);
    let batch = grpc
        .batch_get_outbound_tasks(server.request(asked))
        .await
        .unwrap()
        .into_inner();
    let found: Vec<&str> = batch.tasks.iter().map(|t| t.task_id.as_str()).collect();
    assert_eq!(found, ["mine", "mine"]);
    assert_eq!(batch.missing_task_ids, ["theirs", "nobody's", "theirs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_names_every_field() {
    let server = Server::start().await;
    let mut grpc = server.grpc().await;
    let long = "x".repeat(129);
    let fields = |status: tonic::Status| {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        violations
            .iter()
            .map(|v| v.field.clone())
            .collect::<Vec<_>>()
    };
    for id in ["", "a\0b", &long] {
        let request = GetOutboundTaskRequest {
            target_limit: Some(101),
            ..one(id)
        };
        let refused = grpc.get_outbound_task(server.request(request)).await;
        assert_eq!(fields(refused.unwrap_err()), ["task_id", "target_limit"]);
    }
    for (ids, at_fault) in [
        (
            vec![String::new(), "a".into(), long.clone()],
            vec!["task_ids[0]", "task_ids[2]"],
        ),
        (vec![], vec!["task_ids"]),
        (vec!["a".to_owned(); 1001], vec!["task_ids"]),
    ] {
        let refused = grpc
            .batch_get_outbound_tasks(server.request(many(ids)))
            .await;
        assert_eq!(fields(refused.unwrap_err()), at_fault);
    }
    let most = grpc
        .batch_get_outbound_tasks(server.request(many(vec!["a"; 1000])))
        .await;
    assert_eq!(most.unwrap().into_inner().missing_task_ids.len(), 1000);

    for (path, at_fault) in [
        (format!("{PATH}/{long}"), vec!["task_id"]),
        (format!("{PATH}/a%00b"), vec!["task_id"]),
        (format!("{PATH}/a%FFb"), vec!["task_id"]),
        (
            format!("{PATH}/a?page=1&target_limit=-1"),
            vec!["page", "target_limit"],
        ),
        (format!("{PATH}/a?api_key=a&api_key=b"), vec!["api_key"]),
    ] {
        let answer = server.http().get(&path).await;
        assert_eq!(answer.status, 400, "{path}");
        let json = answer.json();
        let details = json["error"]["details"].as_array().unwrap();
        let named: Vec<&str> = details
            .iter()
            .map(|d| d["field"].as_str().unwrap())
            .collect();
        assert_eq!(named, at_fault, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_scope_reads_nothing() {
    let server = Server::start().await;
    server.import(&[plain("mine")]).await;
    let tenant = TenantId::parse("demo").unwrap();
    let key = server
        .operator
        .key_create(&tenant, "dialler", &[Scope::Write], None);
    let key = key.await.unwrap().secret;
    let mut grpc = server.grpc().await;
    for (key, code, http) in [
        (key.as_str(), Code::PermissionDenied, 403),
        ("otk_none", Code::Unauthenticated, 401),
    ] {
        let refused = grpc.get_outbound_task(request_with(key, one("mine"))).await;
        assert_eq!(refused.unwrap_err().code(), code);
        let refused = grpc.batch_get_outbound_tasks(request_with(key, many(["mine"])));
        assert_eq!(refused.await.unwrap_err().code(), code);
        // A caller without the right to read learns nothing of the request's violations.
        let path = format!("{PATH}/mine?api_key={key}&page=0");
        let answer = server
            .http()
            .send(Method::GET, &path, &[], Vec::new())
            .await;
        assert_eq!(answer.status, http);
    }
}
