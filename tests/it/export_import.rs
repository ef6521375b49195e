//! `import` reads what `export` writes, without a loss.

use std::path::Path;

use crate::support::{
    TempDir,
    database::Database,
    server::Server,
    tasks::{Json, bank_tasks, task, to_ndjson},
};

/// All tasks of a tenant as they are stored, without revision and generation, which no two rows share.
pub(crate) async fn stored(database: &Database, tenant: &str) -> Vec<String> {
    let sql = "SELECT (to_jsonb(t) - 'tenant_id' - 'revision' - 'generation')::text
        || coalesce((SELECT jsonb_agg(to_jsonb(g) - 'tenant_id' ORDER BY position)::text FROM task_targets g WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id), '')
        FROM tasks t WHERE tenant_id = $1 ORDER BY task_id";
    let rows = database.client().await.query(sql, &[&tenant]).await;
    rows.unwrap().iter().map(|r| r.get(0)).collect()
}

/// Tasks with values that are hard to write to a file.
pub(crate) fn odd_tasks() -> Vec<Json> {
    let names = [
        "=HYPERLINK(\"http://x\",\"y\")",
        "+1",
        "-1",
        "@sum",
        "\ttab",
        "\rreturn",
        "'=quoted",
        "''+twice",
        "'tis",
        "'",
        "line\nbreak",
        "crlf\r\n",
        "comma, \"quotes\" and 'more'",
        "\"",
        " spaces ",
        "外呼任务 \u{1F4DE}",
        "\u{feff}mark",
        "a;b",
        "\\N",
        "null",
        "\u{1}\u{7f}\u{2028}",
        "\n=line",
        "＝1＋1",
        "\u{3000}\u{200b}＠sum",
        " =1",
        "\"=1",
        "a;=1;'-2;''+3",
        "one\n- two\r\n'= three",
    ];
    let mut tasks = Vec::new();
    for (n, name) in names.into_iter().enumerate() {
        let mut odd = task(
            &format!("{name}{n}"),
            "2023-03-01T10:00:00.000001Z",
            "9999-12-31T23:59:59.999999Z",
            [
                "pending",
                "running",
                "paused",
                "completed",
                "stopped",
                "failed",
            ][n % 6],
        );
        odd["name"] = name.into();
        odd["created_at"] = "0001-01-01T00:00:00Z".into();
        odd["updated_at"] = "2023-03-01T10:00:00.5Z".into();
        odd["progress"] = (n % 101).into();
        let customer = name.replace(';', ",");
        odd["target"] = serde_json::json!([customer, format!("{n}"), format!("{customer}=")]);
        // An export adds both fields. With both of them, the import takes the ids unchanged.
        odd["target_count"] = 3.into();
        odd["status_changed_at"] = odd["created_at"].clone();
        if n % 2 == 0 {
            odd["status_reason"] = name.into();
            odd["status_changed_at"] = "2023-04-01T10:00:00.123Z".into();
        }
        if n % 4 > 0 {
            odd["labels"] = serde_json::json!({"text": name, "empty": "", format!("n/{n}"): "="});
        }
        if n % 3 == 0 {
            odd["target_results"] = serde_json::json!([
                {"customer_id": format!("{n}"), "state": "busy", "attempt": 2, "time": "20230401T10:00:00.25Z"},
                {"customer_id": customer, "state": "answered", "attempt": 1, "time": "2023-04-01"},
            ]);
        }
        tasks.push(odd);
    }
    let mut long = task("long", "2023-03-01", "2023-03-02", "running");
    long["target"] = (0..250).map(|n| format!("c{n}")).collect();
    let states = ["answered", "no_answer", "busy", "failed", "skipped"];
    long["target_results"] = (0..250)
        .rev()
        .step_by(3)
        .map(|n| {
            serde_json::json!({"customer_id": format!("c{n}"), "state": states[n % 5], "attempt": (n + 1) % 5,
                "time": format!("2023-03-01T10:00:00.{n:06}Z")})
        })
        .collect();
    tasks.push(long);
    tasks
}

/// A database with unusual and real tasks of the tenant `demo`.
async fn database() -> Database {
    let database = Database::demo().await;
    let tasks = [odd_tasks(), bank_tasks()].concat();
    database
        .succeed(
            &["import", "-", "--tenant", "demo"],
            to_ndjson(&tasks).as_bytes(),
        )
        .await;
    database
}

