//! The sorts by created_at and end_time: on a database from before them, and with many equal times.

use std::sync::Arc;

use fastrand::Rng;
use outbound_tasks::pb::ListOutboundTasksRequest;
use tokio::sync::Semaphore;
use tokio_postgres::Client;

use crate::support::{
    counts::{Comparison, Pace, write},
    database::Database,
    server::{Server, options},
};

async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Makes random changes.
async fn change(database: &Database, seed: u64, changes: usize) {
    let client = database.client().await;
    let permits = Arc::new(Semaphore::new(changes));
    let pace = Pace::ByPermit(Arc::clone(&permits));
    let writer =
        tokio::spawn(async move { write(&client, &mut Rng::with_seed(seed), &pace).await });
    let used = async || permits.available_permits() == 0;
    crate::support::eventually("the changes are made", crate::support::PATIENCE, used).await;
    writer.abort();
    let _ = writer.await;
}

const HAS_TIMES: &str = "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() \
    AND table_name = 'task_changes' AND column_name = 'created_at'";

/// Takes the migrations of the new sorts back.
async fn revert(database: &Database, client: &Client) {
    let has_sorts = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'task_segments'::regclass \
        AND pg_get_constraintdef(oid) LIKE '%sort <= 4%'";
    let mut reverted = 0;
    while number(client, has_sorts).await > 0 {
        database.succeed(&["migrate", "revert"], b"").await;
        reverted += 1;
    }
    assert!(reverted > 0);
    assert_eq!(number(client, HAS_TIMES).await, 0);
}

async fn assert_exact(database: &Database, seed: u64) {
    let mut comparison = Comparison::new(database.client().await, seed).await;
    for _ in 0..60 {
        comparison.make().await;
    }
}

/// Deltas from before the migration do not say the times of the new sorts. Everything is exact with such deltas, and after
/// the first compaction the sorts are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_old_deltas_gets_the_new_sorts() {
    let database = Database::demo().await;
    let client = database.client().await;
    revert(&database, &client).await;
    change(&database, 1, 200).await;
    number(&client, "SELECT task_counts_fold('demo')").await;
    change(&database, 2, 200).await;
    let pending = "SELECT count(*) FROM task_changes";
    assert!(number(&client, pending).await > 0);

    database.succeed(&["migrate"], b"").await;
    let old = "SELECT count(*) FROM task_changes WHERE created_at IS NULL AND end_time IS NULL";
    assert!(number(&client, old).await > 0);
    let new_sorts = "SELECT count(*) FROM task_segments WHERE sort > 2 AND level = 3";
    assert_eq!(number(&client, new_sorts).await, 0);
    assert_exact(&database, 3).await;
    change(&database, 4, 200).await;
    assert_exact(&database, 5).await;
    let verify = database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(verify, "demo\t0 counts differ\n");

    number(&client, "SELECT task_counts_fold('demo')").await;
    assert_eq!(number(&client, new_sorts).await, 2);
    assert_eq!(number(&client, pending).await, 0);
    assert_exact(&database, 6).await;
    change(&database, 7, 200).await;
    let incomplete =
        "SELECT count(*) FROM task_changes WHERE created_at IS NULL OR end_time IS NULL";
    assert_eq!(number(&client, incomplete).await, 0);
    assert_exact(&database, 8).await;
    // Added to the buckets this time, not counted from scratch.
    number(&client, "SELECT task_counts_fold('demo')").await;
    assert_exact(&database, 9).await;
    let verify = database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(verify, "demo\t0 counts differ\n");
}

/// A writer that began before the migration ends before it: none of its deltas can come later without the times.
#[tokio::test(flavor = "multi_thread")]
async fn the_migration_waits_for_writers_and_not_for_long() {
    let database = Database::new().await;
    let client = database.client().await;
    revert(&database, &client).await;
    let writer = database.client().await;
    // It holds the lock of a writer that has not written yet.
    let begin = "BEGIN; LOCK TABLE tasks IN ROW EXCLUSIVE MODE";
    writer.batch_execute(begin).await.unwrap();
    let output = database.run(&["migrate"], b"").await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(number(&client, HAS_TIMES).await, 0);
    writer.batch_execute("COMMIT").await.unwrap();
    database.succeed(&["migrate"], b"").await;
    assert_eq!(number(&client, HAS_TIMES).await, 1);
}

/// As an import leaves them: all tasks were made at one instant, and end at one.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_equal_times_have_exact_counts_and_pages() {
    const BATCH: i32 = 2_000;
    let database = Database::new().await;
    let client = database.client().await;
    for batch in 0..12 {
        // Ids in random order, so that buckets inside the run of equal times grow and are split.
        let insert = format!(
            "INSERT INTO tasks SELECT 'demo', md5('{batch}-' || n), 'n', '2020-01-01Z', '2020-01-02Z', 1 + n % 6, 0, \
                '2019-01-01Z', '2019-01-01Z', 0, '{{}}' FROM generate_series(1, {BATCH}) n"
        );
        client.batch_execute(&insert).await.unwrap();
        number(&client, "SELECT task_counts_fold('demo')").await;
        assert_eq!(
            number(&client, "SELECT task_counts_verify('demo')").await,
            0
        );
    }
    let largest = "SELECT max(pending + running + paused + completed + stopped + failed)::bigint FROM task_segments \
        WHERE level = 0 AND sort > 2";
    assert!(number(&client, largest).await <= 512);
    assert_exact(&database, 1).await;
    let server = Server::start_on(database, options()).await;
    let mut grpc = server.grpc().await;
    let all =
        "SELECT task_id FROM tasks WHERE tenant_id = 'demo' AND status IN (2, 4) ORDER BY task_id";
    let rows = client.query(all, &[]).await.unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for order_by in [3, 4] {
        for page in [1, 30, 40, 81] {
            let request = ListOutboundTasksRequest {
                page,
                limit: 100,
                status: vec![2, 4],
                order_by,
                order: 1,
                ..Default::default()
            };
            let answer = grpc.list_outbound_tasks(server.request(request)).await;
            let answer = answer.unwrap().into_inner();
            assert_eq!(answer.total as usize, ids.len());
            let shown: Vec<_> = answer.tasks.iter().map(|task| &task.task_id).collect();
            let from = (page as usize - 1) * 100;
            let wanted: Vec<_> = ids.iter().skip(from).take(100).collect();
            assert_eq!(shown, wanted, "order {order_by}, page {page}");
        }
    }
}
