//! An idempotency key stands for one write in all of its fields: with another value in any field it is refused. What does not
//! belong to the write, as the spelling of a request, is not compared.

use std::collections::BTreeSet;

use http::Method;
use outbound_tasks::pb::{
    self, BatchCreateOutboundTasksRequest, BulkChangeOutboundTasksRequest,
    CreateOutboundTaskRequest, DeleteOutboundTaskRequest, OutboundTask, RemoveTaskTargetsRequest,
    ReportTargetResultsRequest, StartOutboundTaskRequest, TargetState, TaskAction,
    UpdateOutboundTaskRequest,
};
use prost::Message;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};
use prost_types::FieldMask;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    client::{ACTIONS, Client, START, at, copy_of, is_replay, new_task, part, result, way_to},
    descriptor::{Rpc, rpcs},
    http::Http,
    server::Server,
};

/// A write of each rpc to a task named like it, every field of the command set.
fn base(rpc: &str) -> Vec<u8> {
    let (task_id, idempotency_key) = (rpc.to_owned(), rpc.to_owned());
    match rpc {
        "CreateOutboundTask" => CreateOutboundTaskRequest {
            task: Some(new_task("one", &["c1"])),
            idempotency_key,
            ..Default::default()
        }
        .encode_to_vec(),
        "BatchCreateOutboundTasks" => BatchCreateOutboundTasksRequest {
            tasks: vec![new_task("many", &["c1"])],
            idempotency_key,
            ..Default::default()
        }
        .encode_to_vec(),
        "CopyOutboundTask" => pb::CopyOutboundTaskRequest {
            states: vec![TargetState::Pending as i32],
            idempotency_key,
            ..copy_of(rpc, "copied")
        }
        .encode_to_vec(),
        "UpdateOutboundTask" => UpdateOutboundTaskRequest {
            task: Some(OutboundTask {
                task_id,
                name: "new".into(),
                start_time: at(START + 1),
                end_time: at(START + 1800),
                labels: [("region".into(), "west".into())].into(),
                ..Default::default()
            }),
            update_mask: Some(FieldMask {
                paths: ["name", "start_time", "end_time", "labels"]
                    .map(str::to_owned)
                    .to_vec(),
            }),
            idempotency_key,
            ..Default::default()
        }
        .encode_to_vec(),
        "DeleteOutboundTask" => DeleteOutboundTaskRequest {
            task_id,
            etag: String::new(),
            idempotency_key,
        }
        .encode_to_vec(),
        "BulkChangeOutboundTasks" => BulkChangeOutboundTasksRequest {
            filter: Some(pb::TaskFilter {
                status: vec![1],
                date_range: Some(pb::DateRange {
                    start: at(START - 9),
                    end: at(START + 9),
                }),
                date_field: 1,
                customer_id: "c1".into(),
                name: "task".into(),
                task_ids: vec![task_id],
                label: vec!["region".into()],
                ..Default::default()
            }),
            action: TaskAction::Start as i32,
            reason: "so".into(),
            dry_run: false,
            expected_count: Some(1),
            idempotency_key,
        }
        .encode_to_vec(),
        "AddTaskTargets" => pb::AddTaskTargetsRequest {
            idempotency_key,
            ..part(rpc, &["c7"])
        }
        .encode_to_vec(),
        "RemoveTaskTargets" => RemoveTaskTargetsRequest {
            task_id,
            customer_ids: vec!["c1".into()],
            etag: String::new(),
            idempotency_key,
            ..Default::default()
        }
        .encode_to_vec(),
        "ReportTargetResults" => ReportTargetResultsRequest {
            task_id,
            results: vec![result("c1", TargetState::Answered, 1, 10)],
            idempotency_key,
            ..Default::default()
        }
        .encode_to_vec(),
        // The six messages of the actions have the same fields in the same places.
        _ => StartOutboundTaskRequest {
            task_id,
            reason: "so".into(),
            etag: String::new(),
            idempotency_key,
            ..Default::default()
        }
        .encode_to_vec(),
    }
}

