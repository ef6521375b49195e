//! Uploads of targets as a client stream: a million of them, and the cases in which they are refused.

use std::time::{Duration, Instant};

use outbound_tasks::pb::{AddTaskTargetsRequest, TaskStatus};
use outbound_tasks::server::Options;
use tonic::Code;

use crate::support::{
    client::{Client, assert_not_found, fact, fields, is_replay, new_task, part, way_to},
    server::{Server, options},
};

const SECOND: Duration = Duration::from_secs(1);

/// A million ids. The second half of the first 100,000 is repeated at the end.
fn million() -> Vec<AddTaskTargetsRequest> {
    let ids = (0..950_000).chain(50_000..100_000).map(|n| format!("c{n}"));
    let ids: Vec<String> = ids.collect();
    let mut messages: Vec<_> = ids
        .chunks(15_000)
        .map(|ids| AddTaskTargetsRequest {
            customer_ids: ids.to_vec(),
            ..Default::default()
        })
        .collect();
    messages[0].task_id = "a".into();
    messages[0].idempotency_key = "million".into();
    messages
}

/// An upload of a million takes longer than a call may, and still succeeds. Other calls see all of it or none.
#[tokio::test(flavor = "multi_thread")]
async fn a_million_targets_are_added_by_one_call() {
    let server = Server::start_with(Options {
        request_timeout: 2 * SECOND,
        max_request_timeout: 2 * SECOND,
        // On a busy machine the upload takes longer than the minute of the other tests.
        stream_timeout: 600 * SECOND,
        ..options()
    })
    .await;
    let client = Client::new(&server).await;
    let made = client
        .create(new_task("a", &["c7", "c949999", "other"]))
        .await;
    let beside = client.clone();
    let upload = tokio::spawn(async move {
        let began = Instant::now();
        let added = client.add_task_targets(million()).await;
        (added.map(tonic::Response::into_inner), began.elapsed())
    });
    let mut task = made;
    while !upload.is_finished() {
        task = beside.get("a").await.unwrap();
        assert!(
            [3, 950_001].contains(&task.target_count),
            "{}",
            task.target_count
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (added, took) = upload.await.unwrap();
    let added = added.unwrap();
    assert!(
        took > 2 * SECOND,
        "{took:?} is no longer than a call may take"
    );
    assert_eq!(
        (added.added_count, added.duplicate_count),
        (949_998, 50_002)
    );
    let after = added.task.clone().unwrap();
    assert_eq!(after.target_count, 950_001);
    assert_eq!(after.target_counts.unwrap().pending, 950_001);
    assert_eq!(
        &after.target[..6],
        ["c7", "c949999", "other", "c0", "c1", "c2"]
    );
    assert_eq!(after.target.len(), 100);
    assert_eq!(beside.get("a").await.unwrap(), after);
    assert_ne!(task.etag, "");
    let sql = server.database.client().await;
    let ids = "SELECT customer_id FROM task_targets ORDER BY position";
    let ids = sql.query(ids, &[]).await.unwrap();
    let ids = ids.iter().map(|row| row.get::<_, String>(0));
    let new = (0..949_999).filter(|n| *n != 7).map(|n| format!("c{n}"));
    let wanted = ["c7", "c949999", "other"]
        .map(str::to_owned)
        .into_iter()
        .chain(new);
    assert!(ids.eq(wanted), "in the order sent, each once");
    let again = beside.add_task_targets(million()).await.unwrap();
    assert!(is_replay(&again));
    assert_eq!(again.into_inner(), added);
    assert_eq!(beside.get("a").await.unwrap(), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_upload_is_refused() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for status in [
        TaskStatus::Completed,
        TaskStatus::Stopped,
        TaskStatus::Failed,
    ] {
        let id = format!("{status:?}");
        client.create(new_task(&id, &["c1"])).await;
        let mut before = None;
        for step in way_to(status) {
            before = Some(client.acted(*step, &id).await);
        }
        let refused = client
            .add_task_targets(vec![part(&id, &["c2"])])
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(fact(&refused), ("status".into(), id.to_lowercase()));
        assert_eq!(client.get(&id).await.ok(), before);
    }
    let missing = client
        .add_task_targets(vec![part("nobody's", &["c2"])])
        .await
        .unwrap_err();
    assert_not_found(&missing, "nobody's");
    for (first, reported) in [
        (vec![], vec!["task_id"]),
        (vec![AddTaskTargetsRequest::default()], vec!["task_id"]),
        (
            vec![part("\0", &["", "c1", "\0"])],
            vec!["task_id", "customer_ids[0]", "customer_ids[2]"],
        ),
        (
            vec![part("a", &["c1"]), part("b", &["c2"])],
            vec!["task_id"],
        ),
        (
            vec![
                part("a", &["c1"]),
                AddTaskTargetsRequest {
                    idempotency_key: "k".into(),
                    ..part("b", &["", "c2"])
                },
            ],
            vec!["task_id", "idempotency_key", "customer_ids[0]"],
        ),
        (
            vec![
                part("a", &["c1"]),
                part("a", &["c2"]),
                part("", &["c3", &"x".repeat(129)]),
            ],
            vec!["customer_ids[1]"],
        ),
    ] {
        if first.len() > 1 {
            client.create(new_task("a", &["c0"])).await;
        }
        let refused = client.add_task_targets(first.clone()).await.unwrap_err();
        assert_eq!(fields(&refused), reported, "{first:?}");
        if first.len() > 1 {
            assert_eq!(client.targets("a").await.len(), 1, "{first:?}");
            assert_eq!(client.events("a").await.last().unwrap().kind, 1);
            client.delete("a").await;
        }
    }
}
