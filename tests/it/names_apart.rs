//! The names of an import, which a second session writes and commits before the tasks. Searches are exact before, between
//! and after the two commits, whatever ends a session, and whoever writes meanwhile.

use std::process::Output;

use tokio_postgres::Client;

use crate::{
    names_compacted::{assert_exact, compact, insert, pending_names, wrong_rows},
    support::{
        PATIENCE,
        database::Database,
        eventually,
        tasks::{Json, task, to_ndjson},
    },
};

/// Enough for a second session.
const TASKS: usize = 1_100;
/// Holds the import between its commits, for as long as the test has the same lock.
const HOLD: &str = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext(current_schema()));
        RETURN OLD;
    END $$;
    CREATE TRIGGER hold BEFORE DELETE ON task_changes FOR EACH ROW WHEN (OLD.names_ahead_of IS NOT NULL) EXECUTE FUNCTION hold();
    SELECT pg_advisory_lock(hashtext(current_schema()))";
const RELEASE: &str = "SELECT pg_advisory_unlock(hashtext(current_schema()))";
const HELD: &str = "wait_event = 'advisory' AND query LIKE 'DELETE FROM task_changes%'";
/// Some tasks before the import: one that it replaces, one that it creates anew, since it was deleted a moment ago, and
/// one that is nobody's.
fn before() -> String {
    let mine = insert("m", "'Autumn #' || n", "0, 1");
    let other = insert("o", "'Autumn #3'", "1, 1");
    format!(
        "{mine}; {other}; SELECT task_counts_fold('demo'); DELETE FROM tasks WHERE task_id = 'm1'"
    )
}

async fn demo() -> (Database, Client) {
    let database = Database::of_owner().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    let sql = database.client().await;
    (database, sql)
}

fn file(name: &str) -> String {
    let tasks: Vec<Json> = (0..TASKS)
        .map(|n| {
            let (start, end) = ("2023-03-01T10:00:00Z", "2023-03-01T11:00:00Z");
            let mut task = task(&format!("m{n}"), start, end, "pending");
            task["name"] = format!("{name} #{n}").into();
            task
        })
        .collect();
    to_ndjson(&tasks)
}

async fn import(database: &Database, name: &str) -> Output {
    let arguments = ["import", "-", "--tenant=demo", "--on-conflict=replace"];
    database.run(&arguments, file(name).as_bytes()).await
}

async fn count(sql: &Client, what: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {what}");
    sql.query_one(&count, &[]).await.unwrap().get(0)
}

async fn announced(sql: &Client) -> i64 {
    count(sql, "task_changes WHERE names_ahead_of IS NOT NULL").await
}

async fn assert_verified(sql: &Client) {
    let verify = "SELECT task_counts_verify('demo')";
    let wrong: i64 = sql.query_one(verify, &[]).await.unwrap().get(0);
    assert_eq!(wrong, 0);
}

/// All names are in the index, each once.
async fn assert_followed(sql: &Client) {
    assert_eq!(announced(sql).await, 0);
    assert_eq!(pending_names(sql).await, 0);
    assert_eq!(wrong_rows(sql).await, 0);
    assert_exact(sql).await;
    assert_verified(sql).await;
}

/// Makes imports wait between their commits, until [`import_held`] has done what it has to do there.
async fn hold(database: &Database) -> Client {
    let holder = database.client().await;
    holder.batch_execute(HOLD).await.unwrap();
    holder
}

/// Imports, and runs `between` after the first commit and before the second.
async fn import_held(
    database: &Database,
    holder: Client,
    sql: &Client,
    between: impl AsyncFnOnce() -> (),
) -> Output {
    let held = async {
        let is_held = async || database.count_backends(sql, HELD).await == 1;
        eventually("the import is between its commits", PATIENCE, is_held).await;
        between().await;
        holder.batch_execute(RELEASE).await.unwrap();
    };
    tokio::join!(import(database, "Spring"), held).0
}

