//! The counts behind totals and deep pages: exact in every snapshot, whatever writers do meanwhile.

use std::sync::Arc;

use fastrand::Rng;
use outbound_tasks::pb::ListOutboundTasksRequest;
use tokio::sync::Semaphore;

use crate::support::{
    counts::{Comparison, Pace, write},
    database::Database,
    server::Server,
    tasks::{bank_tasks, task},
};

#[tokio::test(flavor = "multi_thread")]
async fn counts_agree_with_the_tasks_in_every_snapshot() {
    const COMPARISONS: usize = 10_000;
    const CHANGES_PER_COMPARISON: usize = 2;
    let server = Server::start().await;
    let changes = Arc::new(Semaphore::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..8 {
        let client = server.database.client().await;
        let pace = Pace::ByPermit(Arc::clone(&changes));
        writers.spawn(async move { write(&client, &mut Rng::with_seed(seed), &pace).await });
    }
    // Compaction runs all the time: the server's own, and three more that take turns with it.
    for _ in 0..3 {
        let client = server.database.client().await;
        writers.spawn(async move {
            loop {
                client
                    .batch_execute("SELECT task_counts_fold('demo')")
                    .await
                    .unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
    }
    let mut readers = tokio::task::JoinSet::new();
    for seed in 0..4 {
        let client = server.database.client().await;
        let changes = Arc::clone(&changes);
        readers.spawn(async move {
            let mut comparison = Comparison::new(client, 100 + seed).await;
            for _ in 0..COMPARISONS / 4 {
                changes.add_permits(CHANGES_PER_COMPARISON);
                comparison.make().await;
            }
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    // No writer has met an unexpected error, and none has ended.
    assert!(writers.try_join_next().is_none());
    writers.shutdown().await;
    let said = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(said, "demo\t0 counts differ\n");
}

/// Keys in random order let every bucket and then every higher level grow. All of them are split, and their counts are
/// right.
#[tokio::test(flavor = "multi_thread")]
async fn buckets_that_grow_are_cut() {
    let database = Database::demo().await;
    let client = database.client().await;
    let columns = "tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count, target";
    for batch in 0..5 {
        let insert = format!(
            "INSERT INTO tasks ({columns}) SELECT 'demo', md5('{batch}-' || n), 'task', at, at, 1 + n % 6, 0, at, at, 0, '{{}}' \
             FROM generate_series(1, 9000) n, LATERAL (SELECT timestamptz '2020-01-01Z' \
                + interval '1 s' * (hashint4(n + {batch} * 9000) % 100000000) AS at) t"
        );
        client.batch_execute(&insert).await.unwrap();
        let counts = client
            .query_one("SELECT task_counts_fold('demo')", &[])
            .await;
        assert_eq!(counts.unwrap().get::<_, i64>(0), 9000);
        let wrong = client
            .query_one("SELECT task_counts_verify('demo')", &[])
            .await;
        assert_eq!(wrong.unwrap().get::<_, i64>(0), 0);
    }
    let sizes = "SELECT (SELECT max(pending + running + paused + completed + stopped + failed) FROM task_segments WHERE level = 0), \
        (SELECT count(*) FROM task_segments WHERE sort = 1 AND level = 1)";
    let row = client.query_one(sizes, &[]).await.unwrap();
    assert!(row.get::<_, i32>(0) <= 512);
    assert!(
        row.get::<_, i64>(1) >= 3,
        "45,000 tasks need groups that were cut"
    );
}

async fn verify_and_rebuild(database: &Database, damage: &str) {
    database.execute(damage).await;
    let output = database.run(&["counts", "verify"], b"").await;
    assert_eq!(output.status.code(), Some(1), "{damage}");
    let rebuild = ["counts", "rebuild", "--tenant", "demo"];
    database.succeed(&rebuild, b"").await;
    let output = database.run(&["counts", "verify"], b"").await;
    assert_eq!(output.status.code(), Some(0), "{damage}");
}

/// `verify` reports differences, and `rebuild` removes them.
#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_damage_and_rebuild_repairs_it() {
    let database = Database::demo().await;
    let tasks: Vec<_> = (0..700)
        .map(|n| {
            task(
                &format!("t{n}"),
                "2023-03-01T10:00:00Z",
                "2023-03-01T11:00:00Z",
                "running",
            )
        })
        .collect();
    let input = crate::support::tasks::to_ndjson(&tasks);
    database
        .succeed(&["import", "-", "--tenant", "demo"], input.as_bytes())
        .await;
    database.succeed(&["counts", "verify"], b"").await;
    for damage in [
        "UPDATE task_segments SET running = running + 1 WHERE level = 0 AND sort = 2",
        "UPDATE task_segments SET failed = 1 WHERE level = 3 AND sort = 1",
        "UPDATE task_segments SET start_time = '2023-03-01T10:00:00Z', task_id = 't1' WHERE level = 1 AND sort = 1",
        "DELETE FROM task_segments WHERE sort = 1",
        "INSERT INTO task_changes (tenant_id, start_time, task_id, was, status) VALUES ('demo', now(), 'x', 0, 1)",
        "UPDATE task_segments SET running = running + 1 WHERE level = 0 AND sort = 3",
        "UPDATE task_segments SET pending = 1 WHERE level = 2 AND sort = 4",
        "UPDATE task_segments SET failed = 1 WHERE level = 3 AND sort = 4",
        "DELETE FROM task_segments WHERE sort = 3 AND level < 3",
        // Right in the other sorts: a task that is counted at one time of its creation too many, and at another too few.
        "INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status) \
            VALUES ('demo', now(), '1970-01-01Z', now(), 'x', 0, 1), ('demo', now(), '2170-01-01Z', now(), 'x', 1, 0)",
        "INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status) \
            VALUES ('demo', now(), now(), '1970-01-01Z', 'x', 0, 1), ('demo', now(), now(), '2170-01-01Z', 'x', 1, 0)",
    ] {
        verify_and_rebuild(&database, damage).await;
    }
    // The rows of labels, which lists of a label read.
    let client = database.client().await;
    database
        .execute(
            "UPDATE tasks SET labels = '{region,region=east}' WHERE task_id IN ('t1', 't2', 't3')",
        )
        .await;
    for damage in [
        "DELETE FROM task_labels WHERE task_id = 't1'",
        "DELETE FROM task_labels WHERE label = 'region=east'",
        "UPDATE task_labels SET status = 4 WHERE task_id = 't2'",
        "UPDATE task_labels SET start_time = now() WHERE task_id = 't3' AND label = 'region'",
        "INSERT INTO task_labels SELECT tenant_id, label, status, start_time, 'gone' FROM task_labels WHERE task_id = 't1'",
        "INSERT INTO task_labels SELECT tenant_id, 'vip', status, start_time, task_id FROM task_labels WHERE label = 'region'",
        "UPDATE task_label_counts SET running = running + 1",
    ] {
        verify_and_rebuild(&database, damage).await;
        let rows =
            "SELECT count(*) FROM task_labels WHERE status = 2 AND task_id IN ('t1', 't2', 't3')";
        let rows = client.query_one(rows, &[]).await.unwrap();
        assert_eq!(rows.get::<_, i64>(0), 6, "{damage}");
    }
    // An empty table has empty counts.
    database.execute("TRUNCATE tasks").await;
    assert_eq!(
        database.succeed(&["counts", "verify"], b"").await,
        "demo\t0 counts differ\n"
    );
}

/// Deep pages by number equal those by token, in the orders of the count index and both directions, with and without
/// statuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_deep_page_is_the_same_by_number_and_by_token() {
    let server = Server::start().await;
    server.import(&bank_tasks()).await;
    let mut grpc = server.grpc().await;
    for status in [vec![], vec![1], vec![1, 2, 3], vec![2, 4]] {
        for order_by in [1, 2, 3, 4] {
            for order in [1, 2] {
                let request = ListOutboundTasksRequest {
                    limit: 100,
                    status: status.clone(),
                    order_by,
                    order,
                    ..Default::default()
                };
                let mut walked = request.clone();
                for page in 1.. {
                    let numbered = ListOutboundTasksRequest {
                        page,
                        ..request.clone()
                    };
                    let by_number = grpc
                        .list_outbound_tasks(server.request(numbered))
                        .await
                        .unwrap()
                        .into_inner();
                    let by_token = grpc
                        .list_outbound_tasks(server.request(walked.clone()))
                        .await
                        .unwrap()
                        .into_inner();
                    assert_eq!(by_number.tasks, by_token.tasks, "{request:?} page {page}");
                    assert_eq!(by_number.next_page_token, by_token.next_page_token);
                    if by_token.next_page_token.is_empty() {
                        break;
                    }
                    walked.page_token = by_token.next_page_token;
                }
            }
        }
    }
}
