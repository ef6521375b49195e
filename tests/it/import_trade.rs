//! Files as people have them (`tests/data/trade`): each is imported with the command, and gives the tasks, the customers
//! and the report that it should, or an error that names line, column and value.

use std::path::Path;

use crate::support::{TempDir, database::Database, tasks::Json};

/// What one file gives with some flags.
struct Case {
    file: &'static str,
    flags: &'static [&'static str],
    /// The tasks without the fields that no case sets; `None` if nothing is loaded.
    tasks: Option<Json>,
    /// What the messages contain.
    reported: &'static [&'static str],
}

const SHANGHAI: &[&str] = &["--time-zone", "Asia/Shanghai"];

fn path(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/trade");
    folder.join(file).to_str().unwrap().to_owned()
}

fn task(id: &str, name: &str, target: &[&str], times: (&str, &str), state: (&str, i32)) -> Json {
    serde_json::json!({
        "task_id": id, "name": name, "target": target, "start_time": times.0, "end_time": times.1,
        "status": state.0, "progress": state.1,
    })
}

/// The first of the two tasks that several files hold.
fn card(id: &str) -> Json {
    let target = ["13800138000", "13900139000"];
    let times = ("2023-03-01T10:00:00Z", "2023-03-01T18:00:00Z");
    task(id, "三月信用卡活动（一）", &target, times, ("pending", 0))
}

fn two(kind: &str) -> Option<Json> {
    let times = ("2023-03-02T10:00:00Z", "2023-03-02T18:00:00Z");
    let second = format!("t-{kind}-2");
    let second = task(
        &second,
        "春季回访",
        &["13700137000"],
        times,
        ("running", 70),
    );
    Some(Json::Array(vec![card(&format!("t-{kind}-1")), second]))
}

fn one(id: &str, times: (&str, &str)) -> Option<Json> {
    Some(serde_json::json!([task(
        id,
        "a",
        &["1"],
        times,
        ("pending", 0)
    )]))
}

fn case(
    file: &'static str,
    flags: &'static [&'static str],
    tasks: Option<Json>,
    reported: &'static [&'static str],
) -> Case {
    Case {
        file,
        flags,
        tasks,
        reported,
    }
}

fn cases() -> Vec<Case> {
    let day = ("2023-03-01T00:00:00Z", "2023-03-02T00:00:00Z");
    let (in_utc, in_china) = (
        ("2023-03-01T09:00:00Z", "2023-03-01T18:00:00Z"),
        ("2023-03-01T01:00:00Z", "2023-03-01T10:00:00Z"),
    );
    let both = ["13800138000", "13900139000"];
    let separated: Vec<Json> = ["a", "b", "c", "d"]
        .iter()
        .enumerate()
        .map(|(n, name)| {
            task(
                &format!("t-scn-{}", n + 1),
                name,
                &both,
                day,
                ("pending", 0),
            )
        })
        .collect();
    let mut cases = vec![
        case("bom.csv", &[], two("bom"), &["read UTF-8, with , between"]),
        case(
            "gbk.csv",
            &[],
            two("gbk"),
            &["read GB18030, with , between"],
        ),
        case(
            "gbk.csv",
            &["--encoding", "gbk"],
            two("gbk"),
            &["read GB18030"],
        ),
        case(
            "semi.csv",
            &[],
            two("semi"),
            &["with ; between", "split 1 cell of customer ids"],
        ),
        case("tab.csv", &[], two("tab"), &["with tab between"]),
        case("sep.csv", &[], two("sep"), &["with , between"]),
        case(
            "hdrcase.csv",
            &[],
            two("hdr"),
            &["\"Task_ID\" as task_id", "\"Name\" as name"],
        ),
        case(
            "cnhdr.csv",
            &[],
            Some(serde_json::json!([card("t-cn-1")])),
            &["\"任务ID\" as task_id", "\"客户\" as target"],
        ),
        case(
            "blankrows.csv",
            &[],
            two("blank"),
            &["left out 3 blank rows"],
        ),
        case(
            "serial.csv",
            &[],
            one("t-xs-1", in_utc),
            &["read 2 numbers as times", "in the time zone UTC"],
        ),
        case(
            "tz.csv",
            SHANGHAI,
            Some(serde_json::json!([task(
                "tz-1",
                "周二外呼",
                &[],
                ("2023-03-06T16:00:00Z", "2023-03-07T16:00:00Z"),
                ("pending", 0)
            )])),
            &["read 2 dates and times without a zone in the time zone Asia/Shanghai"],
        ),
        case(
            "sci.csv",
            &[],
            None,
            &[
                "line 2: target[0] is not an id: a spreadsheet rounded the number",
                "\"1.38E+10\"",
            ],
        ),
        case(
            "sepcn.csv",
            &[],
            Some(Json::Array(separated)),
            &["split 4 cells of customer ids"],
        ),
        case(
            "dups.csv",
            &[],
            Some(serde_json::json!([task(
                "t-dup-1",
                "a",
                &["13800138000", "+8613800138000"],
                day,
                ("pending", 0)
            )])),
            &[
                "removed 3 repeated customers",
                "removed the blanks around 1 value",
                "full-width digits of 1 customer id",
            ],
        ),
        case(
            "pct.csv",
            &[],
            None,
            &[
                "line 4: progress must be a whole number of percent",
                "was \"0.7\"",
                "line 5: progress must be 0 to 100, was 105",
                "2 of 8 records are bad",
            ],
        ),
        case(
            "num.ndjson",
            &[],
            Some(serde_json::json!([task(
                "12345",
                "x",
                &["13800138000", "1"],
                ("2023-03-01T10:00:00Z", "2023-03-01T18:00:00Z"),
                ("pending", 0)
            )])),
            &["read 3 numbers as texts"],
        ),
        case(
            "arr.json",
            &[],
            Some(serde_json::json!([task(
                "a1",
                "x",
                &["1"],
                ("2023-03-01T10:00:00Z", "2023-03-01T18:00:00Z"),
                ("pending", 0)
            )])),
            &["loaded 1 task with 1 target"],
        ),
    ];
    for (file, id) in [
        ("exceldate.csv", "t-xd-1"),
        ("isolocal.csv", "t-xl-1"),
        ("serial.csv", "t-xs-1"),
    ] {
        cases.push(case(
            file,
            SHANGHAI,
            one(id, in_china),
            &["in the time zone Asia/Shanghai"],
        ));
        cases.push(case(file, &[], one(id, in_utc), &["in the time zone UTC"]));
    }
    cases
}