async fn assert_exact_between(sql: &Client) {
    assert_exact(sql).await;
    let changes = insert("p", "'Spring #3'", "1, 3")
        + "; UPDATE tasks SET name = 'Spring' WHERE task_id = 'o1'";
    sql.batch_execute(&changes).await.unwrap();
    assert_exact(sql).await;
    // It counts, and leaves the names alone.
    compact(sql).await;
    assert_eq!(announced(sql).await, 1);
    assert!(pending_names(sql).await > 4);
    assert_eq!(
        count(sql, "task_changes WHERE was <> status AND NOT name_pending").await,
        0
    );
    assert!(count(sql, "task_search").await >= TASKS as i64);
    assert_exact(sql).await;
    assert_verified(sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_exact_between_the_commits_of_an_import() {
    let (database, sql) = demo().await;
    sql.batch_execute(&before()).await.unwrap();
    let holder = hold(&database).await;
    let between = async || assert_exact_between(&sql).await;
    let output = import_held(&database, holder, &sql, between).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    compact(&sql).await;
    assert_followed(&sql).await;
    assert_eq!(count(&sql, "task_search").await, TASKS as i64 + 4);
}

/// The names are there, and their tasks never come. The compaction removes them.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_an_import_that_ends_between_its_commits_are_removed() {
    let (database, sql) = demo().await;
    sql.batch_execute(&before()).await.unwrap();
    let holder = hold(&database).await;
    let between = async || {
        assert_exact_between(&sql).await;
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {HELD} AND application_name = $1"
        );
        sql.execute(&end, &[&database.application]).await.unwrap();
        let is_gone = async || database.count_backends(&sql, HELD).await == 0;
        eventually("the session has ended", PATIENCE, is_gone).await;
    };
    let output = import_held(&database, holder, &sql, between).await;
    assert!(!output.status.success());
    assert_eq!(announced(&sql).await, 1);
    assert_exact(&sql).await;
    assert_verified(&sql).await;
    // An id of the import, with another name, and a new one for the task that it would have replaced.
    let others = insert("m", "'Autumn again #' || n", "2, 3")
        + "; UPDATE tasks SET name = '回访' WHERE task_id = 'm0'";
    sql.batch_execute(&others).await.unwrap();
    assert_exact(&sql).await;
    compact(&sql).await;
    assert_followed(&sql).await;
    let output = import(&database, "Spring").await;
    assert!(output.status.success());
    compact(&sql).await;
    assert_followed(&sql).await;
}

/// The import finds a task that it has to replace, and another writer deletes it first.
#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_task_that_somebody_else_deleted_is_found() {
    let (database, sql) = demo().await;
    sql.batch_execute(&before()).await.unwrap();
    let (holder, other) = (hold(&database).await, database.client().await);
    let delete = "BEGIN; DELETE FROM tasks WHERE task_id = 'm0'";
    other.batch_execute(delete).await.unwrap();
    let deleted = async {
        let waits = "wait_event_type = 'Lock' AND query LIKE 'DELETE FROM tasks%'";
        let is_waiting = async || database.count_backends(&sql, waits).await == 1;
        eventually("the import waits", PATIENCE, is_waiting).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let between = async || {
        compact(&sql).await;
        assert_exact(&sql).await;
    };
    let (output, ()) = tokio::join!(import_held(&database, holder, &sql, between), deleted);
    assert!(output.status.success());
    compact(&sql).await;
    assert_followed(&sql).await;
}

/// Somebody waits for a lock on the table of names when the second session would begin: the names are written with the tasks.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_not_wait_for_who_waits_for_it() {
    let (database, sql) = demo().await;
    sql.batch_execute(&before()).await.unwrap();
    let (other, builder) = (database.client().await, database.client().await);
    let delete = "BEGIN; DELETE FROM tasks WHERE task_id = 'm0'";
    other.batch_execute(delete).await.unwrap();
    let held = async {
        let waiting = async |query: &str| {
            let waits = format!("wait_event_type = 'Lock' AND query LIKE '{query}%'");
            let is_waiting = async || database.count_backends(&sql, &waits).await == 1;
            eventually("a session waits", PATIENCE, is_waiting).await;
        };
        waiting("DELETE FROM tasks").await;
        let build = async {
            let build = "BEGIN; LOCK TABLE task_search IN SHARE MODE; COMMIT";
            builder.batch_execute(build).await.unwrap();
        };
        let go_on = async {
            waiting("BEGIN; LOCK TABLE task_search").await;
            other.batch_execute("COMMIT").await.unwrap();
        };
        tokio::join!(build, go_on);
    };
    let (output, ()) = tokio::join!(import(&database, "Spring"), held);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    compact(&sql).await;
    assert_followed(&sql).await;
}

/// It waits for the import, and the import does not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_truncate_between_the_commits_leaves_nothing() {
    let (database, sql) = demo().await;
    let (holder, other) = (hold(&database).await, database.client().await);
    let mut truncated = None;
    let between = async || {
        let truncate = async move { other.batch_execute("TRUNCATE tasks").await };
        truncated = Some(tokio::spawn(truncate));
        let waits = "wait_event_type = 'Lock' AND query = 'TRUNCATE tasks'";
        let is_waiting = async || database.count_backends(&sql, waits).await == 1;
        eventually("the truncate waits", PATIENCE, is_waiting).await;
    };
    let output = import_held(&database, holder, &sql, between).await;
    assert!(output.status.success());
    truncated.unwrap().await.unwrap().unwrap();
    assert_eq!(count(&sql, "tasks").await, 0);
    compact(&sql).await;
    assert_eq!(count(&sql, "task_search").await, 0);
    assert_followed(&sql).await;
}

