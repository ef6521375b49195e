//! Errors of the Connect protocol: the status, the code, the details, and what each bad body is told.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use http::Method;
use outbound_tasks::server::Options;
use prost::Message;
use prost_reflect::DynamicMessage;
use serde_json::json;

use crate::support::{
    case::case,
    client::{Client, new_task},
    connect::{SERVICE, detail, fields, post, post_with},
    descriptor::rpcs,
    http::{Answer, Http},
    keys::create,
    process::Process,
    server::{Server, options},
};

/// A message with as many violations as possible is answered with the same fields as over gRPC.
#[tokio::test(flavor = "multi_thread")]
async fn every_unary_rpc_names_all_violations() {
    let server = Server::start().await;
    let http = server.http();
    for rpc in rpcs().into_iter().filter(|rpc| !rpc.is_stream) {
        let (bad, wanted) = case(&rpc.name).bad;
        let proto = [("content-type", "application/proto")];
        let answer = post_with(&http, &rpc.name, &proto, &bad).await;
        assert_eq!(fields(&answer), wanted, "{}", rpc.name);
        // Not every message of bytes can be written as JSON.
        let Ok(message) = DynamicMessage::decode(rpc.input.clone(), &*bad) else {
            let answer = post(&server, &rpc.name, &json!({"x": 1})).await;
            assert_eq!(fields(&answer), ["x"], "{}", rpc.name);
            continue;
        };
        let body = serde_json::to_vec(&message).unwrap();
        let answer = post_with(&http, &rpc.name, &[], body).await;
        assert_eq!(fields(&answer), wanted, "{}", rpc.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_has_the_code_and_the_details_of_grpc() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let http = server.http();
    let id = [("x-request-id", "mine")];
    for (rpc, body, status, code, kind) in [
        (
            "GetOutboundTask",
            json!({"task_id": "nope"}),
            404,
            "not_found",
            "google.rpc.ResourceInfo",
        ),
        (
            "CreateOutboundTask",
            json!({"task": {"task_id": "a", "name": "a", "start_time": "2026-11-26T09:00:00Z",
                "end_time": "2026-11-26T09:00:00Z"}}),
            409,
            "already_exists",
            "google.rpc.ResourceInfo",
        ),
        (
            "ResumeOutboundTask",
            json!({"task_id": "a"}),
            400,
            "failed_precondition",
            "google.rpc.ErrorInfo",
        ),
        (
            "StartOutboundTask",
            json!({"task_id": "a", "etag": "old"}),
            409,
            "aborted",
            "google.rpc.ErrorInfo",
        ),
    ] {
        let answer = post_with(&http, rpc, &id, body.to_string()).await;
        let json = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &json["code"]),
            (status, &code.into()),
            "{json}"
        );
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(!json["message"].as_str().unwrap().is_empty());
        assert_ne!(detail(&answer, kind), serde_json::Value::Null, "{json}");
        assert_eq!(
            detail(&answer, "google.rpc.RequestInfo")["request_id"],
            "mine"
        );
        for name in answer.headers.keys() {
            assert!(!name.as_str().starts_with("grpc-"), "{name}");
        }
        // The value is the message itself, as clients with the schema read it.
        let details = json["details"].as_array().unwrap();
        let info = details
            .iter()
            .find(|d| d["type"] == "google.rpc.ErrorInfo")
            .unwrap();
        let value = STANDARD_NO_PAD
            .decode(info["value"].as_str().unwrap())
            .unwrap();
        let info = tonic_types::pb::ErrorInfo::decode(&*value).unwrap();
        assert_eq!(info.domain, "outboundtasks.v1");
    }
}

