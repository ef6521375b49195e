//! Workbooks: written by hand in the test (`.xlsx`), and by LibreOffice and Excel's old format (`tests/data/trade`).

use std::{
    io::{Cursor, Write},
    path::Path,
};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::support::{
    TempDir,
    database::Database,
    tasks::Json,
    workbook::{Cell, Parts, workbook},
};

use Cell::{Date, Empty, Error, Number, Text, Time};

fn header() -> Vec<Cell<'static>> {
    [
        "任务ID",
        "任务名称",
        "手机号",
        "开始时间",
        "结束时间",
        "状态",
        "进度(%)",
    ]
    .map(Text)
    .into()
}

async fn import(database: &Database, flags: &[&str], input: &[u8]) -> (bool, String) {
    let import = [
        &["import", "--tenant=demo", "--time-zone=Asia/Shanghai"],
        flags,
    ]
    .concat();
    let output = database.run(&import, input).await;
    (
        output.status.success(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

const SHEET: &[&str] = &["-", "--format=workbook", "--sheet=tasks"];

/// The words of planners: a campaign, and whom it calls.
#[tokio::test(flavor = "multi_thread")]
async fn the_headers_of_campaigns_are_known() {
    let database = Database::demo().await;
    let book = workbook(&[
        [
            "任务编号",
            "活动名称",
            "呼叫目标",
            "计划开始时间",
            "计划结束时间",
            "任务状态",
            "完成率",
        ]
        .map(Text)
        .into(),
        vec![
            Text("c"),
            Text("三月信用卡活动"),
            Text("13800138000；13900139000"),
            Date("44986"),
            Date("44987"),
            Text("进行中"),
            Text("40%"),
        ],
    ]);
    let (done, said) = import(&database, SHEET, &book).await;
    assert!(done, "{said}");
    for part in ["\"活动名称\" as name", "\"呼叫目标\" as target"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let tasks = database.exported("demo").await;
    assert_eq!(tasks[0]["name"], "三月信用卡活动");
    assert_eq!(tasks[0]["status"], "running");
    assert_eq!(tasks[0]["progress"], 40);
    assert_eq!(
        tasks[0]["target"],
        serde_json::json!(["13800138000", "13900139000"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_and_numbers_of_cells_come_out_right() {
    let database = Database::demo().await;
    let book = workbook(&[
        vec![Empty, Empty],
        header(),
        // A phone number stored as a number, and times with the error of fractions.
        vec![
            Number("12345"),
            Text("三月"),
            Number("13800138000"),
            Time("44986.375"),
            Time("44986.74999999"),
            Text("进行中"),
            Number("70"),
        ],
        vec![],
        vec![
            Text("b"),
            Text("a &amp; b"),
            Text("13800138000；13900139000"),
            Date("44986"),
            Date("44986"),
            Empty,
            Text("70%"),
        ],
        vec![
            Empty,
            Text(" "),
            Empty,
            Empty,
            Empty,
            Empty,
            Empty,
            Empty,
            Empty,
            Empty,
        ],
    ]);
    let (done, said) = import(&database, SHEET, &book).await;
    assert!(done, "{said}");
    for part in [
        "read the sheet \"tasks\"",
        "\"任务ID\" as task_id",
        "loaded 2 tasks with 3 targets",
        "left out 1 blank row",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let tasks = database.exported("demo").await;
    for (task, wanted) in tasks.iter().zip([
        serde_json::json!({"task_id": "12345", "name": "三月", "target": ["13800138000"], "status": "running", "progress": 70,
            "start_time": "2023-03-01T01:00:00Z", "end_time": "2023-03-01T10:00:00Z"}),
        serde_json::json!({"task_id": "b", "name": "a & b", "target": ["13800138000", "13900139000"], "status": "pending",
            "progress": 70, "start_time": "2023-02-28T16:00:00Z", "end_time": "2023-03-01T16:00:00Z"}),
    ]) {
        for (field, value) in wanted.as_object().unwrap() {
            assert_eq!(&task[field], value, "{field}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_cells_and_sheets_are_named() {
    let database = Database::demo().await;
    let times = || [Date("44986"), Date("44986")];
    let row = |id, customer| {
        let [start, end] = times();
        vec![Text(id), Text("n"), customer, start, end]
    };
    let book = workbook(&[
        header().into_iter().take(5).collect(),
        row("good", Text("1")),
        // 16 digits: a spreadsheet has rounded the last one.
        row("a", Number("6222021234567890")),
        row("b", Error("#N/A")),
        row("c", Number("1.5E+20")),
        // Typed as 3-12, and shown as a date from then on.
        row("d", Date("45628")),
        row("e", Number("13800138000.5")),
    ]);
    let folder = TempDir::new();
    let rejects = folder.0.join("rejects.csv");
    let flags = [SHEET, &["--rejects", rejects.to_str().unwrap()]].concat();
    let (done, said) = import(&database, &flags, &book).await;
    assert!(
        done && said.contains("loaded 1 task with 1 target"),
        "{said}"
    );
    for part in [
        "line 3: target (\"手机号\") is a number of more than 15 digits",
        "was 6222021234567890",
        "line 4: target[0] (\"手机号\") is not an id",
        "line 5: target (\"手机号\") is a number of more than 15 digits",
        "line 6: target (\"手机号\") is not an id: the spreadsheet has a date or a time there",
        "was 2024-12-02",
        "line 7: target (\"手机号\") is not an id: the spreadsheet has a fraction there",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let left = std::fs::read_to_string(&rejects).unwrap();
    assert!(
        left.starts_with('\u{feff}') && left.lines().count() == 6,
        "{left}"
    );
    // No row becomes a good one by itself.
    let again = import(&database, &["-", "--format=csv"], left.as_bytes()).await;
    assert!(again.1.contains("5 of 5 records are bad"), "{}", again.1);
    let left = left.replace("#N/A", "2");
    let left: Vec<&str> = left
        .lines()
        .filter(|line| !line.starts_with(['a', 'c', 'd', 'e']))
        .collect();
    let (done, said) = import(
        &database,
        &["-", "--format=csv"],
        left.join("\n").as_bytes(),
    )
    .await;
    assert!(done && said.contains("loaded 1 task"), "{said}");

    for (flags, book, reported) in [
        (&["-", "--format=workbook"][..], book.clone(), "colour"),
        (
            &["-", "--format=workbook", "--sheet=other"],
            book.clone(),
            "there are \"notes\", \"tasks\"",
        ),
        (SHEET, book[..book.len() / 2].to_vec(), "not a workbook"),
        (SHEET, b"task_id,name\n".to_vec(), "not a workbook"),
        (SHEET, Vec::new(), "not a workbook"),
        (
            SHEET,
            workbook(&[]),
            "the header that names the fields is missing",
        ),
        (SHEET, vec![0; (64 << 20) + 1], "larger than 64 MiB"),
    ] {
        let (done, said) = import(&database, flags, &book).await;
        assert!(
            !done && said.contains(reported),
            "{reported} is not in {said}"
        );
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// All cells of a row whose number stands twice lie in one place, and those of the last record would be read.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_stands_twice_loses_no_record() {
    let database = Database::demo().await;
    let row = |number: u32, cells: [&str; 4]| {
        let cells = cells.iter().zip('A'..).map(|(text, column)| {
            format!("<c r=\"{column}{number}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
        });
        format!("<row r=\"{number}\">{}</row>", cells.collect::<String>())
    };
    let header = row(1, ["task_id", "name", "start_time", "end_time"]);
    let record = |number, id| row(number, [id, "n", "2027-01-01", "2027-01-02"]);
    let book = |rows: [String; 2]| Parts::default().workbook(&(header.clone() + &rows.concat()));
    let twice = book([record(2, "a"), record(2, "b")]);
    let (done, said) = import(&database, SHEET, &twice).await;
    assert!(
        !done && said.contains("row 2 has two cells in one column"),
        "{said}"
    );
    assert!(database.exported("demo").await.is_empty());
    // An empty row between them takes nothing.
    let (done, said) = import(&database, SHEET, &book([record(2, "a"), record(4, "b")])).await;
    assert!(done && said.contains("loaded 2 tasks"), "{said}");
}

/// The library takes the cells of rows without an end for more columns of the first row, and finds no record.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_an_end_is_named() {
    let database = Database::demo().await;
    let cells = |texts: [&str; 4]| {
        let cell = |text: &str| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
        texts.map(cell).concat()
    };
    let header = cells(["task_id", "name", "start_time", "end_time"]);
    let record = cells(["a", "n", "2027-01-01", "2027-01-02"]);
    for (rows, wrong) in [
        (format!("<row>{header}<row>{record}"), Some(1)),
        (format!("<row>{header}</row><row>{record}"), Some(2)),
        (
            format!("<row>{header}</row><row r=\"7\">{record}<row/>"),
            Some(7),
        ),
        (
            format!("<row/><row>{header}</row><row>{record}</row>"),
            None,
        ),
    ] {
        let book = Parts::default().workbook(&rows);
        let (done, said) = import(&database, SHEET, &book).await;
        let wanted = match wrong {
            Some(row) => format!("the workbook is damaged: row {row} has no end"),
            None => "loaded 1 task".to_owned(),
        };
        assert_eq!(done, wrong.is_none(), "{said}");
        assert!(said.contains(&wanted), "{wanted} is not in {said}");
    }
}

/// A small file that is huge when decompressed is refused before it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_that_is_too_large_when_decompressed_is_refused() {
    let database = Database::demo().await;
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("xl/workbook.xml", SimpleFileOptions::default())
        .unwrap();
    let mebibyte = vec![b' '; 1 << 20];
    for _ in 0..513 {
        zip.write_all(&mebibyte).unwrap();
    }
    let book = zip.finish().unwrap().into_inner();
    assert!(book.len() < 4 << 20);
    let (done, said) = import(&database, SHEET, &book).await;
    assert!(
        !done && said.contains("larger than 512 MiB when decompressed"),
        "{said}"
    );
}

/// The same tasks, saved by LibreOffice as each kind of file: nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_libreoffice_give_the_same_tasks() {
    let database = Database::demo().await;
    let mut seen: Option<Vec<Json>> = None;
    for file in [
        "libreoffice.csv",
        "libreoffice.xlsx",
        "libreoffice.xls",
        "libreoffice.ods",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/trade")
            .join(file);
        let (done, said) = import(&database, &[path.to_str().unwrap()], b"").await;
        assert!(
            done && said.contains("loaded 3 tasks with 4 targets"),
            "{file}: {said}"
        );
        assert_eq!(
            said.contains("read GB18030"),
            file.ends_with(".csv"),
            "{said}"
        );
        let mut tasks = database.exported("demo").await;
        for task in &mut tasks {
            for clock in ["created_at", "updated_at", "status_changed_at", "etag"] {
                task.as_object_mut().unwrap().remove(clock);
            }
        }
        assert_eq!(tasks[1]["start_time"], "2023-03-02T01:30:00Z");
        assert_eq!(
            (&tasks[2]["name"], &tasks[2]["end_time"]),
            (&"续保, \"夏季\"".into(), &"2023-03-05T16:00:00Z".into())
        );
        assert_eq!(*seen.get_or_insert(tasks.clone()), tasks, "{file}");
        database.execute("DELETE FROM tasks").await;
    }
}
