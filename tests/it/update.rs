//! Updates of a task's fields: what the mask allows, what the stored values allow, and updates of an ended task.

use outbound_tasks::pb::{
    DeleteOutboundTaskRequest, OutboundTask, TargetCounts, TargetState, TaskStatus,
    UpdateOutboundTaskRequest,
};
use prost_types::FieldMask;
use tonic::Status;

use crate::support::{
    client::{Client, START, assert_not_found, at, fields, new_task, result, way_to},
    server::Server,
};

fn message(task: OutboundTask, mask: Option<&[&str]>) -> UpdateOutboundTaskRequest {
    UpdateOutboundTaskRequest {
        task: Some(task),
        update_mask: mask.map(|paths| FieldMask {
            paths: paths.iter().map(|p| (*p).to_owned()).collect(),
        }),
        idempotency_key: String::new(),
        ..Default::default()
    }
}

async fn update(
    client: &Client,
    task: OutboundTask,
    mask: Option<&[&str]>,
) -> Result<OutboundTask, Status> {
    let updated = client.update_outbound_task(message(task, mask)).await?;
    Ok(updated.into_inner().task.unwrap())
}

/// Other values of all fields that can be changed, and of those that cannot.
fn other(task_id: &str) -> OutboundTask {
    OutboundTask {
        task_id: task_id.into(),
        name: "another".into(),
        start_time: at(START + 60),
        end_time: at(START + 120),
        target: vec!["c9".into()],
        status: TaskStatus::Failed as i32,
        progress: 99,
        created_at: at(1),
        updated_at: at(1),
        target_count: 7,
        allowed_actions: vec![1, 2, 3],
        status_reason: "none".into(),
        status_changed_at: at(1),
        target_counts: Some(TargetCounts::default()),
        status_reason_code: 3,
        labels: [("region".to_owned(), "east".to_owned())].into(),
        etag: String::new(),
        copied_from: "b".into(),
        last_result_at: at(1),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_selects_the_fields_that_change() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let all: &[&str] = &["name", "start_time", "end_time", "labels.region"];
    for (index, (mask, changed)) in [
        (Some(&["name"][..]), &["name"][..]),
        (Some(&["start_time"]), &["start_time"]),
        (Some(&["end_time"]), &["end_time"]),
        (Some(&["labels"]), &["labels.region"]),
        (Some(&["labels.region"]), &["labels.region"]),
        (Some(&["end_time", "name", "name"]), &["name", "end_time"]),
        (Some(&["*"]), all),
        (Some(&["*", "name"]), all),
        (None, all),
        (Some(&[]), all),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("t{index}");
        let before = client.create(new_task(&id, &["c1"])).await;
        let other = other(&id);
        let after = update(&client, other.clone(), mask).await.unwrap();
        let mut wanted = OutboundTask {
            updated_at: after.updated_at,
            etag: after.etag.clone(),
            ..before.clone()
        };
        for field in changed {
            match *field {
                "name" => wanted.name = other.name.clone(),
                "start_time" => wanted.start_time = other.start_time,
                "labels.region" => wanted.labels = other.labels.clone(),
                _ => wanted.end_time = other.end_time,
            }
        }
        assert_eq!(after, wanted, "{mask:?}");
        assert_ne!(after.etag, before.etag);
        assert_ne!(after.updated_at, before.updated_at);
        assert_eq!(client.get(&id).await.unwrap(), after);
        let events = client.events(&id).await;
        let reported: Vec<_> = events[1].changes.iter().map(|c| &*c.field).collect();
        assert_eq!(reported, changed, "{mask:?}");
    }
    // Without a mask, the fields that are set.
    let given = OutboundTask {
        task_id: "t0".into(),
        end_time: at(START + 9),
        ..Default::default()
    };
    let after = update(&client, given, None).await.unwrap();
    assert_eq!((&*after.name, after.end_time), ("another", at(START + 9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_cannot_be_changed_are_named() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let before = client.create(new_task("a", &["c1"])).await;
    for path in [
        "target",
        "status",
        "progress",
        "task_id",
        "created_at",
        "updated_at",
        "target_count",
        "etag",
        "allowed_actions",
        "status_reason",
        "status_changed_at",
        "target_counts",
        "copied_from",
        "last_result_at",
        "colour",
        "Name",
        "task.name",
        "",
        "start_time.seconds",
    ] {
        let refused = update(&client, other("a"), Some(&["name", path])).await;
        assert_eq!(
            fields(&refused.unwrap_err()),
            ["update_mask.paths[1]"],
            "{path}"
        );
    }
    let empty = OutboundTask {
        task_id: "a".into(),
        ..Default::default()
    };
    let refused = update(&client, empty.clone(), Some(&["*", "status"]))
        .await
        .unwrap_err();
    let mut reported = fields(&refused);
    reported.sort();
    assert_eq!(
        reported,
        [
            "task.end_time",
            "task.name",
            "task.start_time",
            "update_mask.paths[1]"
        ]
    );
    let bad = OutboundTask {
        task_id: "x".repeat(129),
        name: "n".repeat(257),
        start_time: at(253_402_300_800),
        ..Default::default()
    };
    let refused = update(&client, bad, None).await.unwrap_err();
    assert_eq!(
        fields(&refused),
        ["task.start_time", "task.task_id", "task.name"]
    );
    let nothing = client
        .update_outbound_task(UpdateOutboundTaskRequest::default())
        .await;
    assert_eq!(fields(&nothing.unwrap_err()), ["task.task_id"]);
    let reversed = OutboundTask {
        start_time: at(2),
        end_time: at(1),
        ..empty.clone()
    };
    let refused = update(&client, reversed, None).await.unwrap_err();
    assert_eq!(fields(&refused), ["task.end_time"]);
    // Checked against the stored value of the other field.
    for (task, field) in [
        (
            OutboundTask {
                start_time: at(START + 3601),
                ..empty.clone()
            },
            "task.start_time",
        ),
        (
            OutboundTask {
                end_time: at(START - 1),
                ..empty.clone()
            },
            "task.end_time",
        ),
    ] {
        assert_eq!(
            fields(&update(&client, task, None).await.unwrap_err()),
            [field]
        );
    }
    assert_eq!(client.get("a").await.unwrap(), before);
    assert_eq!(client.events("a").await.len(), 1);
    let missing = update(&client, other("nobody's"), None).await.unwrap_err();
    assert_not_found(&missing, "nobody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_changes_nothing_leaves_the_version() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let before = client.create(new_task("a", &["c1"])).await;
    let empty = OutboundTask {
        task_id: "a".into(),
        ..Default::default()
    };
    for (task, mask) in [
        (before.clone(), None),
        (before.clone(), Some(&["*"][..])),
        (empty, None),
    ] {
        assert_eq!(update(&client, task, mask).await.unwrap(), before);
    }
    // Digits beyond microseconds are no change.
    let mut finer = before.clone();
    finer.start_time.as_mut().unwrap().nanos = 999;
    assert_eq!(update(&client, finer, None).await.unwrap(), before);
    assert_eq!(client.get("a").await.unwrap(), before);
    assert_eq!(client.events("a").await.len(), 1);
}

/// After an update, the lists and the counts have a task at its new times.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_any_status_is_updated_and_listed_by_its_new_times() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for number in 1..=6 {
        let status = TaskStatus::try_from(number).unwrap();
        let id = format!("t{number}");
        client.create(new_task(&id, &[])).await;
        for step in way_to(status) {
            client.acted(*step, &id).await;
        }
        let task = OutboundTask {
            task_id: id,
            start_time: at(86_400 * i64::from(10 - number)),
            ..Default::default()
        };
        assert_eq!(update(&client, task, None).await.unwrap().status(), status);
    }
    let list = server.http().list("").await.json();
    let ids: Vec<_> = list["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["task_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["t6", "t5", "t4", "t3", "t2", "t1"]);
    let some = server
        .http()
        .list("date_range=1970-01-06,1970-01-07")
        .await
        .json();
    assert_eq!(some["total"], 2);
    let said = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(said, "demo\t0 counts differ\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_removes_the_targets_and_keeps_the_events() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let customers: Vec<String> = (0..500).map(|n| format!("c{n}")).collect();
    for (index, status) in (1..=6).enumerate() {
        let id = format!("t{index}");
        let mut task = new_task(&id, &[]);
        task.target = customers.clone();
        client.create(task).await;
        for step in way_to(TaskStatus::try_from(status).unwrap()) {
            client.acted(*step, &id).await;
        }
        let report = outbound_tasks::pb::ReportTargetResultsRequest {
            task_id: id,
            results: vec![result("c3", TargetState::Answered, 1, 5)],
            ..Default::default()
        };
        client.report_target_results(report).await.unwrap();
    }
    let kept = client.get("t1").await.unwrap();
    for id in ["t0", "t2", "t3", "t4", "t5"] {
        let events = client.events(id).await;
        client.delete(id).await;
        assert_not_found(&client.get(id).await.unwrap_err(), id);
        let after = client.events(id).await;
        assert_eq!(after[..events.len()], events);
        let gone = after.last().unwrap();
        assert_eq!((after.len(), gone.kind), (events.len() + 1, 3));
        let message = DeleteOutboundTaskRequest {
            task_id: id.into(),
            ..Default::default()
        };
        let again = client.delete_outbound_task(message).await.unwrap_err();
        assert_not_found(&again, id);
    }
    assert_eq!(client.get("t1").await.unwrap(), kept);
    assert_eq!(client.totals().await.0, 1);
    let sql = server.database.client().await;
    let left = sql
        .query_one("SELECT count(*), min(task_id) FROM task_targets", &[])
        .await
        .unwrap();
    assert_eq!((left.get::<_, i64>(0), left.get::<_, &str>(1)), (500, "t1"));
    // The next task with this id has no targets.
    let next = client.create(new_task("t0", &["c1"])).await;
    assert_eq!(client.targets("t0").await.len(), 1);
    assert_eq!(next.target_counts.unwrap().pending, 1);
    let bad = DeleteOutboundTaskRequest::default();
    assert_eq!(
        fields(&client.delete_outbound_task(bad).await.unwrap_err()),
        ["task_id"]
    );
}