async fn export(database: &Database, file: &Path, tenant: &str, more: &[&str]) -> String {
    let arguments = ["export", file.to_str().unwrap(), "--tenant", tenant];
    let output = database.run(&[&arguments, more].concat(), b"").await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_an_export_loses_nothing() {
    let database = database().await;
    let original = stored(&database, "demo").await;
    let dir = TempDir::new();
    for (tenant, name) in [
        ("lines", "tasks.ndjson"),
        ("gzip", "tasks.ndjson.gz"),
        ("rows", "tasks.csv"),
        ("zstd", "tasks.csv.zst"),
    ] {
        database.succeed(&["tenants", "create", tenant], b"").await;
        let file = dir.0.join(name);
        let said = export(&database, &file, "demo", &["--order-by", "name"]).await;
        assert!(said.contains("exported 3927 tasks with "), "{said}");
        let import = ["import", file.to_str().unwrap(), "--tenant", tenant];
        database.succeed(&import, b"").await;
        assert_eq!(stored(&database, tenant).await, original, "{name}");
        let again = dir.0.join(format!("again-{name}"));
        export(&database, &again, tenant, &["--order-by", "name"]).await;
        let (first, second) = (
            std::fs::read(&file).unwrap(),
            std::fs::read(&again).unwrap(),
        );
        assert!(!first.is_empty() && first == second, "{name} differs");
    }
    // No temporary files are left.
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 8);
    let piped = database
        .succeed(&["export", "--tenant", "demo", "--order-by", "name"], b"")
        .await;
    assert_eq!(
        piped.into_bytes(),
        std::fs::read(dir.0.join("tasks.ndjson")).unwrap()
    );
    // The counts of each state are imported too.
    let sql = "SELECT count(*) FROM tasks t WHERE (targets_answered, targets_no_answer, targets_busy, targets_failed,
        targets_skipped) <> (SELECT (count(*) FILTER (WHERE state = 2))::int, (count(*) FILTER (WHERE
        state = 3))::int, (count(*) FILTER (WHERE state = 4))::int, (count(*) FILTER (WHERE state = 5))::int, (count(*)
        FILTER (WHERE state = 6))::int FROM task_targets g WHERE g.tenant_id = t.tenant_id AND g.task_id = t.task_id)";
    let wrong = database.client().await.query_one(sql, &[]).await.unwrap();
    assert_eq!(wrong.get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filters_of_the_list_are_flags() {
    let database = database().await;
    let client = database.client().await;
    for (flags, condition) in [
        (
            &["--status", "active"][..],
            "status IN (1, 2, 3) ORDER BY start_time, task_id",
        ),
        (
            &[
                "--status",
                "completed,failed",
                "--order",
                "desc",
                "--order-by",
                "task_id",
            ],
            "status IN (4, 6) ORDER BY task_id DESC",
        ),
        (
            &[
                "--start-date",
                "2008-06-01",
                "--end-date",
                "20090101",
                "--time-zone",
                "Asia/Shanghai",
            ],
            "start_time >= '2008-06-01+08' AND start_time < '2009-01-02+08' ORDER BY start_time, task_id",
        ),
        (
            &[
                "--end-date",
                "2023-03-01T10:00:01Z",
                "--date-field",
                "updated_at",
                "--order-by",
                "progress",
            ],
            "updated_at < '2023-03-01T10:00:01Z' ORDER BY progress, task_id",
        ),
    ] {
        let sql = format!("SELECT task_id FROM tasks WHERE {condition}");
        let rows = client.query(&sql, &[]).await.unwrap();
        let wanted: Vec<String> = rows.iter().map(|r| r.get(0)).collect();
        let out = database
            .succeed(&[&["export", "--tenant", "demo"], flags].concat(), b"")
            .await;
        let lines = out
            .lines()
            .map(|l| serde_json::from_str::<Json>(l).unwrap());
        let ids: Vec<String> = lines
            .map(|l| l["task_id"].as_str().unwrap().to_owned())
            .collect();
        assert!(!ids.is_empty() && ids == wanted, "{flags:?}");
    }
    for (flags, code) in [
        (&["--status", "asleep"][..], 2),
        (&["--order-by", "target"], 2),
        (&["--start-date", "2023-02-30"], 2),
        (&["tasks.json"], 2),
        (
            &["--start-date", "2023-03-02", "--end-date", "2023-02-01"],
            2,
        ),
        (&["--label", "Region"], 2),
        (&["--name", ""], 2),
        (&["--format", "ndjson", "--bom"], 2),
        (&["/nowhere/tasks.csv"], 1),
    ] {
        let arguments = [&["export", "--tenant", "demo"], flags].concat();
        let output = database.run(&arguments, b"");
        assert_eq!(output.await.status.code(), Some(code), "{flags:?}");
    }
    let output = database.run(&["export", "--tenant", "nobody"], b"").await;
    assert_eq!(output.status.code(), Some(1));
}

/// In CSV, a customer id with a semicolon would be read as two ids.
#[tokio::test(flavor = "multi_thread")]
async fn values_that_csv_cannot_hold_are_refused_and_leave_no_file() {
    let server = Server::start().await;
    let mut odd = task("semi", "2023-03-01", "2023-03-02", "running");
    odd["target"] = serde_json::json!(["a;b"]);
    server.import(&[odd]).await;
    let dir = TempDir::new();
    let file = dir.0.join("tasks.csv.gz");
    std::fs::write(&file, "before").unwrap();
    let arguments = ["export", file.to_str().unwrap(), "--tenant", "demo"];
    let output = server.database.run(&arguments, b"").await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("a;b") && said.contains("export as ndjson"),
        "{said}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), b"before");
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 1);

    let http = server.http();
    let answer = http.get("/api/v1/outboundtasks:export?format=csv").await;
    assert_eq!(answer.status, 409);
    let json = answer.json();
    assert!(
        json["error"]["message"]
            .as_str()
            .unwrap()
            .contains("export as ndjson")
    );
    let answer = http.get("/api/v1/outboundtasks:export").await;
    assert_eq!(answer.status, 200);
}

