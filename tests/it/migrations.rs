//! Migrations: up, down and up again; two at the same time; what the code expects of the schema.

use std::fmt::Write;

use serde_json::json;
use tokio_postgres::error::SqlState;

use crate::support::{database::Database, server::Server};

/// Other programs write to the tables too. A task with such a value would make every page that holds it an error.
#[tokio::test(flavor = "multi_thread")]
async fn values_that_no_answer_can_show_are_refused() {
    let server = Server::start().await;
    server.database.add_tasks("demo", 1).await;
    let sql = server.database.client().await;
    for set in [
        "start_time = '-infinity'",
        "start_time = '0001-12-31T23:59:59Z BC'",
        "end_time = 'infinity'",
        "end_time = '10000-01-01T00:00:00Z'",
        "created_at = 'infinity'",
        "updated_at = '-infinity'",
        "status_changed_at = 'infinity'",
        "last_result_at = 'infinity'",
        "target = '{NULL}'",
        "target = '{{a,b},{c,d}}'",
        // A key without its value, a value without its key, and the value of another key.
        "labels = '{region}'",
        "labels = '{region=east}'",
        "labels = '{region,tier=gold}'",
        "labels = '{region,region=east,tier}'",
        "labels = '{region=east,region}'",
        "labels = '{{region,region=east},{tier,tier=gold}}'",
        "labels = '{NULL}'",
        "labels = '{region,NULL}'",
        "labels = '{NULL,region=east}'",
        "labels = '{tier,tier=gold,region,region=east}'",
        "labels = '{region,region=east,region,region=west}'",
        "labels = '{\"\",=}'",
        "labels = '{Region,Region=east}'",
        "labels = '{区域,区域=east}'",
        "labels = ARRAY[E'region\\n', E'region\\n=east']",
        "labels = ARRAY[repeat('k', 64), repeat('k', 64) || '=']",
        "labels = ARRAY['region', 'region=' || repeat('华', 256)]",
        "labels = (SELECT array_agg(k || v ORDER BY k, v) FROM generate_series(100, 132) AS k, unnest('{\"\",=}'::text[]) AS v)",
    ] {
        let error = sql.batch_execute(&format!("UPDATE tasks SET {set}")).await;
        let code = error.unwrap_err().code().cloned().unwrap();
        // The length of a task is computed before the constraint is checked.
        let codes = [SqlState::CHECK_VIOLATION, SqlState::DATETIME_FIELD_OVERFLOW];
        assert!(codes.contains(&code), "{set}: {code:?}");
    }
    let last = "start_time = '0001-01-01T00:00:00Z', end_time = '9999-12-31T23:59:59.999999Z'";
    server
        .database
        .execute(&format!("UPDATE tasks SET {last}"))
        .await;
    let list = server.http().list("").await.json();
    assert_eq!(list["tasks"][0]["end_time"], "9999-12-31T23:59:59.999999Z");
    for (set, wanted) in [
        ("labels = '{}'", json!({})),
        (
            "labels = '{\"a.b/c-d_1\",a.b/c-d_1=,ab,\"ab==;\\n\",\"null\",\"null= \"}'",
            json!({"a.b/c-d_1": "", "ab": "=;n", "null": " "}),
        ),
        (
            "labels = ARRAY[repeat('k', 63), repeat('k', 63) || '=' || repeat('华', 255)]",
            json!({"k".repeat(63): "华".repeat(255)}),
        ),
        ("labels = NULL, target = '{}'", json!({})),
    ] {
        let set = format!("UPDATE tasks SET {set}");
        server.database.execute(&set).await;
        let list = server.http().list("").await.json();
        assert_eq!(list["tasks"][0]["labels"], wanted, "{set}");
    }
}

