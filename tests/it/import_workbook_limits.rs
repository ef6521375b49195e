//! Workbooks that are small, but would fill the memory; damaged ones; and cells whose value is not what they show.

use outbound_tasks::pb::ImportFormat;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    import_calls::start,
    support::{
        client::new_task,
        database::Database,
        import::{import, options},
        tasks::Json,
        workbook::{Cell, Parts, ods, workbook, xls},
    },
};

use Cell::{Date, Number, Percent, Text, Time};

/// Imports a workbook with the command; returns whether it succeeded, and its messages.
async fn command(database: &Database, flags: &[&str], book: &[u8]) -> (bool, String) {
    let import = ["import", "-", "--tenant=demo", "--format=workbook"];
    let output = database.run(&[&import, flags].concat(), book).await;
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

/// The single task in the database.
async fn task(database: &Database) -> Json {
    let lines = database.succeed(&["export", "--tenant=demo"], b"").await;
    serde_json::from_str(lines.trim()).unwrap()
}

/// A compound file (`.xls`) whose directory begins in a sector that no table knows.
fn damaged_xls() -> Vec<u8> {
    let mut file = vec![0_u8; 1024];
    file[..8].copy_from_slice(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1");
    file[26] = 3;
    (file[30], file[32]) = (9, 6);
    file[68..512].fill(0xFF);
    file
}

/// A compound file whose directory never ends.
fn circular_xls() -> Vec<u8> {
    let mut file = xls(&[]);
    // In the table of sectors, the one after the directory is the directory.
    file[516..520].copy_from_slice(&1_u32.to_le_bytes());
    file
}

/// An archive with the part that only `.xlsb` has.
fn xlsb() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("xl/workbook.bin", options).unwrap();
    zip.finish().unwrap().into_inner()
}

/// A record of `.xls` with a number.
fn number(row: u16, column: u16, number: f64) -> (u16, Vec<u8>) {
    let position = [row, column, 0].map(u16::to_le_bytes).concat();
    (0x0203, [&position[..], &number.to_le_bytes()].concat())
}

fn small_but_huge() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let cell = |place: &str| format!("<row r=\"1\"><c r=\"{place}\"><v>1</v></c></row>");
    let book = |rows: &str| Parts::default().workbook(rows);
    let text = "x".repeat(1 << 20);
    let texts = format!("<sst uniqueCount=\"1\"><si><t>{text}</t></si></sst>");
    let shared = "<c t=\"s\"><v>0</v></c>".repeat(16_384);
    // Blank rows above the header.
    let blank = |row: u32| {
        let text = "<is><t xml:space=\"preserve\"> </t></is>";
        format!("<row><c r=\"XFD{row}\" t=\"inlineStr\">{text}</c></row>")
    };
    let rows: String = (1..=3_000).map(blank).collect();
    let formats = "<xf/>".repeat(300_000);
    let value = |columns: u32, text: &str| {
        format!(
            "<table:table-cell table:number-columns-repeated=\"{columns}\" office:value-type=\"string\">\
            <text:p>{text}</text:p></table:table-cell>"
        )
    };
    let row = |rows: u32, cells: &str| {
        format!("<table:table-row table:number-rows-repeated=\"{rows}\">{cells}</table:table-row>")
    };
    vec![
        (
            "a column",
            book(&cell("ZZZZZZ1")),
            "beyond XFD, the last column",
        ),
        (
            "a column that overflows",
            book(&cell("ZZZZZZZZZZZZZZ1")),
            // The reader panics, or with other compiler options reads another column.
            "",
        ),
        (
            "a number of texts",
            Parts {
                texts: "<sst uniqueCount=\"4000000000\"/>",
                ..Parts::default()
            }
            .workbook(""),
            "it cannot have 4000000000 texts",
        ),
        (
            "a text that many cells share",
            Parts {
                texts: &texts,
                ..Parts::default()
            }
            .workbook(&format!("<row>{shared}</row>")),
            "the record is longer than 4 MiB",
        ),
        ("far columns", book(&rows), "need more than 1024 MiB"),
        (
            "formats",
            Parts {
                formats: &formats,
                ..Parts::default()
            }
            .workbook(""),
            "formats of cells",
        ),
        (
            "repeated rows of .ods",
            ods(&row(1_048_576, &value(10_000, " "))),
            "need more than 1024 MiB",
        ),
        (
            "repeated texts of .ods",
            ods(&row(1, &value(16_384, &text))),
            "the record is longer than 4 MiB",
        ),
        (
            "repeated columns of .ods",
            ods(&row(1, &value(4_000_000_000, "1"))),
            "beyond XFD, the last column",
        ),
        (
            "blanks of .ods",
            ods(&row(1, &value(1, "<text:s text:c=\"4000000000\"/>"))),
            "more than 4194304 bytes",
        ),
        (
            "far cells of .xls",
            xls(&[number(0, 0, 138.0), number(65_535, 255, 139.0)]),
            "need more than 64 MiB",
        ),
        ("a damaged .xls", damaged_xls(), "the workbook is damaged"),
        (
            "a circle of sectors",
            circular_xls(),
            "the workbook is damaged",
        ),
        ("an .xlsb", xlsb(), "does not read .xlsb files"),
    ]
}

