//! The import command: formats, violations, conflicts; all or nothing.

use std::io::Write;

use crate::support::{
    PATIENCE, TempDir,
    database::Database,
    eventually,
    process::kill_import,
    tasks::{Json, bank_tasks, task, to_ndjson},
};

/// Task ids in the database, and the number of targets.
pub(crate) async fn loaded(database: &Database) -> (Vec<String>, i64) {
    let client = database.client().await;
    let ids = client
        .query("SELECT task_id FROM tasks ORDER BY task_id", &[])
        .await
        .unwrap();
    let targets = client
        .query_one("SELECT count(*) FROM task_targets", &[])
        .await
        .unwrap();
    (ids.iter().map(|r| r.get(0)).collect(), targets.get(0))
}

/// Runs an import that must fail. Returns its messages.
pub(crate) async fn fails(database: &Database, arguments: &[&str], input: &[u8]) -> String {
    let output = database
        .run(
            &[&["import", "--tenant", "demo"], arguments].concat(),
            input,
        )
        .await;
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

pub(crate) async fn import(database: &Database, arguments: &[&str], input: &[u8]) -> String {
    let output = database
        .run(
            &[&["import", "--tenant", "demo"], arguments].concat(),
            input,
        )
        .await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    stderr
}

pub(crate) fn minimal(id: &str) -> Json {
    task(id, "2023-03-01T10:00:00Z", "20230301T11:00:00Z", "待启动")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_and_packing_loads_the_same() {
    let tasks = &bank_tasks()[..500];
    let ndjson = to_ndjson(tasks);
    let document = serde_json::json!({"total": 500, "tasks": tasks}).to_string();
    let mut csv = String::from(
        "target,task_id,name,start_time,end_time,status,progress,created_at,updated_at\n",
    );
    for task in tasks {
        let text = |field: &str| task[field].as_str().unwrap().to_owned();
        let target: Vec<_> = task["target"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t.as_str().unwrap())
            .collect();
        let times = ["start_time", "end_time", "status"].map(text).join(",");
        let rest = ["created_at", "updated_at"].map(text).join(",");
        csv += &format!(
            "{},{},\"{}\",{times},{},{rest}\n",
            target.join(";"),
            text("task_id"),
            text("name"),
            task["progress"]
        );
    }
    let gzip = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    // A gzip file may have several members.
    let (half, rest) = ndjson.split_at(ndjson.len() / 2);
    let two_members = [gzip(half), gzip(rest)].concat();
    let dir = TempDir::new();
    let mut seen: Option<Vec<String>> = None;
    for (name, bytes) in [
        ("tasks.ndjson", ndjson.clone().into_bytes()),
        ("tasks.csv", csv.clone().into_bytes()),
        ("tasks.json", document.into_bytes()),
        ("tasks.jsonl.gz", two_members),
        (
            "tasks.csv.zst",
            zstd::encode_all(csv.as_bytes(), 1).unwrap(),
        ),
        (
            "windows.ndjson",
            format!("\u{feff}{}", ndjson.replace('\n', "\r\n")).into_bytes(),
        ),
    ] {
        let path = dir.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        let database = Database::demo().await;
        let said = import(&database, &[path.to_str().unwrap()], b"").await;
        let targets: usize = tasks
            .iter()
            .map(|t| t["target"].as_array().unwrap().len())
            .sum();
        assert!(
            said.contains(&format!("loaded 500 tasks with {targets} targets")),
            "{name}: {said}"
        );
        let client = database.client().await;
        let sql = "SELECT t::text || coalesce((SELECT array_agg(customer_id ORDER BY position)::text FROM task_targets g
            WHERE g.task_id = t.task_id), '') FROM tasks t ORDER BY task_id";
        let rows: Vec<String> = client
            .query(sql, &[])
            .await
            .unwrap()
            .iter()
            .map(|r| r.get(0))
            .collect();
        assert_eq!(*seen.get_or_insert(rows.clone()), rows, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_named_and_nothing_is_loaded() {
    let database = Database::demo().await;
    let mut long = minimal("long");
    long["name"] = "x".repeat(257).into();
    let lines = [
        minimal("good-1").to_string(),
        r#"{"task_id":"a","name":"a","start_time":"2023-02-30T00:00:00Z","end_time":"300000-01-01T00:00:00Z"}"#.into(),
        "not json".into(),
        String::new(),
        r#"{"name":"no times","colour":"red"}"#.into(),
        long.to_string(),
        task("late", "2023-03-02T10:00:00Z", "2023-03-01T10:00:00Z", "running").to_string(),
        r#"{"task_id":"nul\u0000","name":"x","start_time":"20230301T10:00:00Z","end_time":"20230301T10:00:00Z"}"#.into(),
        task("word", "2023-03-01T10:00:00Z", "2023-03-01T11:00:00Z", "asleep").to_string(),
        minimal("good-1").to_string(),
        minimal("good-2").to_string(),
    ];
    let mut input = lines.join("\n").into_bytes();
    input.extend(b"\n{\"name\":\"\xff\xfe\"}\n");
    let said = fails(&database, &["-"], &input).await;
    for (line, fields) in [
        (2, &["start_time", "end_time"][..]),
        (3, &["record"]),
        (5, &["start_time", "end_time", "colour"]),
        (6, &["name"]),
        (7, &["end_time"]),
        (8, &["task_id"]),
        (9, &["status"]),
        (10, &["task_id"]),
        (12, &["record"]),
    ] {
        let reported = said
            .lines()
            .find(|l| l.starts_with(&format!("line {line}:")));
        let reported = reported.unwrap_or_else(|| panic!("line {line} is not reported: {said}"));
        assert!(fields.iter().all(|f| reported.contains(f)), "{reported}");
    }
    assert_eq!(
        said.lines().filter(|l| l.starts_with("line ")).count(),
        9,
        "{said}"
    );
    assert_eq!(loaded(&database).await, (vec![], 0));

    // With a file of rejects the valid tasks are imported, and the file has the invalid ones unchanged.
    let dir = TempDir::new();
    let rejects = dir.0.join("rejects.ndjson");
    let said = import(
        &database,
        &["-", "--rejects", rejects.to_str().unwrap()],
        &input,
    )
    .await;
    assert!(said.contains("loaded 2 tasks"), "{said}");
    assert_eq!(loaded(&database).await.0, ["good-1", "good-2"]);
    let left = std::fs::read(&rejects).unwrap();
    let left: Vec<&[u8]> = left
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .collect();
    assert_eq!(left.len(), 9);
    assert_eq!(
        (left[0], left[1]),
        (lines[1].as_bytes(), lines[2].as_bytes())
    );
    assert_eq!(left[8], b"{\"name\":\"\xff\xfe\"}");
}

/// A bare date is a day: a start on it is the day's beginning, and an end on it includes the day. In a JSON document of
/// one line, a violation has the number of the task.
#[tokio::test(flavor = "multi_thread")]
async fn bare_dates_are_days_and_tasks_of_a_json_document_are_numbered() {
    let database = Database::demo().await;
    let days = task("days", "2023-03-01", "20230302", "pending");
    let document = serde_json::json!({"total": 2, "tasks": [days, {"name": "x"}]}).to_string();
    let said = fails(&database, &["-", "--format", "json"], document.as_bytes()).await;
    assert!(said.contains("line 1, task 2: start_time"), "{said}");
    import(&database, &["-"], days.to_string().as_bytes()).await;
    let sql = "SELECT (start_time, end_time) = ('2023-03-01Z', '2023-03-03Z') FROM tasks";
    let row = database.client().await.query_one(sql, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_files_load_nothing() {
    let database = Database::demo().await;
    let dir = TempDir::new();
    let ndjson = to_ndjson(&bank_tasks());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(ndjson.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let mut flipped = packed.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    let document = serde_json::json!({"total": 3898, "tasks": bank_tasks()}).to_string();
    let zst = zstd::encode_all(ndjson.as_bytes(), 1).unwrap();
    let csv = "task_id,name,start_time,end_time\na,\"open";
    for (name, bytes, word) in [
        ("cut.ndjson.gz", &packed[..packed.len() / 2], "gzip"),
        ("flipped.ndjson.gz", &flipped[..], "gzip"),
        ("plain.ndjson.gz", ndjson.as_bytes(), "gzip"),
        ("cut.ndjson.zst", &zst[..zst.len() / 2], "zstd"),
        (
            "cut.json",
            &document.as_bytes()[..document.len() / 2],
            "ends in the middle",
        ),
        (
            "tail.json",
            format!("{document} x").as_bytes(),
            "trailing characters",
        ),
        ("none.json", b"{\"total\": 3}".as_slice(), "tasks"),
        (
            "unknown.csv",
            b"task_id,name,start_time,end_time,colour\n",
            "colour",
        ),
        ("missing.csv", b"task_id,name,start_time\n", "end_time"),
        ("open.csv", csv.as_bytes(), "line 2"),
    ] {
        let path = dir.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        let rejects = dir.0.join("rejects");
        for arguments in [vec![], vec!["--rejects", rejects.to_str().unwrap()]] {
            let said = fails(
                &database,
                &[&[path.to_str().unwrap()], &arguments[..]].concat(),
                b"",
            )
            .await;
            assert!(said.contains(word), "{name}: {said}");
            assert!(!said.contains("panicked"), "{name}: {said}");
            assert_eq!(loaded(&database).await, (vec![], 0), "{name}");
        }
    }
    let absent = dir.0.join("absent.csv");
    for path in [&absent, &dir.0] {
        fails(&database, &[path.to_str().unwrap()], b"").await;
    }
    let output = database
        .run(&["import", "-", "--tenant", "nobody"], b"")
        .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        import(&database, &["-"], b"")
            .await
            .contains("loaded 0 tasks")
    );
}

/// More than one batch, ids that are repeated across batches, and all targets in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_loads_whole_or_not_at_all() {
    let database = Database::demo().await;
    let mut input = String::new();
    for n in 0..60_000 {
        let start = "2023-03-01T10:00:00Z";
        input += &format!(
            "{{\"task_id\":\"t{n:06}\",\"name\":\"n\",\"start_time\":\"{start}\",\"end_time\":\"{start}\",\"target\":[\"c{n}\",\"d{n}\"]}}\n"
        );
    }
    let last = minimal("t000000").to_string();
    let said = fails(&database, &["-"], format!("{input}{last}\n").as_bytes()).await;
    assert!(said.contains("line 60001: task_id"), "{said}");
    assert_eq!(loaded(&database).await, (vec![], 0));
    import(&database, &["-"], input.as_bytes()).await;
    let (ids, targets) = loaded(&database).await;
    assert_eq!((ids.len(), targets), (60_000, 120_000));
    let sql =
        "SELECT count(*) FROM tasks t WHERE target = ARRAY(SELECT customer_id FROM task_targets g
        WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id ORDER BY position)";
    let row = database.client().await.query_one(sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 60_000);
}

/// With statistics of an empty table, the planner may use any index to look up an id, and read all of the tenant's
/// tasks.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_into_a_table_known_to_be_empty_looks_ids_up_one_by_one() {
    let database = Database::demo().await;
    database.execute("VACUUM ANALYZE tasks").await;
    let tasks: Vec<_> = (0..20_000).map(|n| minimal(&format!("t{n}"))).collect();
    import(&database, &["-"], to_ndjson(&tasks).as_bytes()).await;
    let client = database.client().await;
    let ended = async || database.count_backends(&client, "true").await == 0;
    eventually("its statistics are there", PATIENCE, ended).await;
    let read = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes \
        WHERE relname = 'tasks' AND schemaname = current_schema()";
    let read: i64 = client.query_one(read, &[]).await.unwrap().get(0);
    // The counts read each task several times. A wrong plan reads thousands of rows for each.
    assert!(read < 1_000_000, "{read} entries were read");
}

/// An import that is killed in the middle leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_stopped_leaves_nothing() {
    let database = Database::demo().await;
    // Enough for a batch.
    let lines: Vec<Json> = (0..12_000).map(|n| minimal(&format!("t{n}"))).collect();
    for (signal, code) in [("INT", Some(1)), ("KILL", None)] {
        let status = kill_import(&database, &[], to_ndjson(&lines), signal).await;
        assert_eq!(status.code(), code);
        assert_eq!(loaded(&database).await, (vec![], 0));
    }
}

/// The tasks are committed by then, so an import that is sent again would find its ids taken.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_succeeds_if_only_the_work_after_its_commit_fails() {
    let database = Database::demo().await;
    let away = "ALTER FUNCTION task_counts_fold(text) RENAME TO task_counts_fold_away";
    database.execute(away).await;
    let said = import(&database, &["-"], to_ndjson(&[minimal("a")]).as_bytes()).await;
    let warning = "all is imported, but the counts could not be compacted";
    assert!(said.contains(warning), "{said}");
    assert_eq!(loaded(&database).await, (vec!["a".to_owned()], 0));
}
