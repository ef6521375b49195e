//! Uploads of targets at the same time as each other and as other changes of the task: all targets of an upload or
//! none.

use std::time::Duration;

use outbound_tasks::pb::{
    AddTaskTargetsRequest, RemoveTaskTargetsRequest, ReportTargetResultsRequest, TargetState,
    TaskAction, TaskStatus, outbound_task_service_client::OutboundTaskServiceClient,
};
use tokio::time::sleep;
use tonic::{Code, transport::Endpoint};
use tonic_types::StatusExt;

use crate::support::{
    client::{Act, Client, assert_not_found, copy_of, fact, new_task, part, result},
    process::Process,
    server::Server,
    upload::{Upload, eventually_under_way},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_client_goes_away_adds_nothing() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let made = client.create(new_task("a", &["c1"])).await;
    let upload = Upload::begin(
        &client,
        AddTaskTargetsRequest {
            idempotency_key: "k".into(),
            ..part("a", &["c2"])
        },
    );
    eventually_under_way(&server, 1).await;
    upload.send(&["c3"]);
    upload.answer.abort();
    eventually_under_way(&server, 0).await;
    assert_eq!(client.get("a").await.unwrap(), made);
    assert_eq!(client.targets("a").await.len(), 1);
    assert_eq!(client.events("a").await.len(), 1);
    // Its idempotency key and its permit are free.
    for _ in 0..5 {
        let again = AddTaskTargetsRequest {
            idempotency_key: "k".into(),
            ..part("a", &["c2"])
        };
        client.add_task_targets(vec![again]).await.unwrap();
    }
    assert_eq!(client.targets("a").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_uploads_to_one_task_run_one_after_the_other() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c0"])).await;
    client.create(new_task("b", &["c0"])).await;
    let first = Upload::begin(&client, part("a", &["c1", "c2"]));
    eventually_under_way(&server, 1).await;
    let second = Upload::begin(&client, part("a", &["c2", "c3"]));
    eventually_under_way(&server, 2).await;
    // An upload to another task does not wait.
    let other = client
        .add_task_targets(vec![part("b", &["c1", "c2"])])
        .await
        .unwrap();
    assert_eq!(other.into_inner().added_count, 2);
    first.send(&["c4"]);
    let first = first.end().await.unwrap().into_inner();
    assert_eq!((first.added_count, first.duplicate_count), (3, 0));
    second.send(&["c0", "c5"]);
    let second = second.end().await.unwrap().into_inner();
    assert_eq!((second.added_count, second.duplicate_count), (2, 2));
    let targets = client.targets("a").await;
    let ids: Vec<_> = targets.iter().map(|t| &*t.customer_id).collect();
    assert_eq!(ids, ["c0", "c1", "c2", "c4", "c3", "c5"]);
    assert_eq!(client.get("a").await.unwrap().target, ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_beyond_the_share_of_the_tenant_gets_a_retry_delay() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let mut uploads = Vec::new();
    for id in ["a", "b", "c", "e"] {
        client.create(new_task(id, &[])).await;
    }
    // Three of the four permits for uploads.
    for id in ["a", "b", "c"] {
        uploads.push(Upload::begin(&client, part(id, &["c1"])));
    }
    eventually_under_way(&server, 3).await;
    let more = client.add_task_targets(vec![part("e", &["c1"])]).await;
    // A copy shares the permits.
    let copy = client.copy_outbound_task(copy_of("e", "f")).await;
    for refused in [more.map(drop).unwrap_err(), copy.map(drop).unwrap_err()] {
        assert_eq!(refused.code(), Code::Unavailable);
        let why = "the maximum number of concurrent uploads, imports and copies is reached";
        assert_eq!(refused.message(), why);
        let details = refused.get_error_details();
        assert_eq!(
            details.retry_info().unwrap().retry_delay,
            Some(Duration::from_secs(1))
        );
    }
    for upload in uploads {
        assert_eq!(upload.end().await.unwrap().into_inner().added_count, 1);
    }
    client
        .add_task_targets(vec![part("e", &["c1"])])
        .await
        .unwrap();
}

/// Other changes of the task are made at once during an upload, and are not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_can_be_changed_during_an_upload() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c0", "c1", "gone"])).await;
    let upload = Upload::begin(&client, part("a", &["c2", "c1"]));
    eventually_under_way(&server, 1).await;
    for action in [TaskAction::Start, TaskAction::Pause] {
        client.acted(action, "a").await;
    }
    let report = ReportTargetResultsRequest {
        task_id: "a".into(),
        results: vec![
            result("c0", TargetState::Answered, 1, 5),
            // This target exists only after the upload.
            result("c2", TargetState::Answered, 1, 5),
        ],
        ..Default::default()
    };
    let reported = client
        .report_target_results(report)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (reported.applied_count, &*reported.missing_customer_ids),
        (1, &["c2".to_owned()][..])
    );
    let remove = RemoveTaskTargetsRequest {
        task_id: "a".into(),
        customer_ids: vec!["gone".into(), "c2".into()],
        ..Default::default()
    };
    let removed = client
        .remove_task_targets(remove)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (removed.removed_count, &*removed.missing_customer_ids),
        (1, &["c2".to_owned()][..])
    );
    upload.send(&["gone", "c3"]);
    let added = upload.end().await.unwrap().into_inner();
    assert_eq!((added.added_count, added.duplicate_count), (3, 1));
    let task = added.task.unwrap();
    assert_eq!(task.status(), TaskStatus::Paused);
    assert_eq!(task.target, ["c0", "c1", "c2", "gone", "c3"]);
    let counts = task.target_counts.unwrap();
    assert_eq!((counts.answered, counts.pending, task.progress), (1, 4, 20));
    assert_eq!(client.get("a").await.unwrap(), task);

    // Targets are not added to a task that ends or is deleted meanwhile.
    for (id, end) in [("b", "stop"), ("c", "delete")] {
        client.create(new_task(id, &["c0"])).await;
        let upload = Upload::begin(&client, part(id, &["c1"]));
        eventually_under_way(&server, 1).await;
        match end {
            "stop" => drop(
                client
                    .act(
                        TaskAction::Stop,
                        Act {
                            task_id: id,
                            ..Act::default()
                        },
                    )
                    .await
                    .unwrap(),
            ),
            _ => client.delete(id).await,
        }
        let refused = upload.end().await.unwrap_err();
        match end {
            "stop" => assert_eq!(fact(&refused), ("status".into(), "stopped".into())),
            _ => assert_not_found(&refused, id),
        }
    }
    assert_eq!(client.targets("b").await.len(), 1);
    let sql = server.database.client().await;
    let left = sql
        .query_one("SELECT count(*) FROM task_targets WHERE task_id = 'c'", &[])
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}