/// Fields that are no part of the write: what it returns, what an update cannot change, and the time after which tasks
/// are stalled if the filter does not ask for these.
fn is_no_part(rpc: &str, path: &str) -> bool {
    if ["target_limit", "read_mask", "filter.stalled_after"].contains(&path) {
        return true;
    }
    let updatable = [
        "task_id",
        "name",
        "start_time",
        "end_time",
        "labels",
        "etag",
    ];
    match path.strip_prefix("task.") {
        Some(field) if rpc == "UpdateOutboundTask" => !updatable.contains(&field),
        _ => false,
    }
}

/// Adds every field of a message that holds a value, by its path from the request.
fn leaves(
    message: &MessageDescriptor,
    above: &[FieldDescriptor],
    into: &mut Vec<Vec<FieldDescriptor>>,
) {
    for field in message.fields() {
        let path = [above, std::slice::from_ref(&field)].concat();
        match field.kind() {
            Kind::Message(inner)
                if !field.is_map() && !inner.full_name().starts_with("google.protobuf.") =>
            {
                leaves(&inner, &path, into);
            }
            _ => into.push(path),
        }
    }
}

fn name(path: &[FieldDescriptor]) -> String {
    let names: Vec<&str> = path.iter().map(FieldDescriptor::name).collect();
    names.join(".")
}

/// Gives the field another value that is valid too.
fn change(message: &mut DynamicMessage, path: &[FieldDescriptor]) {
    let [field, rest @ ..] = path else {
        panic!("a path without a field");
    };
    let value = message.get_field_mut(field);
    if !rest.is_empty() {
        let inner = match value {
            Value::List(list) => &mut list[0],
            value => value,
        };
        let Value::Message(inner) = inner else {
            panic!("{} is no message", field.full_name());
        };
        return change(inner, rest);
    }
    match value {
        Value::Map(map) => {
            map.insert(MapKey::String("other".into()), Value::String("x".into()));
        }
        Value::List(list) => list.push(match field.kind() {
            Kind::String => Value::String("other".into()),
            Kind::Enum(_) => Value::EnumNumber(2),
            kind => panic!("{}: no other value of {kind:?}", field.full_name()),
        }),
        Value::Message(inner) => match inner.descriptor().full_name() {
            "google.protobuf.Timestamp" => {
                let Some(Value::I64(seconds)) =
                    inner.get_field_by_name("seconds").map(|v| v.into_owned())
                else {
                    panic!("a timestamp without seconds");
                };
                inner.set_field_by_name("seconds", Value::I64(seconds + 1));
            }
            "google.protobuf.Duration" => {
                inner.set_field_by_name("seconds", Value::I64(60));
            }
            "google.protobuf.FieldMask" => {
                let paths = inner.get_field_by_name("paths").unwrap().into_owned();
                let Value::List(mut paths) = paths else {
                    panic!("a mask without paths");
                };
                paths.pop();
                inner.set_field_by_name("paths", Value::List(paths));
            }
            other => panic!("{}: no other value of {other}", field.full_name()),
        },
        Value::String(text) => text.push('x'),
        Value::I32(number) | Value::EnumNumber(number) => *number += 1,
        Value::Bool(flag) => *flag = !*flag,
        value => panic!("{}: no other value of {value:?}", field.full_name()),
    }
}