/// Every object of the schema, in one text.
async fn structure(database: &Database) -> String {
    let client = database.client().await;
    let sql = "
        SELECT format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
        FROM information_schema.columns WHERE table_schema = current_schema()
            AND table_name <> '__diesel_schema_migrations'
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
            AND tablename <> '__diesel_schema_migrations'
        UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
            WHERE connamespace = current_schema()::regnamespace
            AND conrelid::regclass::text <> '__diesel_schema_migrations'
        ORDER BY 1";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| row.get::<_, String>(0) + "\n")
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_migration_goes_down_and_up_again() {
    let database = Database::empty().await;
    let count = database
        .succeed(&["migrate", "status"], b"")
        .await
        .lines()
        .count();
    assert!(count >= 2);
    assert_eq!(structure(&database).await, "");
    database.succeed(&["migrate"], b"").await;
    let whole = structure(&database).await;
    assert!(whole.contains("tasks.task_id"));
    for _ in 0..count {
        database.succeed(&["migrate", "revert"], b"").await;
    }
    assert_eq!(
        structure(&database).await,
        "",
        "what reverting leaves behind"
    );
    assert!(
        database
            .succeed(&["migrate", "revert"], b"")
            .await
            .contains("nothing to revert")
    );
    let status = database.succeed(&["migrate", "status"], b"").await;
    assert!(
        status.lines().all(|line| line.starts_with("pending ")),
        "{status}"
    );
    database.succeed(&["migrate", "run"], b"").await;
    assert_eq!(structure(&database).await, whole);
    let status = database.succeed(&["migrate", "status"], b"").await;
    assert!(
        status.lines().all(|line| line.starts_with("applied ")),
        "{status}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_migrations_apply_each_step_once() {
    let database = Database::empty().await;
    let outputs = tokio::join!(
        database.succeed(&["migrate"], b""),
        database.succeed(&["migrate"], b""),
        database.succeed(&["migrate"], b""),
    );
    let lines: Vec<&str> = [&outputs.0, &outputs.1, &outputs.2]
        .into_iter()
        .flat_map(|o| o.lines())
        .collect();
    let applied = lines.iter().filter(|l| l.starts_with("applied ")).count();
    let status = database.succeed(&["migrate", "status"], b"").await;
    assert_eq!(applied, status.lines().count());
}

/// Every table and column has a comment, unless its name explains it.
#[tokio::test(flavor = "multi_thread")]
async fn every_table_has_a_comment() {
    let database = Database::new().await;
    let sql = "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace
        AND relkind = 'r' AND relname <> '__diesel_schema_migrations' AND obj_description(oid) IS NULL";
    let bare = database.client().await.query(sql, &[]).await.unwrap();
    assert!(bare.is_empty(), "{bare:?}");
}

/// `src/db/schema.rs` agrees with the migrated database. With UPDATE_SCHEMA=1 the test writes the file.
#[tokio::test(flavor = "multi_thread")]
async fn schema_rs_matches_the_migrations() {
    let database = Database::new().await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/db/schema.rs");
    let generated = schema_rs(&database).await;
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        generated,
        "run this test with UPDATE_SCHEMA=1"
    );
}

async fn schema_rs(database: &Database) -> String {
    let client = database.client().await;
    let sql = "
        SELECT c.table_name::text, c.column_name::text, c.udt_name::text, c.is_nullable = 'YES',
            (SELECT string_agg(k.column_name, ', ' ORDER BY k.ordinal_position)
             FROM information_schema.table_constraints t JOIN information_schema.key_column_usage k
                USING (constraint_schema, constraint_name)
             WHERE t.constraint_type = 'PRIMARY KEY' AND t.table_schema = c.table_schema
                AND t.table_name = c.table_name)
        FROM information_schema.columns c WHERE c.table_schema = current_schema()
            AND c.table_name <> '__diesel_schema_migrations'
            -- Diesel's tables have a primary key. SQL functions read the others.
            AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.table_name::regclass AND i.indisprimary)
        ORDER BY c.table_name, c.ordinal_position";
    let mut text = String::from(
        "// Generated from the migrated database by the test `schema_rs_matches_the_migrations`; do not edit.\n",
    );
    let mut table = String::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let [name, column, kind, _] = [0, 1, 2, 4].map(|n| row.get::<_, String>(n));
        if name != table {
            if !table.is_empty() {
                text.push_str("    }\n}\n");
            }
            write!(
                text,
                "\ndiesel::table! {{\n    {name} ({}) {{\n",
                row.get::<_, String>(4)
            )
            .unwrap();
            table = name;
        }
        let kind = match kind.as_str() {
            "bool" => "Bool",
            "text" => "Text",
            "_text" => "Array<Text>",
            "bytea" => "Bytea",
            "int2" => "Int2",
            "int4" => "Int4",
            "int8" => "Int8",
            "jsonb" => "Jsonb",
            "timestamptz" => "Timestamptz",
            other => panic!("{column} is of the type {other}, which schema.rs has no word for yet"),
        };
        let nullable: bool = row.get(3);
        let kind = if nullable {
            format!("Nullable<{kind}>")
        } else {
            kind.to_owned()
        };
        writeln!(text, "        {column} -> {kind},").unwrap();
    }
    text.push_str("    }\n}\n");
    let joins = "
        SELECT format('diesel::joinable!(%s -> %s (%s));', conrelid::regclass, confrelid::regclass, a.attname)
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace ORDER BY 1";
    text.push('\n');
    for row in client.query(joins, &[]).await.unwrap() {
        let join: String = row.get(0);
        let tables = join
            .trim_start_matches("diesel::joinable!(")
            .replace(" -> ", ", ");
        let tables = tables.split(" (").next().unwrap();
        writeln!(
            text,
            "{join}\ndiesel::allow_tables_to_appear_in_same_query!({tables});"
        )
        .unwrap();
    }
    text
}
