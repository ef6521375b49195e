//! The names that searches read follow the tasks by compaction. Searches are exact before it, beside it, and after it
//! was interrupted.

use tokio_postgres::Client;

use crate::support::{database::Database, server::Server};

/// What the comparisons look for: each in some names, at times.
const PARTS: [&str; 6] = ["spring", "Autumn", "ng 1", "#3", "回访", "a"];

/// Brings a tenant's deltas and names in line, as the service's worker does.
pub async fn compact(sql: &Client) {
    let fold = "SELECT task_counts_fold('demo')";
    sql.query_one(fold, &[]).await.unwrap();
}

/// The ids that a search finds, and those of the tasks whose names contain the text, in one snapshot.
async fn both(sql: &Client, part: &str) -> (Vec<String>, Vec<String>) {
    let compare = "SELECT
            ARRAY(SELECT f.id FROM task_names_find('demo', $1) AS f (id) ORDER BY f.id COLLATE \"C\"),
            ARRAY(SELECT t.task_id FROM tasks t WHERE t.tenant_id = 'demo'
                AND strpos(task_name_fold(t.name), task_name_fold($1)) > 0 ORDER BY t.task_id)";
    let row = sql.query_one(compare, &[&part]).await.unwrap();
    (row.get(0), row.get(1))
}

pub async fn assert_exact(sql: &Client) {
    for part in PARTS {
        let (found, wanted) = both(sql, part).await;
        assert_eq!(found, wanted, "{part}");
    }
}

/// How many tasks have not exactly one row with their name, and how many rows have no task.
pub async fn wrong_rows(sql: &Client) -> i64 {
    let compare = "SELECT count(*) FROM
            (SELECT tenant_id, task_id, array_agg(name) AS names FROM task_search GROUP BY tenant_id, task_id) n
        FULL JOIN tasks t USING (tenant_id, task_id)
        WHERE n.names IS DISTINCT FROM ARRAY[task_name_fold(t.name)]";
    sql.query_one(compare, &[]).await.unwrap().get(0)
}

pub async fn pending_names(sql: &Client) -> i64 {
    let pending = "SELECT count(*) FROM task_changes WHERE name_pending";
    sql.query_one(pending, &[]).await.unwrap().get(0)
}

/// An INSERT of tasks `{prefix}{n}` with the name `name`, both SQL expressions of `n`.
pub fn insert(prefix: &str, name: &str, numbers: &str) -> String {
    format!(
        "INSERT INTO tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, \
            target_count, target) \
         SELECT 'demo', '{prefix}' || n, {name}, now(), now(), 1, 0, now(), now(), 0, '{{}}' \
         FROM generate_series({numbers}) n ON CONFLICT DO NOTHING"
    )
}

/// Creates, renames, deletes and moves tasks of its own, one at a time.
async fn write(sql: Client, writer: i32) {
    for step in 0..150 {
        let n = step * 7 % 20;
        let prefix = format!("w{writer}-");
        let of = format!("WHERE tenant_id = 'demo' AND task_id = '{prefix}{n}'");
        let text = match (step + writer) % 5 {
            0 | 1 => insert(&prefix, "'Spring 回访 #' || n", &format!("{n}, {n}")),
            2 => format!("UPDATE tasks SET name = 'AUTUMN ' || {step} {of}"),
            3 => format!("DELETE FROM tasks {of}"),
            _ => format!(
                "UPDATE tasks SET task_id = '{prefix}' || {n} || '-' || {step}, status = status % 6 + 1 {of}"
            ),
        };
        sql.batch_execute(&text).await.unwrap();
    }
}

/// Replaces more tasks at once than are named one by one, as an import does: it deletes single tasks and inserts many.
async fn replace_many(sql: Client) {
    for round in 0..6 {
        let load = insert("many-", &format!("'Spring {round} #' || n"), "1, 1100");
        // Tasks of both kinds are pending when the next replacement begins.
        let text = format!(
            "BEGIN; DELETE FROM tasks WHERE task_id = 'many-1'; DELETE FROM tasks WHERE task_id LIKE 'many-%'; {load}; COMMIT; \
             UPDATE tasks SET name = 'autumn' WHERE task_id IN ('many-3', 'many-31')"
        );
        sql.batch_execute(&text).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_exact_beside_writers_and_interrupted_compactions() {
    let database = Database::new().await;
    let connect = async || database.client().await;
    let mut writers: Vec<_> = Vec::new();
    for writer in 0..4 {
        writers.push(tokio::spawn(write(connect().await, writer)));
    }
    writers.push(tokio::spawn(replace_many(connect().await)));
    let compactor = connect().await;
    let compactor = tokio::spawn(async move {
        for round in 0.. {
            match round % 4 {
                // Undone at its end, as if the service had been killed.
                0 => {
                    let undone = "BEGIN; SELECT task_counts_fold('demo'); ROLLBACK";
                    compactor.batch_execute(undone).await.unwrap();
                }
                1 => {
                    let rebuild = "SELECT task_counts_rebuild('demo')";
                    compactor.batch_execute(rebuild).await.unwrap();
                }
                _ => compact(&compactor).await,
            }
        }
    });
    let reader = connect().await;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
    let mut compared = 0;
    while writers.iter().any(|w| !w.is_finished()) || compared < 50 {
        reader.batch_execute(begin).await.unwrap();
        assert_exact(&reader).await;
        reader.batch_execute("COMMIT").await.unwrap();
        compared += 1;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    compactor.abort();
    let sql = connect().await;
    // The aborted compaction may hold the lock for a moment, and then this one would do nothing.
    sql.batch_execute("SELECT task_counts_rebuild('demo')")
        .await
        .unwrap();
    assert_eq!(pending_names(&sql).await, 0);
    assert_eq!(wrong_rows(&sql).await, 0);
    assert_exact(&sql).await;
    let verify = "SELECT task_counts_verify('demo')";
    assert_eq!(
        sql.query_one(verify, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_do_not_wait_while_an_index_of_names_is_built() {
    let database = Database::new().await;
    let sql = database.client().await;
    let run = async |text: &str| sql.batch_execute(text).await.unwrap();
    run(&insert("t", "'Spring #' || n", "1, 30")).await;
    let builder = database.client().await;
    let build = "BEGIN; LOCK TABLE task_search IN SHARE MODE";
    builder.batch_execute(build).await.unwrap();
    run("UPDATE tasks SET name = 'Autumn' WHERE task_id = 't3'").await;
    for _ in 0..2 {
        compact(&sql).await;
        let counts = "SELECT count(*) FROM task_changes WHERE was <> status";
        assert_eq!(
            sql.query_one(counts, &[]).await.unwrap().get::<_, i64>(0),
            0
        );
        assert!(pending_names(&sql).await >= 30);
        assert_exact(&sql).await;
        run("DELETE FROM tasks WHERE task_id = 't4'").await;
    }
    builder.batch_execute("COMMIT").await.unwrap();
    compact(&sql).await;
    assert_eq!(pending_names(&sql).await, 0);
    assert_eq!(wrong_rows(&sql).await, 0);
    assert_exact(&sql).await;
}

/// Rows that a compaction did not write: `counts verify` finds them, and `counts rebuild` repairs them.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_names_are_found_and_repaired() {
    let server = Server::start().await;
    let database = &server.database;
    let sql = database.client().await;
    let insert = insert("t", "'Spring 回访 #' || n", "1, 30");
    sql.batch_execute(&insert).await.unwrap();
    let found = async || {
        let list = server.http().list("name=SPRING%20回访&limit=100").await;
        list.json()["total"].clone()
    };
    database.succeed(&["counts", "rebuild"], b"").await;
    for (damage, differing) in [
        // The name of t8 is pending then.
        ("DELETE FROM task_search", 29),
        ("DELETE FROM task_search WHERE task_id = 't1'", 1),
        (
            "UPDATE task_search SET name = 'spring' WHERE task_id = 't2'",
            1,
        ),
        // Not folded.
        (
            "UPDATE task_search SET name = 'Spring 回访 #3' WHERE task_id = 't3'",
            1,
        ),
        // A second row, one of a task that does not exist, and two tasks with each other's names.
        (
            "INSERT INTO task_search SELECT * FROM task_search WHERE task_id = 't4'",
            1,
        ),
        (
            "INSERT INTO task_search SELECT tenant_id, 'gone', name FROM task_search WHERE task_id = 't5'",
            1,
        ),
        (
            "UPDATE task_search SET task_id = CASE task_id WHEN 't6' THEN 't7' ELSE 't6' END WHERE task_id IN ('t6', 't7')",
            2,
        ),
    ] {
        assert_eq!(pending_names(&sql).await, 0, "{damage}");
        sql.batch_execute(damage).await.unwrap();
        // A name that waits for the compaction is no damage.
        let rename = "UPDATE tasks SET name = name || '!' WHERE task_id = 't8'";
        sql.batch_execute(rename).await.unwrap();
        let output = database.run(&["counts", "verify"], b"").await;
        assert_eq!(output.status.code(), Some(1), "{damage}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            said,
            format!("demo\t{differing} counts differ\n"),
            "{damage}"
        );
        database.succeed(&["counts", "rebuild"], b"").await;
        assert_eq!(wrong_rows(&sql).await, 0, "{damage}");
        database.succeed(&["counts", "verify"], b"").await;
        assert_eq!(found().await, 30, "{damage}");
    }
}

/// Services of a version before the compaction of names read `task_names`.
#[tokio::test(flavor = "multi_thread")]
async fn task_names_has_each_name_at_once() {
    let database = Database::new().await;
    let sql = database.client().await;
    let run = async |text: &str| sql.batch_execute(text).await.unwrap();
    run(&insert("t", "'Spring #' || n", "1, 3")).await;
    run("UPDATE tasks SET name = 'AUTUMN' WHERE task_id = 't2'").await;
    run("DELETE FROM tasks WHERE task_id = 't3'").await;
    let names = "SELECT string_agg(task_id || ' ' || name, ',' ORDER BY task_id) FROM task_names";
    let names: String = sql.query_one(names, &[]).await.unwrap().get(0);
    assert_eq!(names, "t1 spring #1,t2 autumn");
    // As in the counts' plans: an import of such a version vacuums it by name.
    run("VACUUM (ANALYZE) tasks, task_names").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_names_survive_a_downgrade_and_an_upgrade() {
    let database = Database::new().await;
    let sql = database.client().await;
    let run = async |text: &str| sql.batch_execute(text).await.unwrap();
    run(&insert("t", "'Spring #' || n", "1, 30")).await;
    compact(&sql).await;
    run("UPDATE tasks SET name = 'Autumn #' || task_id WHERE task_id IN ('t3', 't4')").await;
    run("DELETE FROM tasks WHERE task_id = 't5'").await;
    run(&insert("u", "'回访 #' || n", "1, 3")).await;
    assert_eq!(pending_names(&sql).await, 6);
    // Down to the migration before the compaction of names.
    loop {
        database.succeed(&["migrate", "revert"], b"").await;
        let status = database.succeed(&["migrate", "status"], b"").await;
        if status.contains("pending 2026-11-27-000001") {
            break;
        }
    }
    let sql = database.client().await;
    assert_exact(&sql).await;
    let names = "SELECT count(*) FROM task_names FULL JOIN tasks t USING (tenant_id, task_id)
        WHERE task_names.name IS DISTINCT FROM task_name_fold(t.name)";
    assert_eq!(sql.query_one(names, &[]).await.unwrap().get::<_, i64>(0), 0);
    let rename = "UPDATE tasks SET name = 'Spring #31' WHERE task_id = 't4'";
    sql.batch_execute(rename).await.unwrap();
    database.succeed(&["migrate"], b"").await;
    let sql = database.client().await;
    assert_exact(&sql).await;
    compact(&sql).await;
    assert_eq!(wrong_rows(&sql).await, 0);
    assert_exact(&sql).await;
}
