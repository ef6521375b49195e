//! Exports for Excel: workbooks, CSV with a byte order mark, local times.

use std::{io::Cursor, path::Path};

use calamine::{Data, Reader};

use crate::{
    export_import::{odd_tasks, stored},
    support::{
        TempDir,
        database::Database,
        server::Server,
        tasks::{Json, task, to_ndjson},
    },
};

const EXPORT: &str = "/api/v1/outboundtasks:export";

/// The rows of the only sheet of a workbook.
fn rows(bytes: Vec<u8>) -> Vec<Vec<Data>> {
    let mut book = calamine::open_workbook_auto_from_rs(Cursor::new(bytes)).unwrap();
    assert_eq!(book.sheet_names(), ["tasks"]);
    let range = book.worksheet_range("tasks").unwrap();
    range.rows().map(<[Data]>::to_vec).collect()
}

/// Tasks whose times are hard to write as dates: midnights, an hour that clocks show twice, microseconds, years that
/// spreadsheets do not have.
fn odd_times() -> Vec<Json> {
    let times = [
        ("midnight", "2026-11-25T16:00:00Z", "2026-11-26T16:00:00Z"),
        ("twice", "2023-11-05T05:30:00Z", "2023-11-05T06:30:00Z"),
        ("skipped", "2023-03-12T06:59:59Z", "2023-03-12T07:00:00Z"),
        (
            "micros",
            "2026-11-26T01:00:00.000001Z",
            "2026-11-26T09:59:59.999999Z",
        ),
        (
            "millis",
            "2026-11-26T01:00:00.001Z",
            "2026-11-26T09:59:59.999Z",
        ),
        ("early", "0001-01-01T00:00:00Z", "1900-02-28T12:00:00Z"),
        (
            "late",
            "2079-12-31T23:59:59.000003Z",
            "9999-12-31T23:59:59.999999Z",
        ),
    ];
    let tasks = times.map(|(id, start, end)| task(id, start, end, "running"));
    tasks.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_a_workbook_loses_nothing() {
    let database = Database::demo().await;
    let tasks = [odd_tasks(), odd_times()].concat();
    let import = ["import", "-", "--tenant", "demo"];
    database
        .succeed(&import, to_ndjson(&tasks).as_bytes())
        .await;
    let original = stored(&database, "demo").await;
    let dir = TempDir::new();
    for (tenant, name, flags) in [
        ("utc", "utc.xlsx", &["--time-zone=UTC"][..]),
        ("china", "china.xlsx", &["--time-zone=Asia/Shanghai"]),
        ("york", "york.xlsx.gz", &["--time-zone=America/New_York"]),
        (
            "local",
            "local.csv",
            &["--time-zone=America/New_York", "--time-format=local"],
        ),
        ("compact", "compact.ndjson", &["--time-format=compact"]),
    ] {
        database.succeed(&["tenants", "create", tenant], b"").await;
        let file = dir.0.join(name);
        let file = file.to_str().unwrap();
        let export = [&["export", file, "--tenant=demo"], flags].concat();
        database.succeed(&export, b"").await;
        let zone: Vec<&str> = flags
            .iter()
            .copied()
            .filter(|flag| flag.starts_with("--time-zone"))
            .collect();
        let import = [&["import", file, "--tenant", tenant][..], &zone].concat();
        let said = database.run(&import, b"").await;
        let said = String::from_utf8(said.stderr).unwrap();
        assert_eq!(stored(&database, tenant).await, original, "{name}: {said}");
        assert!(!said.contains("removed"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_has_text_dates_and_numbers() {
    let server = Server::start().await;
    let mut one = task(
        "00123",
        "2026-11-26T01:00:00Z",
        "2026-11-26T10:00:00.5Z",
        "running",
    );
    one["name"] = "=1+1".into();
    one["target"] = serde_json::json!(["13800138000", "+8613900139000"]);
    one["progress"] = 70.into();
    server.import(&[one]).await;
    let http = server.http();
    let query = format!("{EXPORT}?format=xlsx&time_zone=Asia/Shanghai");
    let answer = http.get(&query).await;
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    );
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"outboundtasks.xlsx\""
    );
    let text = |text: &str| Data::String(text.to_owned());
    let table = rows(answer.body);
    let header: Vec<String> = table[0].iter().map(Data::to_string).collect();
    assert_eq!(
        header.join(","),
        "task_id,name,target,start_time,end_time,status,progress,created_at,updated_at,target_count,status_reason,\
        status_changed_at,labels,copied_from"
    );
    let row = &table[1];
    assert_eq!(row[0], text("00123"));
    assert_eq!(row[1], text("=1+1"));
    assert_eq!(row[2], text("13800138000;+8613900139000"));
    let date = |cell: &Data| match cell {
        Data::DateTime(date) => date.to_ymd_hms_milli(),
        other => panic!("{other:?}"),
    };
    assert_eq!(date(&row[3]), (2026, 11, 26, 9, 0, 0, 0));
    assert_eq!(date(&row[4]), (2026, 11, 26, 18, 0, 0, 500));
    assert_eq!((&row[6], &row[9]), (&Data::Float(70.0), &Data::Float(2.0)));
    assert_eq!(table.len(), 2);
    // Of no task there is a workbook too.
    let empty = http
        .get(&format!("{EXPORT}?format=xlsx&status=failed"))
        .await;
    assert_eq!(rows(empty.body).len(), 1);
    // A workbook is compressed already.
    let headers = [("x-api-key", &*server.key), ("accept-encoding", "gzip")];
    let answer = http.send(http::Method::GET, &query, &headers, Vec::new());
    assert_eq!(rows(answer.await.body).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_may_have_a_mark_and_local_times() {
    let server = Server::start().await;
    let mut one = task(
        "a",
        "2026-11-26T01:00:00Z",
        "2026-11-26T16:00:00Z",
        "running",
    );
    one["name"] = "三月".into();
    one["target"] = serde_json::json!(["+8613900139000", "b"]);
    server.import(&[one]).await;
    let original = stored(&server.database, "demo").await;
    let http = server.http();
    let query = "format=csv&bom=true&time_format=local&time_zone=Asia/Shanghai";
    let answer = http.get(&format!("{EXPORT}?{query}")).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let body = String::from_utf8(answer.body).unwrap();
    assert!(body.starts_with("\u{feff}task_id,"), "{body}");
    let row = "\na,三月,\"'+8613900139000;b\",2026-11-26 09:00:00,2026-11-27 00:00:00,running,";
    assert!(body.contains(row), "{body}");
    // A mark is what a spreadsheet writes, so this file is read as one of theirs.
    server.tenant("again").await;
    let import = [
        "import",
        "-",
        "--tenant=again",
        "--format=csv",
        "--time-zone=Asia/Shanghai",
    ];
    server.database.succeed(&import, body.as_bytes()).await;
    assert_eq!(stored(&server.database, "again").await, original);
    let export = [
        "export",
        "--tenant=demo",
        "--format=csv",
        "--bom",
        "--time-format=local",
        "--time-zone=Asia/Shanghai",
    ];
    let written = server.database.succeed(&export, b"").await;
    let (header, rest) = written.split_once('\n').unwrap();
    assert!(header.starts_with('\u{feff}') && header.ends_with(",target_results"));
    assert!(format!("\n{rest}").contains(row), "{rest}");

    for (query, fields) in [
        ("bom=true", &["bom"][..]),
        ("bom=true&format=xlsx", &["bom"]),
        ("time_format=local", &["time_format"]),
        (
            "time_format=lokal&format=csv&bom=1",
            &["bom", "time_format"],
        ),
    ] {
        let answer = http.get(&format!("{EXPORT}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let json = answer.json();
        let details = json["error"]["details"].as_array().unwrap();
        let mut reported: Vec<_> = details
            .iter()
            .map(|d| d["field"].as_str().unwrap())
            .collect();
        reported.sort_unstable();
        assert_eq!(reported, fields, "{query}");
    }
    let answer = http.list("time_format=local").await;
    assert_eq!(answer.status, 400);
    let refused = ["export", "--tenant=demo", "--time-format=local"];
    let refused = server.database.run(&refused, b"").await;
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.contains("cannot be combined with format=ndjson"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sheet_cannot_hold_is_refused_and_leaves_no_file() {
    let server = Server::start().await;
    let mut long = task("long", "2023-03-01", "2023-03-02", "running");
    long["target"] = (0..4000).map(|n| format!("1380013{n:04}")).collect();
    let mut semi = task("semi", "2023-03-01", "2023-03-02", "failed");
    semi["target"] = serde_json::json!(["a;b"]);
    server.import(&[long, semi]).await;
    let dir = TempDir::new();
    let file = dir.0.join("t.xlsx");
    let file = file.to_str().unwrap();
    for (status, reported) in [
        (
            "--status=running",
            "the target of task \"long\" has 47999 characters, and a cell of a workbook holds 32767",
        ),
        ("--status=failed", "a;b"),
    ] {
        let export = ["export", file, "--tenant=demo", status];
        let output = server.database.run(&export, b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(reported) && said.contains("ndjson"), "{said}");
        assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 0);
    }
    let http = server.http();
    let answer = http.get(&format!("{EXPORT}?format=xlsx")).await;
    assert_eq!(answer.status, 409);
    // A list has at most 100 customers of a task, which always fit.
    let answer = http
        .get(&format!("{EXPORT}?format=xlsx&status=running"))
        .await;
    assert_eq!(rows(answer.body).len(), 2);
    for name in ["t.xlsm", "t.ods", "t.json"] {
        let export = ["export", name, "--tenant=demo"];
        let output = server.database.run(&export, b"").await;
        assert_eq!(output.status.code(), Some(2), "{name}");
    }
}

/// The workbooks are our exports of the tasks in the NDJSON file, opened and saved by LibreOffice 7.4: the first of `export
/// export.xlsx --time-zone Asia/Shanghai`, the second of `export export.csv`, all of whose columns were opened as text
/// (`soffice --headless --convert-to xlsx`, with `--infilter` for CSV).
#[tokio::test(flavor = "multi_thread")]
async fn saving_with_libreoffice_changes_nothing() {
    let database = Database::new().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/trade");
    let mut seen = Vec::new();
    for name in [
        "export.ndjson",
        "export_libreoffice.xlsx",
        "export_csv_libreoffice.xlsx",
    ] {
        let tenant = name.replace(['.', '_'], "-");
        database.succeed(&["tenants", "create", &tenant], b"").await;
        let file = folder.join(name);
        let import = [
            "import",
            file.to_str().unwrap(),
            "--tenant",
            &tenant,
            "--time-zone=Asia/Shanghai",
        ];
        database.succeed(&import, b"").await;
        seen.push(stored(&database, &tenant).await);
    }
    assert!(seen[0].len() > 5, "{seen:?}");
    for again in &seen[1..] {
        assert_eq!(*again, seen[0]);
    }
}