/// An upload adds only to the task that existed when it began. Times cannot identify a task, since an imported file
/// sets them.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_not_added_to_a_task_that_was_recreated_meanwhile() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let record = serde_json::json!({
        "task_id": "imported", "name": "a", "start_time": "2023-03-01T10:00:00Z", "end_time": "2023-03-01T11:00:00Z",
        "created_at": "2023-03-01T09:00:00Z", "updated_at": "2023-03-01T09:00:00Z",
    });
    client.create(new_task("a", &["c0"])).await;
    server.import(std::slice::from_ref(&record)).await;
    let uploads = ["a", "imported"].map(|id| {
        let first = AddTaskTargetsRequest {
            idempotency_key: id.into(),
            ..part(id, &["c1"])
        };
        Upload::begin(&client, first)
    });
    eventually_under_way(&server, 2).await;
    client.delete("a").await;
    let made = client.create(new_task("a", &[])).await;
    let replace = ["import", "-", "--tenant=demo", "--on-conflict=replace"];
    let file = format!("{record}\n");
    server.database.succeed(&replace, file.as_bytes()).await;
    for upload in uploads {
        upload.send(&["c2"]);
        let refused = upload.end().await.unwrap_err();
        assert_eq!(refused.code(), Code::Aborted, "{refused:?}");
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "TASK_REPLACED");
    }
    assert_eq!(client.get("a").await.unwrap(), made);
    for id in ["a", "imported"] {
        assert!(client.targets(id).await.is_empty());
        // The idempotency key is free: the call can be made for the new task.
        let again = AddTaskTargetsRequest {
            idempotency_key: id.into(),
            ..part(id, &["c1"])
        };
        let added = client.add_task_targets(vec![again]).await.unwrap();
        assert_eq!(added.into_inner().added_count, 1);
    }
}

/// The progress that a task was created with stays until results are reported.
#[tokio::test(flavor = "multi_thread")]
async fn added_and_removed_targets_keep_an_imported_progress() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let imported = serde_json::json!({
        "task_id": "a", "name": "a", "start_time": "2023-03-01T10:00:00Z", "end_time": "2023-03-01T11:00:00Z",
        "status": "running", "progress": 70, "target": ["c1", "c2"],
    });
    server.import(&[imported]).await;
    let added = client
        .add_task_targets(vec![part("a", &["c3", "c4", "c5"])])
        .await
        .unwrap();
    assert_eq!(added.into_inner().task.unwrap().progress, 70);
    let remove = |customer: &str| RemoveTaskTargetsRequest {
        task_id: "a".into(),
        customer_ids: vec![customer.into()],
        ..Default::default()
    };
    let removed = client
        .remove_task_targets(remove("c1"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(removed.task.unwrap().progress, 70);
    let report = ReportTargetResultsRequest {
        task_id: "a".into(),
        results: vec![result("c2", TargetState::Failed, 1, 5)],
        ..Default::default()
    };
    let reported = client
        .report_target_results(report)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(reported.task.unwrap().progress, 25);
    let removed = client
        .remove_task_targets(remove("c2"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(removed.task.unwrap().progress, 0);
}

/// An upload waits for its turn as long as its own deadline allows, and not only for the time of a statement.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_for_one_that_takes_long() {
    let server = Server::start().await;
    let timeouts = ["--request-timeout=1s", "--max-request-timeout=1s"];
    let process = Process::serve(&server.database, &timeouts).await;
    let address = format!("http://{}", process.address);
    let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
    let client = Client::on(OutboundTaskServiceClient::new(channel), &server.key);
    client.create(new_task("a", &[])).await;
    let first = Upload::begin(&client, part("a", &["c1"]));
    eventually_under_way(&server, 1).await;
    let second = Upload::begin(&client, part("a", &["c2"]));
    eventually_under_way(&server, 2).await;
    // A statement may take two seconds.
    sleep(Duration::from_secs(3)).await;
    first.end().await.unwrap();
    assert_eq!(second.end().await.unwrap().into_inner().added_count, 1);
}