/// The tasks of the tenant, with the fields that the cases compare.
async fn stored(database: &Database) -> Json {
    let flags = ["export", "--tenant=demo", "--order-by=task_id"];
    let lines = database.succeed(&flags, b"").await;
    let tasks = lines.lines().map(|line| {
        let task: Json = serde_json::from_str(line).unwrap();
        let fields = [
            "task_id",
            "name",
            "target",
            "start_time",
            "end_time",
            "status",
            "progress",
        ];
        let fields = fields.map(|field| (field.to_owned(), task[field].clone()));
        Json::Object(fields.into_iter().collect())
    });
    Json::Array(tasks.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_gives_its_tasks_and_report() {
    let database = Database::demo().await;
    for Case {
        file,
        flags,
        tasks,
        reported,
    } in cases()
    {
        let file = path(file);
        let import = [&["import", &file, "--tenant=demo"], flags].concat();
        let output = database.run(&import, b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.success(),
            tasks.is_some(),
            "{import:?}: {said}"
        );
        for part in reported {
            assert!(
                said.contains(part),
                "{import:?}: {part:?} is not in\n{said}"
            );
        }
        let empty = Json::Array(Vec::new());
        assert_eq!(
            stored(&database).await,
            tasks.unwrap_or(empty),
            "{import:?}"
        );
        database.execute("DELETE FROM tasks").await;
    }
}

/// Of `pct.csv`, the good records are loaded with `--rejects`; the rejects have the header and can be corrected.
#[tokio::test(flavor = "multi_thread")]
async fn statuses_and_percentages_are_read_as_people_write_them() {
    let database = Database::demo().await;
    let folder = TempDir::new();
    let rejects = folder.0.join("rejects.csv");
    let rejects = rejects.to_str().unwrap();
    let import = [
        "import",
        &path("pct.csv"),
        "--tenant=demo",
        "--rejects",
        rejects,
    ];
    let output = database.run(&import, b"").await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let stored = stored(&database).await;
    let found: Vec<_> = stored
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            let text = |field: &str| task[field].as_str().unwrap().to_owned();
            (
                text("task_id"),
                text("status"),
                task["progress"].as_i64().unwrap(),
            )
        })
        .collect();
    let wanted = [
        ("t-pct-1", "running", 70),
        ("t-pct-2", "running", 70),
        ("t-pct-5", "running", 100),
        ("t-pct-6", "completed", 100),
        ("t-pct-7", "completed", 100),
        ("t-pct-8", "pending", 0),
    ];
    let wanted = wanted.map(|(id, status, progress)| (id.to_owned(), status.to_owned(), progress));
    assert_eq!(found, wanted);
    let left = std::fs::read_to_string(rejects).unwrap();
    assert_eq!(left.lines().count(), 3, "{left}");
    let corrected = left.replace("0.7", "70").replace("105", "100%");
    let again = ["import", "-", "--format=csv", "--tenant=demo"];
    database.succeed(&again, corrected.as_bytes()).await;
}