/// Makes a call with one message; answers whether it was a replay.
async fn call(http: &Http, rpc: &Rpc, message: &[u8]) -> Result<bool, Status> {
    let key = http.key.clone();
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("x-api-key", &*key),
    ];
    let mut body = vec![0];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend(message);
    let answer = http.send(Method::POST, &rpc.path, &headers, body).await;
    let is_replay = answer.headers.contains_key("idempotent-replayed");
    let (_, trailers) = answer.unary::<pb::DeleteOutboundTaskResponse>();
    let status = Status::from_header_map(&trailers).expect("an answer has a status");
    match status.code() {
        Code::Ok => Ok(is_replay),
        _ => Err(status),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_refused_with_another_value_in_any_field() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let http = Http::http2(server.address, &server.key);
    let writes: Vec<Rpc> = rpcs()
        .into_iter()
        .filter(|rpc| rpc.input.get_field_by_name("idempotency_key").is_some())
        .collect();
    assert_eq!(writes.len(), 15);
    let mut changed = BTreeSet::new();
    for rpc in writes {
        let status = match &*rpc.name {
            "PauseOutboundTask" | "CompleteOutboundTask" => pb::TaskStatus::Running,
            "ResumeOutboundTask" => pb::TaskStatus::Paused,
            _ => pb::TaskStatus::Pending,
        };
        let task = pb::NewOutboundTask {
            labels: [("region".to_owned(), "east".to_owned())].into(),
            ..new_task(&rpc.name, &["c1"])
        };
        client.create(task).await;
        for step in way_to(status) {
            client.acted(*step, &rpc.name).await;
        }
        let message = base(&rpc.name);
        assert!(!call(&http, &rpc, &message).await.unwrap(), "{}", rpc.name);
        assert!(call(&http, &rpc, &message).await.unwrap(), "{}", rpc.name);
        let mut fields = Vec::new();
        leaves(&rpc.input, &[], &mut fields);
        for path in fields {
            let what = format!("{}.{}", rpc.name, name(&path));
            if name(&path) == "idempotency_key" {
                continue;
            }
            let mut other = DynamicMessage::decode(rpc.input.clone(), &*message).unwrap();
            change(&mut other, &path);
            let answer = call(&http, &rpc, &other.encode_to_vec()).await;
            if name(&path) == "dry_run" {
                // A dry run writes nothing, so it neither takes a key nor replays what another call did with it.
                assert!(!answer.unwrap(), "{what}");
                continue;
            }
            if is_no_part(&rpc.name, &name(&path)) {
                assert!(answer.unwrap(), "{what}");
                continue;
            }
            let refused = answer.expect_err(&what);
            assert_eq!(refused.code(), Code::Aborted, "{what}: {refused:?}");
            let details = refused.get_error_details();
            let reason = &details.error_info().unwrap().reason;
            assert_eq!(reason, "IDEMPOTENCY_KEY_REUSED", "{what}");
            changed.insert(what);
        }
        assert!(call(&http, &rpc, &message).await.unwrap(), "{}", rpc.name);
    }
    // All that there is today. One more is a new field of the contract, which the loop above has then tried.
    assert!(changed.len() >= 63, "{} of {changed:#?}", changed.len());
}

/// Two requests that say the same in other words are one write.
#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_of_the_same_write_is_a_replay() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1"])).await;
    let update = |mask: Option<&[&str]>| UpdateOutboundTaskRequest {
        task: Some(OutboundTask {
            task_id: "a".into(),
            name: "new".into(),
            ..Default::default()
        }),
        update_mask: mask.map(|paths| FieldMask {
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        }),
        idempotency_key: "update".into(),
        ..Default::default()
    };
    client.update_outbound_task(update(None)).await.unwrap();
    for mask in [&["name"][..], &["name", "name"], &[]] {
        let again = client.update_outbound_task(update(Some(mask))).await;
        assert!(is_replay(&again.unwrap()), "{mask:?}");
    }
    let bulk = |status: &[i32], task_ids: &[&str]| BulkChangeOutboundTasksRequest {
        filter: Some(pb::TaskFilter {
            status: status.to_vec(),
            task_ids: task_ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Default::default()
        }),
        action: TaskAction::Start as i32,
        expected_count: Some(1),
        idempotency_key: "bulk".into(),
        ..Default::default()
    };
    let first = bulk(&[1, 2], &["a", "b"]);
    client.bulk_change_outbound_tasks(first).await.unwrap();
    let again = bulk(&[2, 1, 2], &["b", "a", "b"]);
    let again = client.bulk_change_outbound_tasks(again).await.unwrap();
    assert!(is_replay(&again));
    // None of the actions is another.
    for action in ACTIONS {
        let mut other = bulk(&[1, 2], &["a", "b"]);
        other.action = action as i32;
        let answer = client.bulk_change_outbound_tasks(other).await;
        assert_eq!(answer.is_ok(), action == TaskAction::Start, "{action:?}");
    }
}
