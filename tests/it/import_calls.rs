//! Imports over the network: what they load and report.

use outbound_tasks::pb::{
    ImportConflict, ImportFormat, ImportTargetOptions, ImportTaskOptions, TaskEventKind, TaskStatus,
};
use tonic::Code;

use crate::support::{
    client::{Client, fields},
    database::Database,
    import::{import, import_leads, options},
    server::{Server, options as server_options},
    tasks::{Json, task, to_ndjson},
    watch::Picture,
};

pub(crate) async fn start() -> (Server, Client) {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    (server, client)
}

fn pending(id: &str, target: &[&str]) -> Json {
    let mut task = task(id, "2023-03-01", "2023-03-02", "pending");
    task["target"] = target.into();
    task
}

fn ndjson() -> ImportTaskOptions {
    options(ImportFormat::Ndjson)
}

/// All tasks of a tenant as its export has them, without the times and etags of their own service.
pub(crate) async fn stored(database: &Database, tenant: &str) -> Vec<Json> {
    let mut tasks = database.exported(tenant).await;
    for task in &mut tasks {
        task.as_object_mut().unwrap().remove("etag");
    }
    tasks
}

/// The same file gives the same tasks over the network and from the command with a database, wherever its chunks end.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_loads_what_the_command_loads() {
    let (server, client) = start().await;
    server.tenant("other").await;
    let (gbk, _, _) = encoding_rs::GB18030.encode(
        "任务ID;任务名称;手机号;开始时间;结束时间;状态;进度(%);创建时间;更新时间;备注\r\n\
        j-1;三月信用卡活动（一）;１３８；139、138;2023/3/1 9:00;2023/3/2;进行中;70%;2023/3/1;2023/3/1;x\r\n;;;\r\n\
        j-2;春季回访;;2023/3/1;2023/3/2;待定;;2023/3/1;2023/3/1;y\r\n",
    );
    let mut called = pending("c-1", &["1", "2", "3"]);
    called["target_results"] = serde_json::json!([
        {"customer_id": "2", "state": "answered", "attempt": 2, "time": "2023-03-01T10:00:00Z"},
        {"customer_id": "3", "state": "busy", "attempt": 1, "time": "2023-03-01T10:00:00Z"},
    ]);
    called["status"] = "stopped".into();
    called["status_reason"] = "\\ \"quoted\", {with} 'signs'".into();
    called["target"] = serde_json::json!(["1", "2", "3", "a\"b\\c,{}"]);
    called["status_changed_at"] = "2023-03-01T12:00:00Z".into();
    called["created_at"] = "2023-02-01T12:00:00Z".into();
    called["updated_at"] = "2023-03-01T12:00:00Z".into();
    let called = to_ndjson(&[called]);
    for (format, flags, options, file) in [
        (
            "csv",
            &[
                "--time-zone=Asia/Shanghai",
                "--ignore-unknown",
                "--status-map=待定=paused",
                "--default=progress=5",
            ][..],
            ImportTaskOptions {
                time_zone: "Asia/Shanghai".into(),
                ignore_unknown: true,
                status_words: [("待定".into(), TaskStatus::Paused.into())].into(),
                defaults: [("progress".into(), "5".into())].into(),
                ..options(ImportFormat::Csv)
            },
            &gbk[..],
        ),
        ("ndjson", &[], ndjson(), called.as_bytes()),
        (
            "json",
            &["--root=a.b", "--map=name=title"],
            ImportTaskOptions {
                root: "a.b".into(),
                field_names: [("name".into(), "title".into())].into(),
                ..options(ImportFormat::Json)
            },
            r#"{"a":{"b":[{"task_id":7,"title":"名","start_time":"2023-03-01","end_time":"2023-03-02","created_at":"2023-03-01","updated_at":"2023-03-01"}]}}"#
                .as_bytes(),
        ),
    ] {
        let format = format!("--format={format}");
        let command = [&["import", "-", "--tenant=other", &format], flags].concat();
        server.database.succeed(&command, file).await;
        let theirs = stored(&server.database, "other").await;
        for chunk in [1, 7, 100_000] {
            let report = import(&client, options.clone(), file, chunk).await.unwrap();
            assert_eq!(report.tasks, theirs.len() as i64);
            assert_eq!(stored(&server.database, "demo").await, theirs, "{format} in chunks of {chunk}");
            server.database.execute("DELETE FROM tasks WHERE tenant_id = 'demo'").await;
        }
        server.database.execute("DELETE FROM tasks").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_says_how_the_file_was_read() {
    let (_server, client) = start().await;
    let csv = "Task ID,名称,手机号,start_time,end_time,x\n t1,a,１；1，2,2023-03-01,2023-03-02,\nt2,b\n,,\n";
    let options = ImportTaskOptions {
        ignore_unknown: true,
        defaults: ["start_time", "end_time"]
            .map(|field| (field.to_owned(), "2023-03-01".to_owned()))
            .into(),
        dry_run: true,
        ..options(ImportFormat::Csv)
    };
    let (gbk, _, _) = encoding_rs::GB18030.encode(csv);
    let report = import(&client, options.clone(), &gbk, 10).await.unwrap();
    let reading = report.reading.unwrap();
    assert_eq!((&*reading.encoding, &*reading.delimiter), ("GB18030", ","));
    assert_eq!(
        (reading.blank_rows, &reading.ignored[..]),
        (1, &["x".to_owned()][..])
    );
    let renamed: Vec<_> = reading
        .renamed
        .iter()
        .map(|r| (&*r.name, &*r.field))
        .collect();
    assert_eq!(
        renamed,
        [
            ("Task ID", "task_id"),
            ("名称", "name"),
            ("手机号", "target")
        ]
    );
    let repairs = report.repairs.unwrap();
    assert_eq!(
        (repairs.trimmed, repairs.digits, repairs.separators),
        (1, 1, 1)
    );
    assert_eq!((repairs.short_rows, repairs.defaults), (1, 2));
    assert_eq!(
        (report.tasks, report.targets, report.repeated_customers),
        (2, 2, 1)
    );
    // It was a dry run.
    let report = import(&client, options, csv.as_bytes(), 10).await.unwrap();
    assert_eq!(report.reading.unwrap().encoding, "UTF-8");
    assert_eq!(client.totals().await.0, 0);
}

/// An error in the last record undoes all; the error names records by line and field, and a dry run lists up to 100.
#[tokio::test(flavor = "multi_thread")]
async fn one_bad_record_undoes_all() {
    let (server, client) = start().await;
    let mut tasks: Vec<Json> = (0..12_000)
        .map(|n| pending(&format!("t{n:05}"), &["1"]))
        .collect();
    tasks.last_mut().unwrap()["progress"] = 105.into();
    let file = to_ndjson(&tasks);
    let refused = import(&client, ndjson(), file.as_bytes(), 100_000)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(fields(&refused), ["line 12000: progress"]);
    let wanted = "1 of 12000 records are bad, so nothing was loaded: line 12000: progress must be 0 to 100, was 105";
    assert_eq!(refused.message(), wanted);
    assert!(stored(&server.database, "demo").await.is_empty());

    let bad: String = (0..150)
        .map(|n| format!("{{\"task_id\":\"x{n}\"}}\n"))
        .collect();
    let options = ImportTaskOptions {
        dry_run: true,
        ..ndjson()
    };
    let report = import(&client, options, bad.as_bytes(), 1000)
        .await
        .unwrap();
    assert_eq!(
        (report.tasks, report.bad_records, report.errors.len()),
        (0, 150, 100)
    );
    assert_eq!(
        report.refusal,
        "150 of 150 records are bad, so nothing was loaded"
    );
    let last = &report.errors[99];
    assert_eq!(
        (last.line, last.record, last.violations.len()),
        (100, 100, 3)
    );
    assert_eq!(last.violations[0].field, "name");
    let refused = import(&client, ndjson(), bad.as_bytes(), 1000)
        .await
        .unwrap_err();
    assert!(refused.message().contains("150 of 150 records are bad"));
    assert!(
        refused.message().ends_with(" more"),
        "{}",
        refused.message()
    );

    let broken = [
        (ImportFormat::Json, &b"{\"tasks\":["[..]),
        (ImportFormat::Csv, b""),
        (ImportFormat::Workbook, b"PK\x03\x04 no workbook"),
        (ImportFormat::Csv, b"a,b\n1,2\n"),
    ];
    for (format, file) in broken {
        let refused = import(&client, crate::support::import::options(format), file, 5).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        assert_eq!(fields(&refused), ["chunk"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_tasks_have_events_and_appear_in_watches() {
    let (server, client) = start().await;
    let mut picture = Picture::default();
    let mut watch = picture.begin_and_read(&server).await;
    let mut second = pending("b", &["1"]);
    second["status"] = "running".into();
    second["progress"] = 70.into();
    second["updated_at"] = "2020-01-01".into();
    let file = to_ndjson(&[pending("a", &["1", "2"]), second]);
    import(&client, ndjson(), file.as_bytes(), 50)
        .await
        .unwrap();
    picture.follow(&mut watch, |p| p.tasks.len() == 2).await;
    assert_eq!(picture.tasks["b"].progress, 70);
    let key_id = outbound_tasks::domain::key::ApiKey::parse(&server.key)
        .unwrap()
        .id;
    let events = client.events("b").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind(), TaskEventKind::Created);
    assert_eq!(events[0].key_id, key_id.as_str());
    let changed: Vec<_> = events[0]
        .changes
        .iter()
        .map(|c| (&*c.field, &*c.new_value))
        .collect();
    assert!(changed.contains(&("status", "running")), "{changed:?}");
    assert!(changed.contains(&("progress", "70")), "{changed:?}");
    let age = "SELECT max(now() - at) < interval '1 hour' FROM task_events";
    let sql = server.database.client().await;
    assert!(sql.query_one(age, &[]).await.unwrap().get::<_, bool>(0));

    let replace = ImportTaskOptions {
        on_conflict: ImportConflict::Replace.into(),
        ..ndjson()
    };
    let file = to_ndjson(&[
        pending("a", &["3"]),
        pending("a", &["4", "5"]),
        pending("c", &[]),
    ]);
    let report = import(&client, replace, file.as_bytes(), 50).await.unwrap();
    assert_eq!((report.tasks, report.targets, report.replaced), (2, 2, 2));
    picture.follow(&mut watch, |p| p.tasks.len() == 3).await;
    let kinds: Vec<_> = client.events("a").await.iter().map(|e| e.kind()).collect();
    use TaskEventKind::{Created, Deleted};
    assert_eq!(kinds, [Created, Deleted, Created]);
    assert_eq!(client.get("a").await.unwrap().target, ["4", "5"]);

    let skip = ImportTaskOptions {
        on_conflict: ImportConflict::Skip.into(),
        ..ndjson()
    };
    let report = import(&client, skip, file.as_bytes(), 50).await.unwrap();
    assert_eq!((report.tasks, report.skipped), (0, 3));
    let refused = import(&client, ndjson(), file.as_bytes(), 50)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("line 1: task_id \"a\" is taken"),
        "{refused:?}"
    );
}

/// Results of calls are dropped only if the caller says so.
#[tokio::test(flavor = "multi_thread")]
async fn results_are_kept_unless_the_caller_drops_them() {
    let (_server, client) = start().await;
    let mut called = pending("a", &["1", "2"]);
    called["target_results"] = serde_json::json!([
        {"customer_id": "2", "state": "answered", "attempt": 1, "time": "2023-03-01T10:00:00Z"},
    ]);
    let file = to_ndjson(&[called]);
    import(&client, ndjson(), file.as_bytes(), 50)
        .await
        .unwrap();
    let before = client.get("a").await.unwrap();
    assert_eq!(before.target_counts.unwrap().answered, 1);
    let replace = ImportTaskOptions {
        on_conflict: ImportConflict::Replace.into(),
        ..ndjson()
    };
    let report = import(&client, replace.clone(), file.as_bytes(), 50)
        .await
        .unwrap();
    assert_eq!((report.replaced, report.dropped_results), (1, 0));
    let kept = client.get("a").await.unwrap();
    let file = to_ndjson(&[pending("a", &["1", "2"])]);
    let refused = import(&client, replace.clone(), file.as_bytes(), 50)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert_eq!(client.get("a").await.unwrap(), kept);
    let drop = ImportTaskOptions {
        drop_results: true,
        ..replace
    };
    let report = import(&client, drop, file.as_bytes(), 50).await.unwrap();
    assert_eq!((report.replaced, report.dropped_results), (1, 1));
}

/// Row-level security keeps a service that does not own the tables to its tenant, and it imports all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_service_imports_for_each_tenant() {
    let server = Server::start_on(Database::restricted().await, server_options()).await;
    let client = Client::new(&server).await;
    let other = server.tenant("other").await;
    let other = Client::with_key(&server, &other).await;
    let file = to_ndjson(&[pending("a", &["1"]), pending("b", &["2"])]);
    for client in [&client, &other] {
        let report = import(client, ndjson(), file.as_bytes(), 50).await.unwrap();
        assert_eq!((report.tasks, report.targets), (2, 2));
    }
    let replace = ImportTaskOptions {
        on_conflict: ImportConflict::Replace.into(),
        ..ndjson()
    };
    let file = to_ndjson(&[pending("a", &["1", "9"])]);
    import(&other, replace, file.as_bytes(), 50).await.unwrap();
    assert_eq!(other.get("a").await.unwrap().target_count, 2);
    assert_eq!(client.get("a").await.unwrap().target_count, 1);
    let leads = ImportTargetOptions {
        format: ImportFormat::Csv.into(),
        task_id: "b".into(),
        ..Default::default()
    };
    import_leads(&other, leads, b"3\n4\n").await.unwrap();
    assert_eq!(other.get("b").await.unwrap().target_count, 3);
    assert_eq!(client.get("b").await.unwrap().target_count, 1);
}
