//! Creating one task or many: all violations in one answer, and all tasks or none.

use std::collections::HashSet;

use outbound_tasks::pb::{
    BatchCreateOutboundTasksRequest, BatchCreateOutboundTasksResponse, CreateOutboundTaskRequest,
    NewOutboundTask,
};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::support::{
    client::{Client, START, assert_not_found, at, fields, new_task, resource},
    server::Server,
};

async fn create(client: &Client, task: NewOutboundTask) -> Result<(), Status> {
    let message = CreateOutboundTaskRequest {
        task: Some(task),
        idempotency_key: String::new(),
        ..Default::default()
    };
    client.create_outbound_task(message).await.map(drop)
}

async fn batch(
    client: &Client,
    tasks: Vec<NewOutboundTask>,
) -> Result<BatchCreateOutboundTasksResponse, Status> {
    let message = BatchCreateOutboundTasksRequest {
        tasks,
        idempotency_key: String::new(),
        ..Default::default()
    };
    let made = client.batch_create_outbound_tasks(message).await?;
    Ok(made.into_inner())
}

/// Invalid tasks, and the fields of their violations.
fn faulty() -> Vec<(NewOutboundTask, &'static [&'static str])> {
    let long = |n| "名".repeat(n);
    let good = || new_task("", &["c1"]);
    let nanos = |nanos| {
        Some(Timestamp {
            seconds: START,
            nanos,
        })
    };
    vec![
        (
            NewOutboundTask::default(),
            &["name", "start_time", "end_time"],
        ),
        (
            NewOutboundTask {
                name: String::new(),
                ..good()
            },
            &["name"],
        ),
        (
            NewOutboundTask {
                name: long(257),
                ..good()
            },
            &["name"],
        ),
        (
            NewOutboundTask {
                name: "a\0".into(),
                ..good()
            },
            &["name"],
        ),
        (
            NewOutboundTask {
                task_id: long(129),
                ..good()
            },
            &["task_id"],
        ),
        (
            NewOutboundTask {
                task_id: "\0".into(),
                ..good()
            },
            &["task_id"],
        ),
        (
            NewOutboundTask {
                start_time: None,
                ..good()
            },
            &["start_time"],
        ),
        (
            NewOutboundTask {
                end_time: None,
                ..good()
            },
            &["end_time"],
        ),
        (
            NewOutboundTask {
                end_time: at(START - 1),
                ..good()
            },
            &["end_time"],
        ),
        (
            NewOutboundTask {
                start_time: at(253_402_300_800),
                end_time: at(253_402_300_801),
                ..good()
            },
            &["start_time", "end_time"],
        ),
        (
            NewOutboundTask {
                start_time: at(-62_135_596_801),
                ..good()
            },
            &["start_time"],
        ),
        (
            NewOutboundTask {
                start_time: nanos(-1),
                end_time: nanos(1_000_000_000),
                ..good()
            },
            &["start_time", "end_time"],
        ),
        (
            new_task("a", &["c1", "", "c\0", "c1"]),
            &["target[1]", "target[2]"],
        ),
        (
            NewOutboundTask {
                target: vec![long(128), long(129)],
                ..good()
            },
            &["target[1]"],
        ),
        (
            NewOutboundTask {
                task_id: "\0".into(),
                name: String::new(),
                target: vec![String::new()],
                start_time: None,
                end_time: nanos(-1),
                ..Default::default()
            },
            &["end_time", "task_id", "name", "target[0]", "start_time"],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_field_is_named_and_nothing_is_made() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for (task, at_fault) in faulty() {
        let shown = format!("{task:?}");
        let refused = create(&client, task).await.unwrap_err();
        let named: Vec<_> = at_fault.iter().map(|f| format!("task.{f}")).collect();
        assert_eq!(fields(&refused), named, "{shown}");
    }
    let missing = client
        .create_outbound_task(CreateOutboundTaskRequest::default())
        .await;
    assert_eq!(
        fields(&missing.unwrap_err()),
        ["task.name", "task.start_time", "task.end_time"]
    );

    // In a batch, after a valid task and before another invalid one: each violation has the task's index.
    let sorted = |mut fields: Vec<String>| {
        fields.sort();
        fields
    };
    for pair in faulty().windows(2) {
        let mut tasks = vec![new_task("good", &[])];
        let mut named = Vec::new();
        for (position, (task, at_fault)) in pair.iter().enumerate() {
            tasks.push(task.clone());
            named.extend(
                at_fault
                    .iter()
                    .map(|f| format!("tasks[{}].{f}", position + 1)),
            );
        }
        let reported = fields(&batch(&client, tasks).await.unwrap_err());
        assert_eq!(sorted(reported), sorted(named), "{pair:?}");
    }
    // Two of the invalid tasks have the same bad id, so this id has two violations.
    let all: Vec<_> = faulty().into_iter().map(|(task, _)| task).collect();
    let last = all.last().unwrap();
    let same = all.iter().filter(|task| task.task_id == last.task_id);
    let reported = fields(&batch(&client, same.cloned().collect()).await.unwrap_err());
    assert_eq!(
        reported.iter().filter(|f| *f == "tasks[1].task_id").count(),
        2
    );
    assert_eq!(client.totals().await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_at_their_limits_are_kept_as_they_are() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let most = NewOutboundTask {
        task_id: "号".repeat(128),
        name: "名".repeat(256),
        target: vec!["客".repeat(128)],
        start_time: at(-62_135_596_800),
        end_time: Some(Timestamp {
            seconds: 253_402_300_799,
            nanos: 999_999_999,
        }),
        labels: [
            ("k".repeat(63), "值".repeat(255)),
            ("0".into(), String::new()),
        ]
        .into(),
    };
    let made = client.create(most.clone()).await;
    assert_eq!(
        (&made.task_id, &made.name, &made.target),
        (&most.task_id, &most.name, &most.target)
    );
    assert_eq!(made.labels, most.labels);
    assert_eq!(made.start_time, most.start_time);
    let cut = Timestamp {
        seconds: 253_402_300_799,
        nanos: 999_999_000,
    };
    assert_eq!(made.end_time, Some(cut));
    assert_eq!(client.get(&most.task_id).await.unwrap(), made);
    // A window of length zero.
    let made = client
        .create(NewOutboundTask {
            end_time: at(START),
            ..new_task("b", &[])
        })
        .await;
    assert_eq!((made.target_count, made.progress, made.status), (0, 0, 1));
    assert_eq!(client.get("b").await.unwrap(), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_made_in_whole_or_not_at_all() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("t500", &[])).await;
    client.create(new_task("t7", &[])).await;
    let tasks: Vec<_> = (0..1000)
        .map(|n| new_task(&format!("t{n}"), &["c1", "c2", "c1"]))
        .collect();
    let taken = batch(&client, tasks.clone()).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert_eq!(resource(&taken), "t7");
    assert!(taken.message().contains("\"t500\""), "{}", taken.message());
    assert_eq!(client.totals().await, (2, [2, 0, 0, 0, 0, 0]));
    assert_not_found(&client.get("t0").await.unwrap_err(), "t0");
    client.delete("t500").await;
    client.delete("t7").await;

    let made = batch(&client, tasks.clone()).await.unwrap();
    assert_eq!(made.duplicate_count, 1000);
    let ids = |tasks: &[outbound_tasks::pb::OutboundTask]| {
        tasks.iter().map(|t| t.task_id.clone()).collect::<Vec<_>>()
    };
    let wanted: Vec<_> = tasks.iter().map(|t| t.task_id.clone()).collect();
    assert_eq!(ids(&made.tasks), wanted);
    let etags: HashSet<_> = made.tasks.iter().map(|t| &t.etag).collect();
    assert_eq!(etags.len(), 1000);
    for index in [0, 7, 500, 999] {
        assert_eq!(client.get(&wanted[index]).await.unwrap(), made.tasks[index]);
        assert_eq!(client.events(&wanted[index]).await.last().unwrap().kind, 1);
    }
    assert_eq!(client.totals().await, (1000, [1000, 0, 0, 0, 0, 0]));

    let mut more = tasks;
    more.push(new_task("", &[]));
    for (count, tasks) in [(1001, more), (0, Vec::new())] {
        let refused = batch(&client, tasks).await.unwrap_err();
        assert_eq!(fields(&refused), ["tasks"]);
        assert!(
            refused.message().ends_with(&format!("were {count}")),
            "{}",
            refused.message()
        );
    }
    let doubled = ["a", "b", "", "a", "", "b", "a"].map(|id| new_task(id, &[]));
    let refused = batch(&client, doubled.to_vec()).await.unwrap_err();
    assert_eq!(
        fields(&refused),
        ["tasks[3].task_id", "tasks[5].task_id", "tasks[6].task_id"]
    );
    assert_eq!(client.totals().await.0, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_left_out_is_a_new_uuid() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let mut made = batch(&client, vec![new_task("", &[]); 50])
        .await
        .unwrap()
        .tasks;
    made.push(client.create(new_task("", &["c1"])).await);
    let ids: HashSet<uuid::Uuid> = made.iter().map(|t| t.task_id.parse().unwrap()).collect();
    assert_eq!(ids.len(), 51);
    assert!(ids.iter().all(|id| id.get_version_num() == 7));
    assert_eq!(client.totals().await.0, 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_right_after_every_write() {
    use outbound_tasks::pb::TaskAction::{Complete, Fail, Pause, Start, Stop};
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let tasks = (0..10)
        .map(|n| new_task(&format!("t{n}"), &["c1"]))
        .collect();
    batch(&client, tasks).await.unwrap();
    assert_eq!(client.totals().await, (10, [10, 0, 0, 0, 0, 0]));
    for (id, actions) in [
        ("t1", &[Start][..]),
        ("t2", &[Start, Pause]),
        ("t3", &[Start, Complete]),
        ("t4", &[Stop]),
        ("t5", &[Fail]),
    ] {
        for action in actions {
            client.acted(*action, id).await;
        }
    }
    assert_eq!(client.totals().await, (10, [5, 1, 1, 1, 1, 1]));
    for id in ["t1", "t2", "t3", "t6"] {
        client.delete(id).await;
    }
    assert_eq!(client.totals().await, (6, [4, 0, 0, 0, 1, 1]));
    assert_eq!(
        server.http().list("status=pending").await.json()["total"],
        4
    );
    let said = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(said, "demo\t0 counts differ\n");
}