/// Lists and exports over HTTP can be imported unchanged, if they have every target.
#[tokio::test(flavor = "multi_thread")]
async fn the_answers_of_the_service_can_be_imported() {
    let server = Server::start().await;
    let mut tasks = odd_tasks();
    tasks.pop();
    for task in &mut tasks {
        task.as_object_mut().unwrap().remove("target_results");
    }
    server.import(&tasks).await;
    let original = stored(&server.database, "demo").await;
    let http = server.http();
    let export = "/api/v1/outboundtasks:export?time_format=compact";
    for (tenant, path, format) in [
        ("list", "/api/v1/outboundtasks?limit=1000", "json"),
        ("lines", export, "ndjson"),
        ("rows", &format!("{export}&format=csv"), "csv"),
    ] {
        server.tenant(tenant).await;
        let body = http.get(path).await.body;
        let import = ["import", "-", "--tenant", tenant, "--format", format];
        server.database.succeed(&import, &body).await;
        assert_eq!(stored(&server.database, tenant).await, original, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_results_are_named() {
    let database = Database::demo().await;
    let good = serde_json::json!({"customer_id": "a", "state": "answered", "attempt": 1, "time": "2023-03-01T10:00:00Z"});
    let with = |field: &str, value: Json| {
        let mut result = good.clone();
        result[field] = value;
        result
    };
    let mut without_time = good.clone();
    without_time.as_object_mut().unwrap().remove("time");
    for (results, reported) in [
        (
            serde_json::json!([with("customer_id", "c".into())]),
            "target_results[0].customer_id \"c\" is not in target",
        ),
        (
            serde_json::json!([good, good]),
            "target_results[1].customer_id \"a\" has a result already",
        ),
        (
            serde_json::json!([with("state", "pending".into())]),
            "target_results[0].state must be one of answered, no_answer",
        ),
        (
            serde_json::json!([with("state", "asleep".into())]),
            "was \"asleep\"",
        ),
        (
            serde_json::json!([with("time", "2023-02-30".into())]),
            "target_results[0].time must be a time",
        ),
        (
            serde_json::json!([with("attempt", (-1).into())]),
            "target_results[0].attempt must be 1 to 2147483647, was -1",
        ),
        (
            serde_json::json!([with("attempt", "1".into())]),
            "target_results[0] must be an object with customer_id",
        ),
        (
            serde_json::json!([with("colour", "red".into())]),
            "target_results[0] must be an object with customer_id",
        ),
        (
            serde_json::json!([good, without_time]),
            "target_results[1] must be an object with customer_id",
        ),
        (
            serde_json::json!({"a": 1}),
            "target_results must be a list of objects",
        ),
        (
            vec![with("state", "x".into()); 12].into(),
            "target_results has 2 more invalid results",
        ),
    ] {
        let mut record = task("t", "2023-03-01", "2023-03-02", "running");
        record["target"] = serde_json::json!(["a", "b"]);
        record["target_results"] = results;
        let output = database
            .run(
                &["import", "-", "--tenant", "demo"],
                record.to_string().as_bytes(),
            )
            .await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains(reported),
            "{reported}: {said}"
        );
    }
    let mut record = task("t", "2023-03-01", "2023-03-02", "running");
    record["status_reason"] = "x".repeat(1025).into();
    record["status_changed_at"] = "soon".into();
    let record = record.to_string();
    let output = database.run(&["import", "-", "--tenant", "demo"], record.as_bytes());
    let said = String::from_utf8(output.await.stderr).unwrap();
    for reported in ["status_reason must be", "status_changed_at must be"] {
        assert!(said.contains(reported), "{said}");
    }
}