/// A dump may have been made between two commits. The number of the transaction then means another one, or none.
#[tokio::test(flavor = "multi_thread")]
async fn names_ahead_of_a_transaction_of_another_server_are_removed() {
    let (_database, sql) = demo().await;
    sql.batch_execute(&insert("m", "'Spring #' || n", "1, 30"))
        .await
        .unwrap();
    compact(&sql).await;
    let known = "SELECT pg_current_xact_id()::text::bigint";
    let known: i64 = sql.query_one(known, &[]).await.unwrap().get(0);
    // One that committed, one that nobody has begun, and one that is too old to be known.
    for transaction in [known, known + 1_000_000_000, 3] {
        let announce = format!(
            "INSERT INTO task_search SELECT tenant_id, 'gone' || task_id, name FROM task_search WHERE task_id < 'm2';
             INSERT INTO task_search SELECT tenant_id, task_id, 'autumn' FROM task_search WHERE task_id = 'm3';
             INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending, names_ahead_of)
             VALUES ('demo', now(), now(), now(), '', 1, 1, true, {transaction})"
        );
        sql.batch_execute(&announce).await.unwrap();
        assert_exact(&sql).await;
        assert_verified(&sql).await;
        compact(&sql).await;
        assert_followed(&sql).await;
    }
}

/// A downgrade in that state.
#[tokio::test(flavor = "multi_thread")]
async fn a_downgrade_leaves_no_names_without_tasks() {
    let (database, sql) = demo().await;
    let between = "INSERT INTO task_search VALUES ('demo', 'gone', 'spring');
        INSERT INTO task_changes (tenant_id, start_time, created_at, end_time, task_id, was, status, name_pending, names_ahead_of)
        VALUES ('demo', now(), now(), now(), '', 1, 1, true, 3)";
    sql.batch_execute(between).await.unwrap();
    while count(&sql, "information_schema.columns WHERE table_schema = current_schema() AND column_name = 'names_ahead_of'").await > 0 {
        database.succeed(&["migrate", "revert"], b"").await;
    }
    let sql = database.client().await;
    assert_exact(&sql).await;
    compact(&sql).await;
    assert_eq!(wrong_rows(&sql).await, 0);
    database.succeed(&["migrate"], b"").await;
}

/// Imports that replace each other's tasks, beside readers, the compaction, and a writer of single tasks.
#[tokio::test(flavor = "multi_thread")]
async fn searches_are_exact_beside_imports() {
    let (database, sql) = demo().await;
    let (compactor, writer, reader) = (
        database.client().await,
        database.client().await,
        database.client().await,
    );
    let imports = async {
        for name in ["Spring", "AUTUMN", "回访", "Spring"] {
            // It loses a race if the writer creates a task that was not there a moment ago.
            while let output = import(&database, name).await
                && !output.status.success()
            {
                let said = String::from_utf8(output.stderr).unwrap();
                assert!(said.contains("another writer created tasks"), "{said}");
            }
        }
    };
    let others = async {
        for round in 0.. {
            compact(&compactor).await;
            // An import may hold the task.
            let change = match round % 3 {
                0 => "DELETE FROM tasks WHERE task_id IN ('m8', 'm9')".to_owned(),
                1 => insert("m", "'Autumn #' || n", "8, 8"),
                _ => "UPDATE tasks SET name = 'Autumn' WHERE task_id = 'm7'".to_owned(),
            };
            let change = format!("SET lock_timeout = '10ms'; {change}");
            let _ = writer.batch_execute(&change).await;
            let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ";
            reader.batch_execute(begin).await.unwrap();
            assert_exact(&reader).await;
            assert_verified(&reader).await;
            reader.batch_execute("COMMIT").await.unwrap();
        }
    };
    tokio::select! {
        () = imports => {}
        () = others => {}
    }
    // It waits for the interrupted compaction.
    sql.batch_execute("SELECT task_counts_rebuild('demo')")
        .await
        .unwrap();
    assert_followed(&sql).await;
}

/// A dry run leaves no names.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_leaves_no_names() {
    let (database, sql) = demo().await;
    let arguments = ["import", "-", "--tenant=demo", "--dry-run"];
    let file = file("Spring");
    database.succeed(&arguments, file.as_bytes()).await;
    assert_followed(&sql).await;
    assert_eq!(count(&sql, "task_search").await, 0);
}
