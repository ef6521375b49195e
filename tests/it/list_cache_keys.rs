//! The key of a cached list: every field of the request is part of it, and so are the tenant and the form of the answer. A
//! caller without the right to a list does not get one from the cache.

use std::{collections::BTreeSet, time::Duration};

use outbound_tasks::pb::{
    GetOutboundTaskRequest, ListOutboundTasksRequest, ListOutboundTasksResponse, TaskAttention,
};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tonic::Code;

use crate::support::{
    PATIENCE,
    client::{Client, START, new_task},
    descriptor::rpcs,
    eventually,
    http::Http,
    keys::{self, id_of},
    server::Server,
    wire::{Caller, LIST, RPC, WIRES, Wire},
};

/// Two values of each field of a list request, in the JSON of protobuf. With each of them the request asks for another
/// list. A field of a message within the request has a dot.
fn values(field: &str, token: &str) -> [String; 2] {
    let [a, b] = match field {
        "page" => ["1", "2"],
        "limit" => ["2", "3"],
        "status" => [r#"["TASK_STATUS_PENDING"]"#, r#"["TASK_STATUS_RUNNING"]"#],
        "date_range.start" => [r#""2020-01-01T00:00:00Z""#, r#""2021-01-01T00:00:00Z""#],
        "date_range.end" => [r#""2040-01-01T00:00:00Z""#, r#""2041-01-01T00:00:00Z""#],
        "order_by" => ["2", "3"],
        "order" => ["1", "2"],
        "page_token" => return [r#""""#.to_owned(), format!("{token:?}")],
        "date_field" => ["1", "2"],
        "target_limit" => ["0", "1"],
        "status_counts" => ["false", "true"],
        "target_sums" => ["false", "true"],
        "attention" => [
            r#"["TASK_ATTENTION_EMPTY"]"#,
            r#"["TASK_ATTENTION_FINISHED_UNENDED"]"#,
        ],
        "stalled_after" => [r#""900s""#, r#""901s""#],
        "attention_counts" => ["false", "true"],
        "customer_id" => [r#""c1""#, r#""c2""#],
        "name" => [r#""task""#, r#""t1""#],
        "task_ids" => [r#"["t1","t2"]"#, r#"["t1","t3"]"#],
        "read_mask" => [r#""taskId""#, r#""name""#],
        "count" => ["1", "2"],
        "label" => [r#"["a"]"#, r#"["a=1"]"#],
        other => panic!("{other} is a new field: name two values of it here"),
    };
    [a.to_owned(), b.to_owned()]
}

/// The fields of a message; those of a message of this API within it one by one.
fn fields(message: &MessageDescriptor) -> Vec<String> {
    let mut found = Vec::new();
    for field in message.fields() {
        match field.kind().as_message() {
            Some(inner) if inner.full_name().starts_with("outboundtasks.") => {
                let inner = fields(inner);
                found.extend(inner.iter().map(|name| format!("{}.{name}", field.name())));
            }
            _ => found.push(field.name().to_owned()),
        }
    }
    found
}

/// Whether the answer is kept: not if time alone can change it.
fn is_kept(request: &ListOutboundTasksRequest) -> bool {
    let stalled = TaskAttention::Stalled as i32;
    !request.attention_counts && !request.attention.contains(&stalled)
}

/// The request with one field set. A range applies to the field that `date_field` names, so the latter comes with one, and
/// `stalled_after` with the kind that it is about.
fn request(field: &str, value: &str) -> ListOutboundTasksRequest {
    let mut json = match field.split_once('.') {
        Some((outer, inner)) => format!("{{\"{outer}\":{{\"{inner}\":{value}}}"),
        None => format!("{{\"{field}\":{value}"),
    };
    if field == "date_field" {
        json += ",\"date_range\":{\"start\":\"2020-01-01T00:00:00Z\"}";
    }
    if field == "stalled_after" {
        json += ",\"attention\":[\"TASK_ATTENTION_STALLED\"]";
    }
    if field != "limit" {
        json += ",\"limit\":2";
    }
    json += "}";
    let input = rpcs()
        .into_iter()
        .find(|rpc| rpc.path == RPC)
        .unwrap()
        .input;
    let mut reader = serde_json::Deserializer::from_str(&json);
    let message = DynamicMessage::deserialize(input, &mut reader).unwrap();
    message.transcode_to().unwrap()
}

async fn list(client: &Client, request: &ListOutboundTasksRequest) -> ListOutboundTasksResponse {
    let answer = client.list_outbound_tasks(request.clone()).await;
    let mut answer = answer.unwrap().into_inner();
    answer.as_of = None;
    answer
}

async fn with_tasks() -> (Server, Client) {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let tasks = (0..20).map(|n| {
        let mut task = new_task(&format!("t{n}"), &["c1", "c2"][..1 + n % 2]);
        task.start_time.as_mut().unwrap().seconds = START - 60 * n as i64;
        task
    });
    client.create_all(tasks.collect()).await;
    (server, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_request_is_part_of_the_key() {
    let (server, client) = with_tasks().await;
    let plain = server.beside_with_cache(0).await;
    let plain = Client::new(&plain).await;
    let hits = || server.app.list_cache().hits;
    let first = ListOutboundTasksRequest {
        limit: 2,
        ..Default::default()
    };
    let token = list(&client, &first).await.next_page_token;
    assert!(!token.is_empty());
    let input = rpcs()
        .into_iter()
        .find(|rpc| rpc.path == RPC)
        .unwrap()
        .input;
    let all = fields(&input);
    assert!(all.len() >= 20, "{all:?}");
    for field in all {
        let [a, b] = values(&field, &token).map(|value| request(&field, &value));
        assert_ne!(a, b, "{field}");
        let expected = [list(&plain, &a).await, list(&plain, &b).await];
        let _ = list(&client, &a).await;
        let before = hits();
        assert_eq!(list(&client, &a).await, expected[0], "{field}");
        let [of_a, of_b] = [&a, &b].map(|request| u64::from(is_kept(request)));
        assert_eq!(hits(), before + of_a, "{field}: the same request is a hit");
        // Neither of the two gets the other's answer, in either order.
        assert_eq!(list(&client, &b).await, expected[1], "{field}");
        assert_eq!(
            hits(),
            before + of_a,
            "{field}: another value is another key"
        );
        assert_eq!(list(&client, &b).await, expected[1], "{field}");
        assert_eq!(list(&client, &a).await, expected[0], "{field}");
        assert_eq!(hits(), before + 2 * of_a + of_b, "{field}");
    }
}

/// Two requests for a task that differ in one field.
fn gets(field: &str) -> [GetOutboundTaskRequest; 2] {
    let plain = GetOutboundTaskRequest {
        task_id: "t1".into(),
        ..Default::default()
    };
    let mut other = plain.clone();
    match field {
        "task_id" => other.task_id = "t2".into(),
        "target_limit" => other.target_limit = Some(1),
        "read_mask" => {
            let paths = vec!["name".to_owned()];
            other.read_mask = Some(prost_types::FieldMask { paths });
        }
        other => panic!("{other} is a new field: name a value of it here"),
    }
    [plain, other]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_request_for_a_task_is_part_of_the_key() {
    let (server, client) = with_tasks().await;
    let plain = server.beside_with_cache(0).await;
    let plain = Client::new(&plain).await;
    let hits = || server.app.list_cache().hits;
    let get = async |client: &Client, request: &GetOutboundTaskRequest| {
        let answer = client.get_outbound_task(request.clone()).await;
        answer.unwrap().into_inner()
    };
    let path = RPC.replace("ListOutboundTasks", "GetOutboundTask");
    let mut all = rpcs().into_iter();
    let input = all.find(|rpc| rpc.path == path).unwrap().input;
    for field in fields(&input) {
        let [a, b] = gets(&field);
        let expected = [get(&plain, &a).await, get(&plain, &b).await];
        assert_ne!(expected[0], expected[1], "{field}");
        assert_eq!(get(&client, &a).await, expected[0], "{field}");
        let before = hits();
        assert_eq!(get(&client, &b).await, expected[1], "{field}");
        assert_eq!(hits(), before, "{field}: another value is another key");
        assert_eq!(get(&client, &a).await, expected[0], "{field}");
        assert_eq!(get(&client, &b).await, expected[1], "{field}");
        assert_eq!(hits(), before + 2, "{field}: the same request is a hit");
    }
    // Another transport has another form.
    let http = server.http();
    let before = hits();
    for (query, name) in [
        ("", "\"name\""),
        ("?fields=task_id", "\"task_id\""),
        ("?time_format=compact", "\"20330518T"),
    ] {
        let answer = http.get(&format!("{LIST}/t1{query}")).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(body.contains(name), "{query}: {body}");
    }
    assert_eq!(hits(), before);
}

/// The parameters of the URL that the message does not have, and the fields of the form.
#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_an_answer_is_part_of_the_key() {
    let (server, client) = with_tasks().await;
    let http = server.http();
    let hits = || server.app.list_cache().hits;
    let queries = [
        "limit=2",
        "limit=2&time_format=compact",
        "limit=2&fields=task_id",
        "limit=2&fields=name",
        "limit=2&start_date=2033-05-18&time_zone=Asia/Shanghai",
        "limit=2&start_date=2033-05-18&time_zone=UTC",
    ];
    let mut answers = BTreeSet::new();
    for query in queries {
        let mut answer = http.list(query).await.json();
        answer["as_of"].take();
        answers.insert(answer.to_string());
    }
    assert_eq!(answers.len(), queries.len(), "{answers:?}");
    let request = ListOutboundTasksRequest {
        limit: 2,
        ..Default::default()
    };
    list(&client, &request).await;
    assert_eq!(hits(), 0);
    // Both forms of gRPC have the same messages, and the same words in another order are the same list.
    let web = Http::new(server.address, &server.key);
    let (message, _) = web
        .grpc_web::<_, ListOutboundTasksResponse>(RPC, &request)
        .await;
    assert_eq!(message.unwrap().tasks.len(), 2);
    assert_eq!(hits(), 1);
    http.list("time_format=rfc3339&limit=2&page=1").await;
    assert_eq!(hits(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_has_other_answers() {
    let (server, client) = with_tasks().await;
    let other = server.tenant("other").await;
    let caller = Caller::new(server.address);
    for _ in 0..3 {
        for wire in WIRES {
            let total = async |key: &str| {
                let answer = caller.list(wire, &[("x-api-key", key)]).await;
                answer.total
            };
            assert_eq!(total(&server.key).await, Some(20), "{wire:?}");
            assert_eq!(total(&other).await, Some(0), "{wire:?}");
        }
    }
    // A change of one tenant leaves the answers of the other.
    let hits = server.app.list_cache().hits;
    client.create(new_task("new", &[])).await;
    let answer = caller.list(Wire::Grpc, &[("x-api-key", &other)]).await;
    assert_eq!(answer.total, Some(0));
    assert_eq!(server.app.list_cache().hits, hits + 1);
}

/// The tenant's key for tokens may be replaced.
#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_an_answer_is_of_the_tenants_present_key() {
    let (server, client) = with_tasks().await;
    let first = ListOutboundTasksRequest {
        limit: 2,
        ..Default::default()
    };
    let old = list(&client, &first).await.next_page_token;
    assert_eq!(list(&client, &first).await.next_page_token, old);
    let replace = "UPDATE tenants SET page_token_key = sha256('another')";
    server.database.execute(replace).await;
    let next = async || {
        let page_token = list(&client, &first).await.next_page_token;
        let request = ListOutboundTasksRequest {
            page_token: page_token.clone(),
            ..first.clone()
        };
        // The two calls may know different keys, for a second.
        client.list_outbound_tasks(request).await.is_ok() && page_token != old
    };
    eventually("tokens are made with the new key", PATIENCE, next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_the_right_gets_nothing_from_the_cache() {
    let (server, _) = with_tasks().await;
    let key = keys::create(&server.database, "read", &[]).await;
    let writer = keys::create(&server.database, "write", &[]).await;
    let caller = Caller::new(server.address);
    let code = async |wire: Wire, key: &str| caller.list(wire, &[("x-api-key", key)]).await.code;
    for wire in WIRES {
        assert_eq!(code(wire, &key).await, Code::Ok);
        assert_eq!(code(wire, &key).await, Code::Ok);
    }
    assert!(server.app.list_cache().hits >= WIRES.len() as u64);
    let hits = server.app.list_cache().hits;
    for wire in WIRES {
        assert_eq!(
            code(wire, &writer).await,
            Code::PermissionDenied,
            "{wire:?}"
        );
        let unknown = keys::unknown_key("demo");
        assert_eq!(
            code(wire, &unknown).await,
            Code::Unauthenticated,
            "{wire:?}"
        );
    }
    let revoke = ["keys", "revoke", &id_of(&key)];
    server.database.succeed(&revoke, b"").await;
    // A server keeps a key's record for a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for wire in WIRES {
        assert_eq!(code(wire, &key).await, Code::Unauthenticated, "{wire:?}");
        assert_eq!(code(wire, &server.key).await, Code::Ok, "{wire:?}");
    }
    assert_eq!(server.app.list_cache().hits, hits + WIRES.len() as u64);
}
