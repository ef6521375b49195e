//! The worker of progress reads the running tasks of the last minutes and no others, and a task's progress its points:
//! shown by PostgreSQL's statistics of the rows that were read through each index.

use outbound_tasks::domain::tenant::TenantId;

use crate::explain_targets::Guard;

/// Of 100,000 tasks half are running. Something happened to 300 of them in the last minutes, and to ten of those since
/// their last point. 500 tasks have 200 points each.
const FILL: &str = "SET session_replication_role = replica;
    INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at,
        target_count, target, status_changed_at, last_result_at, calls)
    SELECT 'demo', 'task-' || n, 'task', '2020-01-01Z', '2050-01-01Z', CASE WHEN n % 2 = 0 THEN 2 ELSE 4 END, 0, '2020-01-01Z',
        now(), 10, '{}', '2020-01-01Z', CASE WHEN n <= 600 THEN now() ELSE '2020-01-01Z' END, CASE WHEN n <= 20 THEN 2 ELSE 1 END
    FROM generate_series(1, 100000) n;
    INSERT INTO task_progress
    SELECT 'demo', 'task-' || n, m, to_timestamp(m * 60), generation, 1, 10, 0, 0, 0, 0, 0, 0
    FROM generate_series(1, 1000) n JOIN tasks ON task_id = 'task-' || n
        CROSS JOIN generate_series(floor(extract(epoch FROM now()) / 60)::integer - 200, floor(extract(epoch FROM now()) / 60)::integer - 1) m
    WHERE n % 2 = 0;";

#[tokio::test(flavor = "multi_thread")]
async fn points_cost_what_happened_lately() {
    check("VACUUM ANALYZE tasks, task_progress").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_cost_no_more_without_statistics() {
    check(
        "UPDATE pg_class SET reltuples = 0 WHERE oid IN ('tasks'::regclass, 'task_progress'::regclass)",
    )
    .await;
}

async fn check(make_known: &str) {
    let guard = Guard::new(FILL, make_known).await;
    let demo = TenantId::parse("demo").unwrap();
    // Each of the 300 tasks, and its last point. Ten tasks get a point, and the number of their points is counted.
    guard
        .reads(
            "the worker of progress",
            &[("tasks", 310), ("task_progress", 300 + 10 * 201 + 100)],
            async |app, _| app.progress_sample(&demo).await.unwrap(),
        )
        .await;
    let count = "SELECT count(*) FROM task_progress WHERE calls = 2";
    let stored = guard.sql.query_one(count, &[]).await.unwrap();
    assert_eq!(stored.get::<_, i64>(0), 10);
    guard.flush().await;
    guard
        .reads(
            "the worker with nothing to do",
            &[("tasks", 310), ("task_progress", 330)],
            async |app, _| app.progress_sample(&demo).await.unwrap(),
        )
        .await;
    guard
        .reads(
            "the progress of a task",
            &[("tasks", 2), ("task_progress", 210)],
            async |app, caller| {
                let progress = app.progress_get(caller, "task-4").await.unwrap();
                assert_eq!(progress.points.len(), 202);
            },
        )
        .await;
}
