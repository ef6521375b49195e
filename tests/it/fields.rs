//! Lists and tasks by id with only the requested fields, and lists without a total.

use outbound_tasks::{
    domain::{fields::TaskField, words::Word},
    pb::{
        BatchGetOutboundTasksRequest, FILE_DESCRIPTOR_SET, GetOutboundTaskRequest,
        ListOutboundTasksRequest, OutboundTask,
    },
};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use prost_types::FieldMask;
use tonic_types::StatusExt;

use crate::support::{
    server::Server,
    tasks::{Json, task},
};

const PATH: &str = "/api/v1/outboundtasks";

fn plain(task_id: &str) -> Json {
    task(
        task_id,
        "2023-03-01T10:00:00Z",
        "2023-03-02T10:00:00Z",
        "running",
    )
}

/// The names of the fields that a message has set.
fn set_fields(task: &OutboundTask) -> Vec<String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let kind = pool
        .get_message_by_name("outboundtasks.v1.OutboundTask")
        .unwrap();
    let message = DynamicMessage::decode(kind, task.encode_to_vec().as_slice()).unwrap();
    let mut fields: Vec<_> = message.fields().map(|(f, _)| f.name().to_owned()).collect();
    fields.sort();
    fields
}

/// Every field alone, some together, and all.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_fields_asked_for_are_shown() {
    let server = Server::start().await;
    let mut record = plain("mine");
    record["target"] = serde_json::json!(["c1", "c2"]);
    record["progress"] = 7.into();
    server.import(&[record]).await;
    let reason = "UPDATE tasks SET status_reason = 'lunch', status_changed_at = now(), copied_from = 'theirs', \
        labels = '{a,a=1}', last_result_at = now()";
    server.database.execute(reason).await;
    let mut grpc = server.grpc().await;
    let one = |read_mask| GetOutboundTaskRequest {
        task_id: "mine".to_owned(),
        read_mask,
        ..Default::default()
    };
    let whole = grpc.get_outbound_task(server.request(one(None))).await;
    let all = set_fields(&whole.unwrap().into_inner().task.unwrap());
    assert_eq!(all.len(), TaskField::words().len());
    let json = server.http().get(&format!("{PATH}/mine")).await.json();

    let alone = TaskField::words().into_iter().map(|word| vec![word]);
    let together = [vec![], vec!["status", "task_id", "name", "status"]];
    for paths in alone.chain(together) {
        let read_mask = Some(FieldMask {
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        });
        let mut wanted: Vec<String> = match paths.is_empty() {
            true => all.clone(),
            false => paths.iter().map(|p| (*p).to_owned()).collect(),
        };
        wanted.sort();
        wanted.dedup();
        let got = grpc
            .get_outbound_task(server.request(one(read_mask.clone())))
            .await;
        let got = got.unwrap().into_inner().task.unwrap();
        assert_eq!(set_fields(&got), wanted);
        let batch = BatchGetOutboundTasksRequest {
            task_ids: vec!["mine".to_owned()],
            read_mask: read_mask.clone(),
            ..Default::default()
        };
        let batch = grpc.batch_get_outbound_tasks(server.request(batch)).await;
        let batch = batch.unwrap().into_inner().tasks;
        assert_eq!(batch, std::slice::from_ref(&got));
        let list = ListOutboundTasksRequest {
            read_mask,
            ..Default::default()
        };
        let list = grpc.list_outbound_tasks(server.request(list)).await;
        assert_eq!(list.unwrap().into_inner().tasks, [got]);

        let query = format!("fields={}", paths.join(","));
        let got = server.http().get(&format!("{PATH}/mine?{query}")).await;
        let got = got.json();
        for (name, value) in json.as_object().unwrap() {
            let shown = wanted.contains(name).then_some(value);
            assert_eq!(got.get(name), shown, "{name} of {query}");
        }
        let list = server.http().list(&query).await;
        assert_eq!(list.json()["tasks"], serde_json::json!([got]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_named() {
    let server = Server::start().await;
    let mut grpc = server.grpc().await;
    let read_mask = Some(FieldMask {
        paths: vec!["name".into(), "target_counts.busy".into()],
    });
    let one = GetOutboundTaskRequest {
        read_mask: read_mask.clone(),
        ..Default::default()
    };
    let many = BatchGetOutboundTasksRequest {
        read_mask,
        ..Default::default()
    };
    let one = grpc.get_outbound_task(server.request(one)).await;
    let many = grpc.batch_get_outbound_tasks(server.request(many)).await;
    for (status, id) in [
        (one.unwrap_err(), "task_id"),
        (many.unwrap_err(), "task_ids"),
    ] {
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let named: Vec<&str> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(named, ["read_mask.paths[1]", id]);
        assert!(violations[0].description.contains("target_counts.busy"));
    }
    let path = format!("{PATH}/mine?fields=colour");
    let answer = server.http().get(&path).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["details"][0]["field"], "fields");
}

/// Over HTTP a list without a total has no such key, and ids may contain commas.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_ids_without_a_total() {
    let server = Server::start().await;
    server.import(&["a,b", "a", "b", "任务"].map(plain)).await;
    let query = "task_ids=a,b&task_ids=nobody%27s&task_ids=%E4%BB%BB%E5%8A%A1&task_ids=a,b&order_by=task_id";
    let list = server.http().list(query).await.json();
    assert_eq!(list["total"], 2);
    assert_eq!(list["tasks"][0]["task_id"], "a,b");
    assert_eq!(list["tasks"][1]["task_id"], "任务");
    let query = format!("{query}&count=none&fields=task_id&status_counts=true");
    let list = server.http().list(&query).await.json();
    assert_eq!(list.get("total"), None);
    let tasks = serde_json::json!([{"task_id": "a,b"}, {"task_id": "任务"}]);
    assert_eq!(list["tasks"], tasks);
    assert_eq!(list["status_counts"]["running"], 2);
    let list = server.http().list("count=exact&name=B&customer_id=x").await;
    assert_eq!(list.json()["total"], 0);
}