/// What is no unary call of the protocol is told what to do.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_unary_call_is_refused() {
    let server = Server::start().await;
    let http = server.http();
    let code = |answer: &Answer| answer.json()["code"].as_str().unwrap().to_owned();
    for (method, allow) in [("GET", "POST"), ("PUT", "POST"), ("DELETE", "POST")] {
        let method: Method = method.parse().unwrap();
        let path = format!("{SERVICE}/ListOutboundTasks");
        let answer = http.send(method, &path, &[], Vec::new()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (405, allow)
        );
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/connect+json",
        "application/jsonl",
        "application/json; charset=gbk",
    ] {
        let headers = [("content-type", kind)];
        let answer = post_with(&http, "ListOutboundTasks", &headers, "{}").await;
        assert_eq!(answer.status, 415, "{kind}");
        assert_eq!(
            answer.header("accept-post"),
            "application/json, application/proto"
        );
        assert_eq!(code(&answer), "unimplemented");
    }
    let path = format!("{SERVICE}/ListOutboundTasks");
    let key = [("x-api-key", &*server.key)];
    let answer = http.send(Method::POST, &path, &key, b"{}".to_vec()).await;
    assert_eq!(answer.status, 415, "without a content type");
    let streams: Vec<_> = rpcs().into_iter().filter(|rpc| rpc.is_stream).collect();
    assert!(streams.len() >= 5);
    for rpc in streams {
        for kind in ["application/json", "application/connect+proto"] {
            let headers = [("content-type", kind)];
            let answer = post_with(&http, &rpc.name, &headers, "{}").await;
            let json = answer.json();
            assert_eq!(
                (answer.status.as_u16(), &*code(&answer)),
                (415, "unimplemented")
            );
            let says = json["message"].as_str().unwrap();
            assert!(says.contains("over gRPC or gRPC-Web"), "{says}");
        }
    }
    for (path, says) in [
        (
            "ListCalls",
            "there is no rpc /outboundtasks.v1.OutboundTaskService/ListCalls",
        ),
        (
            "/grpc.health.v1.Health/Probe",
            "there is no rpc /grpc.health.v1.Health/Probe",
        ),
    ] {
        let answer = post_with(&http, path, &[], "{}").await;
        assert_eq!(
            (answer.status.as_u16(), &*code(&answer)),
            (501, "unimplemented")
        );
        assert!(answer.json()["message"].as_str().unwrap().starts_with(says));
    }
    let brotli = [("content-encoding", "br")];
    let answer = post_with(&http, "ListOutboundTasks", &brotli, "{}").await;
    assert_eq!(
        (answer.status.as_u16(), &*code(&answer)),
        (501, "unimplemented")
    );
    assert_eq!(answer.header("accept-encoding"), "gzip, zstd");
    let version = [("connect-protocol-version", "2")];
    let answer = post_with(&http, "ListOutboundTasks", &version, "{}").await;
    assert_eq!(fields(&answer), ["connect-protocol-version"]);
    // A path of no service stays the gateway's.
    let answer = post_with(&http, "/outboundtasks.v9.OutboundTaskService/X", &[], "{}").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["status"]),
        (404, &"NOT_FOUND".into())
    );
}

/// The key is read before the body, from headers alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_key_or_its_scope_is_refused_first() {
    let server = Server::start().await;
    let reader = create(&server.database, "read", &[]).await;
    let nobody = Http::new(server.address, "");
    let path = format!("{SERVICE}/ListOutboundTasks?api_key={}", server.key);
    let answer = post_with(&nobody, &path, &[], "not JSON").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["code"], "unauthenticated");
    assert!(answer.headers.contains_key("www-authenticate"));
    let reads = Http::new(server.address, &reader);
    for rpc in rpcs().into_iter().filter(|rpc| !rpc.is_stream) {
        let needs_write = rpc.input.get_field_by_name("idempotency_key").is_some();
        let answer = post_with(&reads, &rpc.name, &[], "not JSON").await;
        let wanted = if needs_write { 403 } else { 400 };
        assert_eq!(answer.status, wanted, "{}", rpc.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_timeout_ends_the_call() {
    let server = Server::start_with(Options {
        min_request_timeout: Duration::from_millis(10),
        ..options()
    })
    .await;
    let http = server.http();
    let lock = server.database.lock_tasks().await;
    let short = [("connect-timeout-ms", "200")];
    let answer = post_with(&http, "ListOutboundTasks", &short, "{}").await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.json()["code"], "deadline_exceeded");
    drop(lock);
    for (timeout, status) in [
        ("9", 504),
        ("", 400),
        ("12345678901", 400),
        ("-1", 400),
        ("5S", 400),
    ] {
        let headers = [("connect-timeout-ms", timeout)];
        let answer = post_with(&http, "ListOutboundTasks", &headers, "{}").await;
        assert_eq!(answer.status, status, "{timeout}");
        if status == 400 {
            assert_eq!(fields(&answer), ["connect-timeout-ms"]);
        }
    }
    let long = [("connect-timeout-ms", "9999999999")];
    assert_eq!(
        post_with(&http, "ListOutboundTasks", &long, "{}")
            .await
            .status,
        200
    );
}

/// The log and the metrics have the codes of gRPC, whichever way an rpc is called.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_the_path_and_the_code_of_grpc() {
    let server = Server::start().await;
    let process = Process::serve(&server.database, &[]).await;
    let http = Http::new(process.address, &server.key);
    let answer = post_with(&http, "GetOutboundTask", &[], r#"{"task_id": "nope"}"#).await;
    assert_eq!(answer.status, 404);
    let over_grpc = Http::http2(process.address, &server.key);
    let kind = [("content-type", "application/grpc")];
    let none = post_with(
        &over_grpc,
        "GetOutboundTask",
        &kind,
        [0, 0, 0, 0, 6, 10, 4, 110, 111, 112, 101],
    )
    .await;
    assert_eq!(none.header("grpc-status"), "5");
    let lines = || -> Vec<String> {
        let log = process.log();
        let lines = log
            .lines()
            .filter(|line| line.contains("/GetOutboundTask\""));
        let code = |line: &str| {
            line.split(' ')
                .find(|word| word.starts_with("code="))
                .map(str::to_owned)
        };
        lines.filter_map(code).collect()
    };
    let both = async || lines().len() == 2;
    crate::support::eventually("both calls are logged", Duration::from_secs(5), both).await;
    let lines = lines();
    assert_eq!(lines[0], lines[1]);
}
