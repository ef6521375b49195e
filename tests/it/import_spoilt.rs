//! Files that spreadsheets and other programs changed: blanks, rounded numbers, other separators. An import either gets
//! existing customers from them, or reports violations.

use crate::support::{
    TempDir,
    database::Database,
    tasks::{Json, task},
};

/// Imports from standard input. Returns whether it succeeded, and its messages.
async fn import(database: &Database, format: &str, input: &str) -> (bool, String) {
    let import = ["import", "-", "--tenant=demo", "--format", format];
    let output = database.run(&import, input.as_bytes()).await;
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

/// All tasks in the database, with all targets.
async fn stored(database: &Database) -> Vec<Json> {
    let lines = database
        .succeed(&["export", "--tenant=demo", "--order-by=task_id"], b"")
        .await;
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const HEADER: &str = "task_id,name,target,start_time,end_time,status,progress";

#[tokio::test(flavor = "multi_thread")]
async fn blanks_around_cells_are_removed_and_counted() {
    let database = Database::demo().await;
    let rows = [
        "\u{feff}task_id,name,target,start_time,end_time,status,progress,status_reason\r\n",
        " a1\t,\u{a0}Spring\u{3000},13800138000; 13800138000;\u{200b}13900139000\u{a0} ; 13800138000,",
        " 2023-03-01, 2023-03-01 , running\u{a0},\u{3000}70 , \r\n",
        // Blanks inside a text stay, and there are none around it.
        "b 2,two  words,\u{202d}+86 138 0013 8000\u{202c},2023-03-01,2023-03-01,,,\"two\nlines\"\r\n",
        "c,\" '=x \",'+861; '+862 ,2023-03-01,2023-03-01,,,\r\n",
        "d,no targets, ,2023-03-01,2023-03-01,,,\r\n",
    ];
    let (done, said) = import(&database, "csv", &rows.concat()).await;
    assert!(done, "{said}");
    // Trimmed values. Of a1: id, name, three customer ids, both times, status, progress and the reason. Of b: one
    // customer id. Of c: the name and one customer id. Of d: its targets.
    for reported in [
        "loaded 4 tasks with 5 targets",
        "removed the blanks around 14 values",
        "removed 2 repeated customers",
    ] {
        assert!(said.contains(reported), "{said}");
    }
    let tasks = stored(&database).await;
    let texts = |field: &str| tasks.iter().map(|t| t[field].clone()).collect::<Json>();
    assert_eq!(texts("task_id"), serde_json::json!(["a1", "b 2", "c", "d"]));
    assert_eq!(
        texts("name"),
        serde_json::json!(["Spring", "two  words", "=x", "no targets"])
    );
    assert_eq!(
        texts("status_reason"),
        serde_json::json!(["", "two\nlines", "", ""])
    );
    let wanted = serde_json::json!([
        ["13800138000", "13900139000"],
        ["+86 138 0013 8000"],
        ["+861", "+862"],
        []
    ]);
    assert_eq!(texts("target"), wanted);
    assert_eq!(
        (&tasks[0]["status"], &tasks[0]["progress"]),
        (&"running".into(), &70.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_a_spreadsheet_spoilt_are_refused_by_line_field_and_reason() {
    let database = Database::demo().await;
    let rest = "2023-03-01,2023-03-01,pending,0";
    let rows = [
        format!("t1,a,1.38E+10;13900139000;1.39E+10,{rest}"),
        format!("t2,a,13800138000｜13900139000,{rest}"),
        format!("t3,a,\"13,800,138,000\",{rest}"),
        format!("t4,a,13800138000/13900139000,{rest}"),
        format!("t5,a,\"cust1,cust2\n13900139000\",{rest}"),
        format!("t6,a,13800138000 13900139000,{rest}"),
        format!("t7,a,a\u{1}b;c,{rest}"),
        format!("t8,a,138\u{200b}0013;#N/A;13800138000.0,{rest}"),
        format!("1.2E+05,a,,{rest}"),
        format!("t\u{7}9,bell \u{7},,{rest}"),
        format!("good,a,cust1001;b c,{rest}"),
    ];
    let input = format!("{HEADER}\n{}\n", rows.join("\n"));
    let (done, said) = import(&database, "csv", &input).await;
    assert!(!done && said.contains("10 of 11 records are bad"), "{said}");
    for (line, reported) in [
        (
            2,
            &[
                "target[0] is not an id: a spreadsheet rounded",
                "target[2] is not an id",
                "\"1.38E+10\"",
            ][..],
        ),
        (3, &["target[0] looks like several customer ids", "｜"]),
        (4, &["target[0] looks like several customer ids"]),
        (5, &["target[0] looks like several customer ids", "/"]),
        (
            6,
            &["target[0] looks like several customer ids", "cust1,cust2"],
        ),
        (8, &["target[0] looks like several customer ids", " "]),
        (
            9,
            &["target[0] must not contain the control character U+0001"],
        ),
        (
            10,
            &[
                "target[0] must not contain the invisible character U+200B",
                "target[1] is not an id",
                "target[2] is not an id",
            ],
        ),
        (11, &["task_id is not an id: a spreadsheet rounded"]),
        (
            12,
            &[
                "task_id must not contain the control character U+0007",
                "name must not contain the control character",
            ],
        ),
    ] {
        let start = format!("line {line}: ");
        let found = said.lines().find(|text| text.starts_with(&start));
        let found = found.unwrap_or_else(|| panic!("line {line} is not reported: {said}"));
        assert!(reported.iter().all(|part| found.contains(part)), "{found}");
    }
    assert_eq!(stored(&database).await, [Json::Null; 0]);
}

/// Strings in JSON are not trimmed, since programs write them. But a customer id with a control character or with two
/// numbers is an error.
#[tokio::test(flavor = "multi_thread")]
async fn strings_of_json_are_taken_as_they_are_or_refused() {
    let database = Database::demo().await;
    let with = |target: &[&str]| {
        let mut record = task("t", "2023-03-01", "2023-03-02", "pending");
        record["name"] = " a name ".into();
        record["target"] = target.into();
        record
    };
    for (id, reported) in [
        ("a\u{1}", "the control character U+0001"),
        ("a\0b", "NUL"),
        (" a", "must not begin or end with a blank"),
        ("a\u{a0}", "must not begin or end with a blank"),
        ("1.38E+10", "a spreadsheet rounded"),
        ("13800138000；13900139000", "several customer ids"),
        ("13800138000;13900139000", "several customer ids"),
    ] {
        let record = with(&["good", id]);
        for (format, input) in [
            ("ndjson", record.to_string()),
            (
                "json",
                serde_json::json!({"total": 1, "tasks": [record]}).to_string(),
            ),
        ] {
            let (done, said) = import(&database, format, &input).await;
            assert!(
                !done && said.contains("target[1] ") && said.contains(reported),
                "{id:?}: {said}"
            );
            assert!(said.contains("line 1"), "{said}");
        }
    }
    let (done, said) = import(
        &database,
        "ndjson",
        &with(&["a b", "c;d", "e,f"]).to_string(),
    )
    .await;
    assert!(done && !said.contains("blanks"), "{said}");
    let tasks = stored(&database).await;
    assert_eq!(
        (&tasks[0]["name"], &tasks[0]["target"][1]),
        (&" a name ".into(), &"c;d".into())
    );
}

/// An exported file is imported without a loss, whatever its ids are. A file that a spreadsheet saved is treated as
/// foreign.
#[tokio::test(flavor = "multi_thread")]
async fn our_own_exports_are_read_as_they_are() {
    let database = Database::demo().await;
    let mut odd = task("t", "2023-03-01", "2023-03-02", "pending");
    let target = serde_json::json!([
        " a",
        "a",
        "1.38E+10",
        "138；139",
        "x\u{1}\u{a0}",
        "c,1",
        "c,2,c,3"
    ]);
    odd["target"] = target.clone();
    odd["name"] = "\u{3000}name\u{7} ".into();
    let (done, _) = import(&database, "ndjson", &odd.to_string()).await;
    assert!(!done);
    odd["target_count"] = 7.into();
    odd["status_changed_at"] = "2023-03-01".into();
    let (done, said) = import(&database, "ndjson", &odd.to_string()).await;
    assert!(done, "{said}");
    let original = stored(&database).await;
    let dir = TempDir::new();
    for name in ["t.csv", "t.ndjson", "t.csv.gz"] {
        let file = dir.0.join(name);
        let file = file.to_str().unwrap();
        database
            .succeed(&["export", file, "--tenant=demo"], b"")
            .await;
        let import = ["import", file, "--tenant=demo", "--on-conflict=replace"];
        let output = database.run(&import, b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && !said.contains("blanks"),
            "{said}"
        );
        assert_eq!(stored(&database).await, original, "{name}");
    }
    let csv = std::fs::read_to_string(dir.0.join("t.csv")).unwrap();
    for saved in [csv.replace('\n', "\r\n"), format!("\u{feff}{csv}")] {
        let (done, said) = import(&database, "csv", &saved).await;
        assert!(!done && said.contains("a spreadsheet rounded"), "{said}");
    }
}

/// LibreOffice leaves the header of our export as it is, but not a long number: it saves that rounded.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_with_rounded_numbers_is_refused_unless_they_are_ids() {
    let database = Database::demo().await;
    let mut task = task("1.2E+05", "2023-03-01", "2023-03-02", "pending");
    task["target"] = serde_json::json!(["1.38E+10"]);
    (task["target_count"], task["status_changed_at"]) = (1.into(), "2023-03-01".into());
    let (done, said) = import(&database, "ndjson", &task.to_string()).await;
    assert!(done, "{said}");
    let export = ["export", "--tenant=demo", "-", "--format=csv"];
    let csv = database.succeed(&export, b"").await;
    let original = stored(&database).await;
    database.execute("DELETE FROM tasks").await;
    let (done, said) = import(&database, "csv", &csv).await;
    assert!(done, "{said}");
    assert_eq!(stored(&database).await, original);

    let saved = csv.replace("\"1.38E+10\"", "6.22202123456789E+017");
    let saved = saved.replace("\"1.2E+05\"", "other");
    let (done, said) = import(&database, "csv", &saved).await;
    let why = "line 2: target is not as the export wrote it: a spreadsheet rounded the number";
    assert!(!done && said.contains(why), "{said}");
    let saved = csv.replace("\"1.2E+05\"", "1.3E+05");
    let (done, said) = import(&database, "csv", &saved).await;
    assert!(
        !done && said.contains("line 2: task_id is not as the export"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_were_wrapped_for_a_spreadsheet_are_unwrapped_and_counted() {
    let database = Database::demo().await;
    let csv = format!(
        "{HEADER}\n\"=\"\"a1\"\"\",n,\"=\"\"13800138000\"\"\",2023-03-01,2023-03-01,,\n\
        b,n,'13900139000; \"137\",2023-03-01,2023-03-01,,\n"
    );
    let (done, said) = import(&database, "csv", &csv).await;
    assert!(done, "{said}");
    assert!(
        said.contains("removed the blanks around 4 values"),
        "{said}"
    );
    let tasks = stored(&database).await;
    let found: Vec<_> = tasks
        .iter()
        .map(|t| (&t["task_id"], &t["target"]))
        .collect();
    let targets = [
        serde_json::json!(["13800138000"]),
        serde_json::json!(["13900139000", "137"]),
    ];
    assert_eq!(
        found,
        [(&"a1".into(), &targets[0]), (&"b".into(), &targets[1])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_any_size_are_checked_against_their_range() {
    let database = Database::demo().await;
    let mut record = task("t", "2023-03-01", "2023-03-02", "pending");
    record["target"] = serde_json::json!(["a"]);
    record["target_results"] = serde_json::json!([
        {"customer_id": "a", "state": "busy", "attempt": 7, "time": "2023-03-01"}
    ]);
    record["progress"] = 8.into();
    let huge = "99999999999999999999";
    let json = record.to_string();
    let json = json.replace("\"progress\":8", &format!("\"progress\":{huge}"));
    let json = json.replace("\"attempt\":7", &format!("\"attempt\":{huge}"));
    let (done, said) = import(&database, "ndjson", &json).await;
    assert!(
        !done && said.contains(&format!("progress must be 0 to 100, was \"{huge}\"")),
        "{said}"
    );
    assert!(
        said.contains(".attempt must be 1 to 2147483647, was "),
        "{said}"
    );
    let csv = format!("{HEADER}\nt,a,,2023-03-01,2023-03-01,,-{huge}\n");
    let (done, said) = import(&database, "csv", &csv).await;
    assert!(
        !done && said.contains(&format!("progress must be 0 to 100, was \"-{huge}\"")),
        "{said}"
    );
}
