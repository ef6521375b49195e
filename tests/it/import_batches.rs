//! Imports of several batches, whose tasks are loaded in the order of their statuses.

use std::fmt::Write;

use crate::support::database::Database;

/// Records in a batch (`BATCH_RECORDS` in `app/import/batches.rs`).
const BATCH: usize = 5_000;
const BATCHES: usize = 6;
/// How many ids of each batch are in the batch before too.
const SHARED: usize = 1_000;
const IDS: usize = BATCHES * BATCH - (BATCHES - 1) * SHARED;

/// The number of the first or the last record with the id `t{id}`.
fn record(id: usize, last: bool) -> usize {
    let step = BATCH - SHARED;
    let numbers = (0..BATCHES)
        .filter(|batch| (batch * step..batch * step + BATCH).contains(&id))
        .map(|batch| batch * BATCH + id - batch * step);
    let number = if last { numbers.max() } else { numbers.min() };
    number.expect("a record has this id")
}

/// Statuses vary, since a batch is loaded in their order.
fn input() -> String {
    let words = [
        "pending",
        "running",
        "paused",
        "completed",
        "stopped",
        "failed",
    ];
    let mut input = String::new();
    for batch in 0..BATCHES {
        for n in 0..BATCH {
            let (id, number) = (batch * (BATCH - SHARED) + n, batch * BATCH + n);
            let status = words[number % words.len()];
            writeln!(
                input,
                r#"{{"task_id":"t{id}","name":"n{number}","start_time":"2023-03-01T10:00:00Z","end_time":"2023-03-01T11:00:00Z","status":"{status}","target":["c{number}"]}}"#
            )
            .expect("a string takes all");
        }
    }
    input
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_repeated_in_the_next_batch_fail_are_skipped_or_are_replaced() {
    let database = Database::demo().await;
    let input = input();
    let client = database.client().await;
    let repeated = (BATCHES - 1) * SHARED;
    for (mode, last) in [("fail", false), ("skip", false), ("replace", true)] {
        let arguments = ["import", "--tenant", "demo", "-", "--on-conflict", mode];
        let done = database.run(&arguments, input.as_bytes()).await;
        let said = String::from_utf8(done.stderr).expect("UTF-8");
        if mode == "fail" {
            let all = BATCHES * BATCH;
            assert!(!done.status.success());
            assert!(
                said.contains(&format!("{repeated} of {all} records are bad")),
                "{said}"
            );
            let count = client.query_one("SELECT count(*) FROM tasks", &[]).await;
            assert_eq!(count.expect("a count").get::<_, i64>(0), 0);
            continue;
        }
        assert!(done.status.success(), "{said}");
        assert!(
            said.contains(&format!("loaded {IDS} tasks with {IDS} targets")),
            "{said}"
        );
        let word = if mode == "skip" {
            "skipped"
        } else {
            "replaced"
        };
        assert!(said.contains(&format!("{word} {repeated} ")), "{said}");
        let sql = "SELECT t.task_id, t.name, t.target, g.customer_id, t.status FROM tasks t JOIN task_targets g \
            ON g.tenant_id = t.tenant_id AND g.task_id = t.task_id AND g.position = 0";
        let rows = client.query(sql, &[]).await.expect("the tasks");
        assert_eq!(rows.len(), IDS);
        for row in rows {
            let id: String = row.get(0);
            let number = record(id[1..].parse().expect("a number"), last);
            assert_eq!(row.get::<_, String>(1), format!("n{number}"), "{mode} {id}");
            assert_eq!(
                row.get::<_, Vec<String>>(2),
                [format!("c{number}")],
                "{mode} {id}"
            );
            assert_eq!(row.get::<_, String>(3), format!("c{number}"), "{mode} {id}");
            assert_eq!(row.get::<_, i16>(4), (number % 6) as i16 + 1, "{mode} {id}");
        }
        let wrong = client
            .query_one("SELECT task_counts_verify('demo')", &[])
            .await;
        assert_eq!(wrong.expect("counts").get::<_, i64>(0), 0);
        client
            .batch_execute("TRUNCATE tasks")
            .await
            .expect("empty tables");
    }
}
