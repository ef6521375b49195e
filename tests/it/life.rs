//! The life of a task, through every call that changes it.

use outbound_tasks::pb::{self, TargetState, TaskAction, TaskEventKind, TaskStatus};
use tokio_stream::iter;

use crate::support::server::{Server, request_with};

/// A task that starts in the near future, with these customers.
fn new_task(id: &str, target: &[&str]) -> pb::NewOutboundTask {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    pb::NewOutboundTask {
        task_id: id.to_owned(),
        name: format!("task {id}"),
        target: target.iter().map(|c| (*c).to_owned()).collect(),
        start_time: time(2_000_000_000),
        end_time: time(2_000_003_600),
        ..Default::default()
    }
}

fn result(customer: &str, state: TargetState, attempt: i32, seconds: i64) -> pb::TargetResult {
    pb::TargetResult {
        customer_id: customer.to_owned(),
        state: state as i32,
        attempt,
        time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_made_called_paused_completed_and_deleted() {
    let server = Server::start().await;
    let mut grpc = server.grpc().await;
    let made = grpc
        .create_outbound_task(server.request(pb::CreateOutboundTaskRequest {
            task: Some(new_task("a", &["c1", "c2", "c1", "c3"])),
            idempotency_key: String::new(),
            ..Default::default()
        }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.duplicate_count, 1);
    let task = made.task.unwrap();
    assert_eq!(task.target, ["c1", "c2", "c3"]);
    assert_eq!(task.status(), TaskStatus::Pending);
    let allowed = [TaskAction::Start, TaskAction::Stop, TaskAction::Fail];
    assert_eq!(task.allowed_actions, allowed.map(|a| a as i32));

    let started = grpc
        .start_outbound_task(server.request(pb::StartOutboundTaskRequest {
            task_id: "a".into(),
            reason: "morning shift".into(),
            etag: task.etag.clone(),
            ..Default::default()
        }))
        .await
        .unwrap()
        .into_inner()
        .task
        .unwrap();
    assert_eq!(started.status(), TaskStatus::Running);
    assert_eq!(started.status_reason, "morning shift");
    assert_ne!(started.etag, task.etag);
    assert_eq!(started.status_changed_at, started.updated_at);

    let parts = [
        pb::AddTaskTargetsRequest {
            task_id: "a".into(),
            customer_ids: vec!["c3".into(), "c4".into()],
            ..Default::default()
        },
        pb::AddTaskTargetsRequest {
            customer_ids: vec!["c5".into(), "c4".into(), "c6".into()],
            ..Default::default()
        },
    ];
    let added = grpc
        .add_task_targets(server.request(iter(parts)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((added.added_count, added.duplicate_count), (3, 2));
    let task = added.task.unwrap();
    assert_eq!(task.target, ["c1", "c2", "c3", "c4", "c5", "c6"]);

    let reported = grpc
        .report_target_results(server.request(pb::ReportTargetResultsRequest {
            task_id: "a".into(),
            results: vec![
                result("c1", TargetState::Answered, 2, 20),
                result("c1", TargetState::Busy, 1, 10),
                result("c2", TargetState::NoAnswer, 1, 10),
                result("c6", TargetState::Skipped, 0, 10),
                result("nobody", TargetState::Busy, 1, 10),
            ],
            ..Default::default()
        }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((reported.applied_count, reported.ignored_count), (3, 1));
    assert_eq!(reported.missing_customer_ids, ["nobody"]);
    let task = reported.task.unwrap();
    assert_eq!(task.progress, 33);
    let counts = pb::TargetCounts {
        pending: 3,
        answered: 1,
        no_answer: 1,
        skipped: 1,
        ..Default::default()
    };
    assert_eq!(task.target_counts, Some(counts));

    let called = grpc
        .list_task_targets(server.request(pb::ListTaskTargetsRequest {
            task_id: "a".into(),
            states: vec![TargetState::Skipped as i32, TargetState::Answered as i32],
            ..Default::default()
        }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(called.total, 2);
    let ids: Vec<_> = called
        .targets
        .iter()
        .map(|t| t.customer_id.as_str())
        .collect();
    assert_eq!(ids, ["c1", "c6"]);
    let json = server
        .http()
        .get("/api/v1/outboundtasks/a/targets?state=no_answer")
        .await
        .json();
    assert_eq!(json["total"], 1);
    let target = serde_json::json!([{
        "customer_id": "c2", "state": "no_answer", "attempt": 1, "time": "1970-01-01T00:00:10Z"
    }]);
    assert_eq!(json["targets"], target);

    let removed = grpc
        .remove_task_targets(server.request(pb::RemoveTaskTargetsRequest {
            task_id: "a".into(),
            customer_ids: vec!["c3".into(), "c2".into(), "nobody".into()],
            ..Default::default()
        }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(removed.removed_count, 2);
    assert_eq!(removed.missing_customer_ids, ["nobody"]);
    let task = removed.task.unwrap();
    assert_eq!((task.target_count, task.progress), (4, 50));
    assert_eq!(task.target, ["c1", "c4", "c5", "c6"]);

    let bulk = pb::BulkChangeOutboundTasksRequest {
        action: TaskAction::Complete as i32,
        expected_count: Some(1),
        ..Default::default()
    };
    let done = grpc.bulk_change_outbound_tasks(server.request(bulk)).await;
    assert_eq!(done.unwrap().into_inner().task_ids, ["a"]);
    let gone = pb::DeleteOutboundTaskRequest {
        task_id: "a".into(),
        ..Default::default()
    };
    grpc.delete_outbound_task(server.request(gone))
        .await
        .unwrap();

    let events = grpc
        .list_task_events(server.request(pb::ListTaskEventsRequest {
            task_id: "a".into(),
            ..Default::default()
        }))
        .await
        .unwrap()
        .into_inner()
        .events;
    let kinds: Vec<_> = events.iter().map(|e| e.kind()).collect();
    let wanted = [
        TaskEventKind::Created,
        TaskEventKind::Started,
        TaskEventKind::TargetsAdded,
        TaskEventKind::ResultsReported,
        TaskEventKind::TargetsRemoved,
        TaskEventKind::Completed,
        TaskEventKind::Deleted,
    ];
    assert_eq!(kinds, wanted);
    assert!(events.iter().all(|e| server.key.contains(&e.key_id)));
    assert_eq!(events[1].reason, "morning shift");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_create_tried_again_at_once_makes_one_task() {
    let server = Server::start().await;
    let channel = server.channel().await;
    let tries = (0..64).map(|_| {
        let mut grpc =
            pb::outbound_task_service_client::OutboundTaskServiceClient::new(channel.clone());
        let request = request_with(
            &server.key,
            pb::CreateOutboundTaskRequest {
                task: Some(new_task("", &["c1"])),
                idempotency_key: "once".into(),
                ..Default::default()
            },
        );
        async move { grpc.create_outbound_task(request).await.unwrap() }
    });
    let answers = futures_util::future::join_all(tries).await;
    let replays = answers
        .iter()
        .filter(|a| a.metadata().contains_key("idempotent-replayed"));
    assert_eq!(replays.count(), 63);
    let tasks: Vec<_> = answers.into_iter().map(|a| a.into_inner()).collect();
    assert!(tasks.iter().all(|t| t == &tasks[0]));
    assert_eq!(server.http().list("").await.json()["total"], 1);
}