/// A service refuses them, and goes on.
#[tokio::test(flavor = "multi_thread")]
async fn small_workbooks_that_would_fill_the_memory_are_refused() {
    let (_server, client) = start().await;
    for (what, file, reported) in small_but_huge() {
        assert!(file.len() < 1 << 20, "{what} is {} bytes", file.len());
        let mut options = options(ImportFormat::Workbook);
        options.table = Some(outbound_tasks::pb::ImportTable {
            sheet: "tasks".to_owned(),
            ..Default::default()
        });
        let refused = import(&client, options, &file, 1 << 16).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused:?}");
        let details = refused.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let why = &violations[0].description;
        assert!(why.contains(reported), "{what}: {why}");
    }
    client.create(new_task("a", &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_makes_its_reader_fail_is_called_damaged() {
    let database = Database::demo().await;
    let (done, said) = command(&database, &[], &damaged_xls()).await;
    assert!(!done && said.contains("the workbook is damaged"), "{said}");
}

/// What a sheet of `.xls` says about its size is not believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_of_xls_that_claims_to_be_huge_is_read() {
    let (server, client) = start().await;
    client.create(new_task("t", &[])).await;
    let huge = [0, u32::MAX, 0xFFFF_0000, 0].map(u32::to_le_bytes).concat();
    let book = xls(&[
        (0x0200, huge[..14].to_vec()),
        number(0, 0, 138.0),
        number(1, 0, 139.0),
    ]);
    let import = [
        "targets",
        "import",
        "-",
        "--tenant=demo",
        "--task=t",
        "--format=workbook",
    ];
    let output = server.database.run(&import, &book).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("added 2 targets"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_workbook_is_named() {
    let database = Database::demo().await;
    let mut encrypted = damaged_xls();
    let name = "EncryptedPackage".encode_utf16();
    encrypted.extend(name.flat_map(u16::to_le_bytes));
    for (file, reported) in [
        (&encrypted[..], "protected by a password"),
        (b"\xEF\xBB\xBF <html><table>", "it is HTML or XML"),
        (b"task_id\tname\n", "it is text; import it as CSV"),
        (b"", "it is empty"),
        (b"PK\x03\x04", "the file is damaged, or only its beginning"),
    ] {
        let (done, said) = command(&database, &[], file).await;
        assert!(!done && said.contains(reported), "{reported}: {said}");
    }
}

fn header() -> Vec<Cell<'static>> {
    [
        "task_id",
        "name",
        "target",
        "start_time",
        "end_time",
        "progress",
    ]
    .map(Text)
    .into()
}

/// A row whose other cells are good.
fn row<'a>(id: &'a str, target: Cell<'a>, end: Cell<'a>, progress: Cell<'a>) -> Vec<Cell<'a>> {
    vec![Text(id), Text("n"), target, Date("46000"), end, progress]
}

const SHEET: &str = "--sheet=tasks";

#[tokio::test(flavor = "multi_thread")]
async fn a_percentage_is_what_its_cell_shows() {
    let database = Database::demo().await;
    for (cell, progress) in [(Percent("1"), 100), (Percent("0.07"), 7), (Number("1"), 1)] {
        let book = workbook(&[header(), row("a", Text("1"), Date("46001"), cell)]);
        let (done, said) = command(&database, &[SHEET], &book).await;
        assert!(done, "{said}");
        assert_eq!(task(&database).await["progress"], progress);
        database.execute("DELETE FROM tasks").await;
    }
    let percent = |value: &str| {
        format!("<table:table-cell office:value-type=\"percentage\" office:value=\"{value}\"/>")
    };
    let text = |text: &str| {
        format!(
            "<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>"
        )
    };
    let row = |cells: &[String]| format!("<table:table-row>{}</table:table-row>", cells.concat());
    let names = ["name", "start_time", "end_time", "progress"].map(text);
    // LibreOffice's times have the error of their fraction of a day.
    let time = "<table:table-cell office:value-type=\"date\" office:date-value=\"2027-03-01T17:59:59.999\"/>";
    let cells = [
        text("a &amp; b"),
        time.to_owned(),
        time.to_owned(),
        percent("1"),
    ];
    let (done, said) = command(&database, &[], &ods(&[row(&names), row(&cells)].concat())).await;
    assert!(done, "{said}");
    let task = task(&database).await;
    assert_eq!(task["name"], "a & b");
    assert_eq!(task["progress"], 100);
    assert_eq!(task["start_time"], "2027-03-01T18:00:00Z");
}

/// Without a percent sign, 1 is 1 % or 100 %: the fractions beside it tell that it is not 1 %.
#[tokio::test(flavor = "multi_thread")]
async fn fractions_beside_a_one_are_refused() {
    let database = Database::demo().await;
    let rejects = std::env::temp_dir().join(format!("rejects-{}", uuid::Uuid::now_v7()));
    let rejects = rejects.to_str().unwrap();
    for progress in [["0.7", "1.0"], ["1", "0.7"]] {
        let rows = progress.map(|p| format!("n,2027-03-01,2027-03-01,{p}\n"));
        let csv = format!("name,start_time,end_time,progress\n{}", rows.concat());
        let import = [
            "import",
            "-",
            "--tenant=demo",
            "--format=csv",
            "--rejects",
            rejects,
        ];
        let output = database.run(&import, csv.as_bytes()).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("has both fractions and 1"), "{said}");
        let (ids, _) = crate::import::loaded(&database).await;
        assert_eq!(ids, [""; 0], "{progress:?}: {said}");
    }
    let _ = std::fs::remove_file(rejects);
}

/// In `.xls` a cell that shows 100 % holds 1, as one that shows 1 does.
#[tokio::test(flavor = "multi_thread")]
async fn a_progress_of_one_in_xls_is_refused() {
    let database = Database::demo().await;
    let text = |column: u16, text: &str| {
        let head = [0, column, 0, text.len() as u16].map(u16::to_le_bytes);
        (0x0204, [&head.concat()[..], &[0], text.as_bytes()].concat())
    };
    let names = ["name", "start_time", "end_time", "progress"];
    let header = (0..).zip(names).map(|(column, name)| text(column, name));
    let row = |progress| {
        let cells = [7.0, 46_447.0, 46_448.0, progress];
        (0..)
            .zip(cells)
            .map(|(column, cell)| number(1, column, cell))
    };
    for (progress, expected) in [(1.0, None), (70.0, Some(70))] {
        let book: Vec<_> = header.clone().chain(row(progress)).collect();
        let (done, said) = command(&database, &[], &xls(&book)).await;
        match expected {
            Some(expected) => {
                assert!(done, "{said}");
                assert_eq!(task(&database).await["progress"], expected);
            }
            None => assert!(!done && said.contains("is 1 % or 100 %"), "{said}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_that_are_none_are_errors() {
    let database = Database::demo().await;
    let good = || Text("1");
    for (target, end, reported) in [
        (
            good(),
            Time("0.375"),
            "end_time is a time of day without a date, was 09:00:00",
        ),
        (
            good(),
            Date("0"),
            "end_time is a time of day without a date",
        ),
        (
            Date("13800138000"),
            Date("46001"),
            "target is formatted as a date, but is no date",
        ),
        (
            good(),
            Date("150"),
            "end_time is formatted as a date, but is no date",
        ),
    ] {
        let book = workbook(&[header(), row("a", target, end, Number("0"))]);
        let (done, said) = command(&database, &[SHEET], &book).await;
        assert!(!done && said.contains(reported), "{reported}: {said}");
    }
    // 1904: a date is right, a plain number is four years off.
    let cells = |style: &str| {
        let names = header().len();
        let texts: String = ["name", "start_time", "end_time"]
            .map(|name| format!("<c t=\"inlineStr\"><is><t>{name}</t></is></c>"))
            .concat();
        assert!(names > 3);
        let number = format!("<c s=\"{style}\"><v>44538</v></c>");
        format!(
            "<row>{texts}</row><row><c t=\"inlineStr\"><is><t>n</t></is></c>{number}{number}</row>"
        )
    };
    let parts = Parts {
        is_1904: true,
        ..Parts::default()
    };
    let (done, said) = command(&database, &[SHEET], &parts.workbook(&cells("2"))).await;
    assert!(done, "{said}");
    assert_eq!(task(&database).await["start_time"], "2025-12-09T00:00:00Z");
    let (done, said) = command(&database, &[SHEET], &parts.workbook(&cells("0"))).await;
    assert!(!done && said.contains("counts days from 1904"), "{said}");
}
