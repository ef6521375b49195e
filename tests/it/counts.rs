//! The counts behind totals and deep pages: exact in every snapshot, whatever writers do meanwhile.

use fastrand::Rng;
use outbound_tasks::pb::ListOutboundTasksRequest;

use crate::support::{
    database::Database,
    server::Server,
    tasks::{bank_tasks, task},
};

/// One of the things writers do, on keys that many of them share.
fn random_change(random: &mut Rng) -> String {
    let id = |random: &mut Rng| format!("'t{}'", random.u32(0..900));
    let (one, other) = (id(random), id(random));
    let hours = random.u32(0..300);
    let status = random.u32(1..=6);
    let insert = format!(
        "INSERT INTO tasks SELECT 'demo', id, 'n', start, start, {status}, 0, start, start, 0, '{{}}'
         FROM (SELECT 't' || n AS id, timestamptz '2020-01-01Z' + interval '1 hour' * ((n * 7 + {hours}) % 300) AS start
            FROM generate_series({0}, {0} + {1}) n) AS new ON CONFLICT DO NOTHING",
        random.u32(0..900),
        random.u32(0..20),
    );
    let change = match random.u32(0..10) {
        0..=3 => insert,
        4 | 5 => format!("UPDATE tasks SET status = {status} WHERE tenant_id = 'demo' AND task_id = {one}"),
        6 => format!(
            "UPDATE tasks SET start_time = start_time + interval '{hours} hours', end_time = end_time + interval '400 hours'
             WHERE tenant_id = 'demo' AND task_id IN ({one}, {other})"
        ),
        7 => format!("DELETE FROM tasks WHERE tenant_id = 'demo' AND task_id = {one}"),
        8 => format!("DELETE FROM tasks WHERE tenant_id = 'demo' AND task_id LIKE 't{}%' AND status = {status}", random.u32(10..90)),
        _ => format!("UPDATE tasks SET task_id = 'x' || task_id || '-' || {} WHERE tenant_id = 'demo' AND task_id = {one}", random.u64(..)),
    };
    let end = if random.u32(0..8) == 0 {
        "ROLLBACK"
    } else {
        "COMMIT"
    };
    format!("BEGIN; {change}; {end}")
}

/// What the counts say and what is there, in one statement, so in one snapshot.
const COMPARE: &str = "
    WITH facts AS (SELECT row_number() OVER (ORDER BY start_time, task_id) - 1 AS by_time,
            row_number() OVER (ORDER BY task_id) - 1 AS by_id, start_time, task_id
        FROM tasks WHERE tenant_id = 'demo' AND status = ANY ($1)),
    wanted AS (SELECT (count(*) * $3::float8)::bigint AS place FROM facts)
    SELECT task_total('demo', $1), (SELECT count(*) FROM facts),
        task_rank('demo', $1, $2), (SELECT count(*) FROM facts WHERE start_time < $2),
        (SELECT k.skip + (SELECT count(*) FROM facts f WHERE (f.start_time, f.task_id) < (k.start_time, k.task_id))
            FROM task_seek('demo', 1::smallint, $1, place) k),
        (SELECT k.skip + (SELECT count(*) FROM facts f WHERE f.task_id < k.task_id)
            FROM task_seek('demo', 2::smallint, $1, place) k),
        place FROM wanted";

#[tokio::test(flavor = "multi_thread")]
async fn counts_agree_with_the_tasks_in_every_snapshot() {
    const COMPARISONS: usize = 10_000;
    let server = Server::start().await;
    let mut writers = tokio::task::JoinSet::new();
    for seed in 0..8 {
        let client = server.database.client().await;
        writers.spawn(async move {
            let mut random = Rng::with_seed(seed);
            loop {
                // Two that wait for each other's rows, or want the same id: PostgreSQL ends one of them.
                if client
                    .batch_execute(&random_change(&mut random))
                    .await
                    .is_err()
                {
                    client.batch_execute("ROLLBACK").await.unwrap();
                }
                // At full speed they would measure the vacuum, not the counts.
                tokio::time::sleep(std::time::Duration::from_millis(4)).await;
            }
        });
    }
    // Folding goes on all the while: the server's own, and three more that take turns with it.
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
        readers.spawn(async move {
            let mut random = Rng::with_seed(100 + seed);
            let compare = client.prepare(COMPARE).await.unwrap();
            for _ in 0..COMPARISONS / 4 {
                let statuses: Vec<i16> = (1..=6).filter(|_| random.bool()).collect();
                let seconds = 1_577_836_800 + random.i64(-10..310) * 3600 + random.i64(0..2) * 1799;
                let before = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds as u64);
                let row = client
                    .query_one(&compare, &[&statuses, &before, &random.f64()])
                    .await
                    .unwrap();
                let [total, tasks, rank, earlier, by_time, by_id, place] =
                    [0, 1, 2, 3, 4, 5, 6].map(|n| row.get::<_, i64>(n));
                assert_eq!((total, rank), (tasks, earlier), "{statuses:?} {before:?}");
                if place < tasks {
                    assert_eq!((by_time, by_id), (place, place), "{statuses:?}");
                }
            }
        });
    }
    while let Some(reader) = readers.join_next().await {
        reader.unwrap();
    }
    // No writer has met an error that is not one of theirs, and none is left.
    assert_eq!(writers.len(), 11);
    writers.shutdown().await;
    let said = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(said, "demo\t0 counts differ\n");
}

/// An operator finds what is wrong, and mends it.
#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_what_rebuild_mends() {
    let database = Database::new().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
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
        "INSERT INTO task_changes (tenant_id, start_time, task_id, status, change) VALUES ('demo', now(), 'x', 1, 1)",
    ] {
        database.execute(damage).await;
        let output = database.run(&["counts", "verify"], b"").await;
        assert_eq!(output.status.code(), Some(1), "{damage}");
        database
            .succeed(&["counts", "rebuild", "--tenant", "demo"], b"")
            .await;
        database.succeed(&["counts", "verify"], b"").await;
    }
    // A truncated table counts nothing.
    database.execute("TRUNCATE tasks").await;
    assert_eq!(
        database.succeed(&["counts", "verify"], b"").await,
        "demo\t0 counts differ\n"
    );
}

/// Deep pages by number are those a walk finds, in both documented orders and directions, with and without statuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_deep_page_is_the_page_of_the_walk() {
    let server = Server::start().await;
    server.import(&bank_tasks()).await;
    let mut grpc = server.grpc().await;
    for status in [vec![], vec![1], vec![1, 2, 3], vec![2, 4]] {
        for order_by in [1, 2] {
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
