//! `src/db/functions` has the current source of every SQL function, which would otherwise be spread over the migrations:
//! one file for each, with the function's name. Above the definition a file may have comments. The rest is PostgreSQL's
//! own output.

use std::{collections::BTreeMap, fs};

use crate::support::database::Database;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/db/functions");

/// The output of a migrated database for each function: its definition, its comment, the triggers that call it.
async fn definitions(database: &Database) -> BTreeMap<String, String> {
    let client = database.client().await;
    let sql = "
        SELECT p.proname::text, pg_get_functiondef(p.oid), obj_description(p.oid, 'pg_proc'),
            (SELECT string_agg(pg_get_triggerdef(t.oid, true) || E';\\n', '' ORDER BY t.tgname)
             FROM pg_trigger t WHERE t.tgfoid = p.oid), current_schema()::text
        FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace ORDER BY p.proname, p.oid";
    let mut definitions = BTreeMap::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let name: String = row.get(0);
        let own: String = row.get(4); // the test's own schema
        let mut text = row.get::<_, String>(1).replacen(&format!("{own}."), "", 1);
        // The schema of the tables; most databases have them in public.
        let path = |schema: &str| format!("SET search_path TO '{schema}'");
        text = text.replace(&path(&own), &path("public"));
        text = text.replace(&format!("{own}."), "public.");
        text.truncate(text.trim_end().len());
        text.push_str(";\n");
        if let Some(comment) = row.get::<_, Option<String>>(2) {
            let comment = comment.replace('\'', "''");
            text.push_str(&format!("\nCOMMENT ON FUNCTION {name} IS '{comment}';\n"));
        }
        if let Some(triggers) = row.get::<_, Option<String>>(3) {
            text.push('\n');
            text.push_str(&triggers);
        }
        let before = definitions.insert(name.clone(), text);
        assert!(before.is_none(), "two functions have the name {name}");
    }
    definitions
}

/// A file's handwritten comments and its definition.
fn split(text: &str) -> (&str, &str) {
    let length = text
        .split_inclusive('\n')
        .take_while(|line| line.starts_with("--"))
        .map(str::len)
        .sum();
    text.split_at(length)
}

/// With UPDATE_FUNCTIONS=1 the test writes the files, with their present comments.
#[tokio::test(flavor = "multi_thread")]
async fn the_sources_of_the_functions_are_those_of_the_database() {
    let database = Database::new().await;
    let wanted = definitions(&database).await;
    let update = std::env::var_os("UPDATE_FUNCTIONS").is_some();
    if update {
        for (name, definition) in &wanted {
            let path = format!("{FOLDER}/{name}.sql");
            let before = fs::read_to_string(&path).unwrap_or_default();
            fs::write(path, format!("{}{definition}", split(&before).0)).unwrap();
        }
    }
    let mut found = BTreeMap::new();
    for file in fs::read_dir(FOLDER).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if update && !wanted.contains_key(&name) {
            fs::remove_file(&path).unwrap();
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        found.insert(name, split(&text).1.to_owned());
    }
    let hint = "src/db/functions is not what the migrations make: to change a function, add a migration \
        (migrations/README.md), then run this test with UPDATE_FUNCTIONS=1";
    let names = |of: &BTreeMap<String, String>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted), "{hint}");
    for (name, definition) in &wanted {
        assert_eq!(&found[name], definition, "{name}: {hint}");
    }
}

/// The triggers of single changes, whose bodies name the schema of each table.
const QUALIFIED: [&str; 3] = ["task_revise", "tasks_after_insert", "tasks_after_update"];

/// What a function reads and changes does not depend on the search_path of its caller.
#[tokio::test(flavor = "multi_thread")]
async fn functions_on_tables_have_a_search_path_of_their_own() {
    let database = Database::new().await;
    let sql = "SELECT p.proname::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = current_schema()::regnamespace AND l.lanname = 'plpgsql' AND p.provolatile <> 'i'
            AND coalesce(array_to_string(p.proconfig, ' '), '') NOT LIKE '%search_path=' || current_schema() || ', pg_temp%'
        ORDER BY 1";
    let bare = database.client().await.query(sql, &[]).await.unwrap();
    let bare: Vec<String> = bare.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        bare, QUALIFIED,
        "each other function needs SET search_path FROM CURRENT, which CREATE OR REPLACE resets"
    );
}

/// A session whose search_path leads elsewhere, to temporary tables of the same names, changes tasks as every other one.
#[tokio::test(flavor = "multi_thread")]
async fn triggers_find_their_tables_whatever_the_search_path() {
    let database = Database::demo().await;
    let client = database.client().await;
    let schema: String = client
        .query_one("SELECT current_schema()::text", &[])
        .await
        .unwrap()
        .get(0);
    let tables = ["task_log", "task_changes", "task_search", "task_targets"];
    for table in tables {
        let create = format!("CREATE TEMP TABLE {table} (LIKE {schema}.{table} INCLUDING ALL)");
        client.batch_execute(&create).await.unwrap();
    }
    let changes = format!(
        "CREATE TEMP SEQUENCE task_revisions; SET search_path = pg_temp;
        INSERT INTO {schema}.tasks (tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at,
            target_count, target)
        SELECT 'demo', 'task-' || n, 'name', now(), now(), 1, 0, now(), now(), 0, '{{}}' FROM generate_series(1, 3) AS n;
        UPDATE {schema}.tasks SET status = 2 WHERE task_id = 'task-1';
        UPDATE {schema}.tasks SET name = 'other' WHERE task_id = 'task-1';
        UPDATE {schema}.tasks SET end_time = end_time + interval '1 day' WHERE task_id = 'task-2';
        UPDATE {schema}.tasks SET task_id = 'task-4' WHERE task_id = 'task-3';
        DELETE FROM {schema}.tasks WHERE task_id = 'task-2';"
    );
    client.batch_execute(&changes).await.unwrap();
    for table in tables {
        let count = format!("SELECT count(*) FROM pg_temp.{table}");
        let count: i64 = client.query_one(&count, &[]).await.unwrap().get(0);
        assert_eq!(count, 0, "{table}");
    }
    let log = format!("SELECT count(*) FROM {schema}.task_log");
    let log: i64 = client.query_one(&log, &[]).await.unwrap().get(0);
    assert_eq!(
        log, 9,
        "three inserts, four updates of which one renames an id, one delete"
    );
    database.succeed(&["counts", "verify"], b"").await;
}

#[test]
fn comments_above_a_definition_are_no_part_of_it() {
    let (comments, definition) = split("-- one\n-- two\nCREATE OR REPLACE\n-- inside\n");
    assert_eq!(comments, "-- one\n-- two\n");
    assert_eq!(definition, "CREATE OR REPLACE\n-- inside\n");
    assert_eq!(split("CREATE\n"), ("", "CREATE\n"));
}
