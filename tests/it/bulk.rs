//! Actions on all tasks of a filter: first a preview, then the change, of all of them or none.

use outbound_tasks::pb::{DateRange, TaskAction, TaskDateField, TaskFilter, TaskStatus};
use tonic::Code;

use crate::support::{
    bulk::{Bulk, change, dry, of_status},
    client::{ACTIONS, Client, START, at, fact, fields, is_replay, new_task, way_to},
    server::Server,
};

/// Two tasks of each status. Their order by start is not the order by id.
async fn fill(client: &Client) {
    for (index, number) in [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6].into_iter().enumerate() {
        let id = format!("t{:02}", (index * 7) % 12);
        let mut task = new_task(&id, &["c1"]);
        task.start_time = at(START + 60 * index as i64);
        client.create(task).await;
        for step in way_to(TaskStatus::try_from(number).unwrap()) {
            client.acted(*step, &id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reports_what_the_real_run_does() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let theirs = Client::with_key(&server, &other).await;
    fill(&theirs).await;
    let (total, counts) = theirs.totals().await;
    assert_eq!((total, counts), (12, [2; 6]));
    let client = Client::new(&server).await;
    let window = TaskFilter {
        date_range: Some(DateRange {
            start: at(START + 120),
            end: at(START + 540),
        }),
        ..Default::default()
    };
    let by_window = TaskFilter {
        date_field: TaskDateField::Window as i32,
        ..window.clone()
    };
    let active = TaskFilter {
        status: vec![1, 2, 3],
        ..window.clone()
    };
    for filter in [None, Some(window), Some(by_window), Some(active)] {
        for action in ACTIONS {
            fill(&client).await;
            let bulk = Bulk {
                filter: filter.clone(),
                action: action as i32,
                reason: "all of them".into(),
                ..Default::default()
            };
            let reported = change(&client, dry(&bulk)).await.unwrap();
            assert_eq!(
                client.totals().await,
                (12, [2; 6]),
                "a dry run changes nothing"
            );
            let expected_count = Some(reported.changed_count);
            let done = change(
                &client,
                Bulk {
                    expected_count,
                    ..bulk
                },
            )
            .await
            .unwrap();
            assert_eq!(done, reported, "{action:?} {filter:?}");
            assert_eq!(
                done.matched_count,
                done.changed_count + done.refused.len() as i32
            );
            assert_eq!(done.changed_count as usize, done.task_ids.len());
            let mut last = None;
            for id in &done.task_ids {
                let task = client.get(id).await.unwrap();
                assert_eq!(task.status_reason, "all of them");
                assert_eq!(
                    client.events(id).await.last().unwrap().reason,
                    "all of them"
                );
                let start = task.start_time.unwrap().seconds;
                assert!(last < Some(start), "in the order of start_time");
                last = Some(start);
            }
            for refused in &done.refused {
                let task = client.get(&refused.task_id).await.unwrap();
                assert_eq!((task.status, &*task.status_reason), (refused.status, ""));
            }
            for number in 0..12 {
                client.delete(&format!("t{number:02}")).await;
            }
        }
    }
    assert_eq!(theirs.totals().await, (total, counts));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_matches_the_tasks_of_the_list() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    fill(&client).await;
    let all = change(&client, dry(&of_status(&[], TaskAction::Stop)))
        .await
        .unwrap();
    assert_eq!((all.matched_count, all.changed_count), (12, 6));
    let refused: Vec<_> = all
        .refused
        .iter()
        .map(|r| (&*r.task_id, r.status))
        .collect();
    assert_eq!(
        refused,
        [
            ("t09", 4),
            ("t04", 5),
            ("t11", 6),
            ("t03", 4),
            ("t10", 5),
            ("t05", 6)
        ]
    );
    let listed = server.http().list("status=active&limit=12").await.json();
    let listed: Vec<_> = listed["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["task_id"].as_str().unwrap())
        .collect();
    assert_eq!(all.task_ids, listed);
    let none = of_status(&[TaskStatus::Completed], TaskAction::Stop);
    let none = change(
        &client,
        Bulk {
            expected_count: Some(0),
            ..none
        },
    )
    .await
    .unwrap();
    assert_eq!(
        (none.matched_count, none.changed_count, none.refused.len()),
        (2, 0, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_than_expected_changes_nothing() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    fill(&client).await;
    let bulk = of_status(&[], TaskAction::Fail);
    for count in [0, 5, 7, i32::MAX] {
        let bulk = Bulk {
            expected_count: Some(count),
            idempotency_key: "k".into(),
            ..bulk.clone()
        };
        let refused = change(&client, bulk).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(fact(&refused), ("count".into(), "6".into()));
    }
    assert_eq!(client.totals().await, (12, [2; 6]));
    let missing = change(&client, bulk.clone()).await.unwrap_err();
    assert_eq!(fields(&missing), ["expected_count"]);
    for negative in [bulk.clone(), dry(&bulk)] {
        let refused = change(
            &client,
            Bulk {
                expected_count: Some(-1),
                ..negative
            },
        )
        .await;
        assert_eq!(fields(&refused.unwrap_err()), ["expected_count"]);
    }
    let bad = Bulk {
        filter: Some(TaskFilter {
            status: vec![1, 0, 7],
            date_range: Some(DateRange {
                start: at(2),
                end: at(1),
            }),
            date_field: 6,
            ..Default::default()
        }),
        reason: "x".repeat(1025),
        idempotency_key: "\0".into(),
        action: TaskAction::Stop as i32,
        ..Default::default()
    };
    let mut reported = fields(&change(&client, bad.clone()).await.unwrap_err());
    reported.sort();
    assert_eq!(
        reported,
        [
            "expected_count",
            "filter.date_field",
            "filter.date_range",
            "filter.status[1]",
            "filter.status[2]",
            "idempotency_key",
            "reason",
        ]
    );
    for action in [0, 7, -1] {
        let bad = Bulk {
            action,
            ..bad.clone()
        };
        let mut reported = fields(&change(&client, bad).await.unwrap_err());
        reported.sort();
        assert_eq!(
            reported,
            [
                "action",
                "expected_count",
                "filter.date_field",
                "filter.date_range",
                "filter.status[1]",
                "filter.status[2]",
                "idempotency_key",
                "reason",
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_10_000_tasks_are_changed_at_once() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    server.database.add_tasks("demo", 10_001).await;
    // Together they are larger than a page may be.
    let named = "UPDATE tasks SET name = repeat('外呼任务', 10)";
    server.database.execute(named).await;
    let bulk = Bulk {
        expected_count: Some(10_001),
        ..of_status(&[], TaskAction::Start)
    };
    for bulk in [dry(&bulk), bulk.clone()] {
        let refused = change(&client, bulk).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(fact(&refused), ("matched_count".into(), "10001".into()));
    }
    assert_eq!(client.totals().await, (10_001, [10_001, 0, 0, 0, 0, 0]));
    client.delete("t1").await;
    let bulk = Bulk {
        expected_count: Some(10_000),
        idempotency_key: "k".into(),
        ..bulk
    };
    let done = client
        .bulk_change_outbound_tasks(bulk.clone())
        .await
        .unwrap();
    assert_eq!(done.get_ref().changed_count, 10_000);
    assert_eq!(client.totals().await, (10_000, [0, 10_000, 0, 0, 0, 0]));
    // A repeated call replays the first answer, even when more tasks match.
    client.create(new_task("u1", &[])).await;
    let again = client.bulk_change_outbound_tasks(bulk).await.unwrap();
    assert!(is_replay(&again));
    assert_eq!(again.get_ref(), done.get_ref());
    assert_eq!(client.totals().await, (10_001, [1, 10_000, 0, 0, 0, 0]));
    let said = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(said, "demo\t0 counts differ\n");
}
