//! Exports of other vendors (`tests/data/vendors`), read by their profiles: each gives its tasks, explicit options are
//! stronger than the profile, and what a file lacks is named with the option that fills it.

use std::path::Path;

use crate::support::{database::Database, tasks::Json};

pub(crate) fn path(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vendors");
    folder.join(file).to_str().unwrap().to_owned()
}

/// Imports `input`, or the file that `flags` name; returns whether that succeeded, and the messages.
pub(crate) async fn import(database: &Database, flags: &[&str], input: &[u8]) -> (bool, String) {
    let import = [&["import", "--tenant=demo"], flags].concat();
    let output = database.run(&import, input).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.success(), said)
}

/// The tasks with the fields that profiles set, in the order of their ids; they are removed.
pub(crate) async fn take_stored(database: &Database) -> Json {
    let fields = "task_id,name,target,start_time,end_time,status,progress";
    let mut tasks = database.exported("demo").await;
    for task in &mut tasks {
        let task = task.as_object_mut().unwrap();
        task.retain(|name, _| fields.split(',').any(|field| field == name));
    }
    database.execute("DELETE FROM tasks").await;
    tasks.into()
}

pub(crate) fn task(
    id: &str,
    name: &str,
    target: &[&str],
    times: (&str, &str),
    status: &str,
) -> Json {
    serde_json::json!({
        "task_id": id, "name": name, "target": target, "start_time": times.0, "end_time": times.1,
        "status": status, "progress": 0,
    })
}

pub(crate) fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

pub(crate) const TIMES: &[&str] = &[
    "--default=start_time=2027-06-02",
    "--default=end_time=2027-06-30",
];
pub(crate) const JUNE: (&str, &str) = ("2027-06-02T00:00:00Z", "2027-07-01T00:00:00Z");

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_of_amazon_connect_are_read() {
    let database = Database::demo().await;
    let list = path("aws-connect.json");
    let flags = [&[list.as_str(), "--profile=aws-connect"], TIMES].concat();
    let (done, said) = import(&database, &flags, b"").await;
    assert!(done, "{said}");
    assert_says(
        &said,
        &[
            "\"schedule.startTime\" as start_time",
            "\"arn\"",
            "\"schedule.refreshFrequency\"",
            "filled 2 values with defaults",
        ],
    );
    let (first, second) = (
        "0a6ae2a9-4b3d-4b36-8f0b-8f27c4c4a001",
        "0a6ae2a9-4b3d-4b36-8f0b-8f27c4c4a002",
    );
    let spring = ("2027-06-01T14:00:00Z", "2027-06-30T22:00:00Z");
    let wanted = serde_json::json!([
        task(first, "Spring renewals", &[], spring, "running"),
        task(second, "Win back", &[], JUNE, "pending"),
    ]);
    assert_eq!(take_stored(&database).await, wanted);

    // Without the defaults, the campaign without a schedule is the bad one.
    let (done, said) = import(&database, &flags[..2], b"").await;
    assert!(!done, "{said}");
    assert_says(
        &said,
        &[
            "task 2: start_time is required; exports of Amazon Connect may lack it; --default start_time=… fills it",
            "1 of 2 records are bad",
        ],
    );
    // The answer about one campaign, from standard input.
    let one = r#"{"campaign": {"id": "c-1", "name": "One", "channelSubtypeConfig": {"telephony": {}},
        "schedule": {"startTime": "2027-06-01T14:00:00+00:00", "endTime": "2027-06-30T22:00:00+00:00"}}}"#;
    let (done, said) = import(&database, &["-", "--profile=aws-connect"], one.as_bytes()).await;
    assert!(done, "{said}");
    let wanted = [task("c-1", "One", &[], spring, "pending")];
    assert_eq!(take_stored(&database).await, Json::from(wanted.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn job_groups_of_alibaba_cloud_are_read() {
    let database = Database::demo().await;
    let list = path("aliyun-outbound.json");
    let flags = [list.as_str(), "--profile=aliyun-outbound"];
    let (done, said) = import(&database, &flags, b"").await;
    assert!(done, "{said}");
    assert_says(
        &said,
        &["\"Strategy.StartTime\" as start_time", "\"Progress\""],
    );
    let (first, second) = (
        "5f2d1c1e-0000-4000-8000-000000000001",
        "5f2d1c1e-0000-4000-8000-000000000002",
    );
    let june = ("2027-06-01T01:00:00Z", "2027-06-30T10:00:00Z");
    let wanted = serde_json::json!([
        task(first, "六月回访", &[], june, "running"),
        task(
            second,
            "七月回访",
            &[],
            ("2027-07-01T01:00:00Z", "2027-07-31T10:00:00Z"),
            "pending"
        ),
    ]);
    let created = &database.exported("demo").await[0];
    assert_eq!(created["created_at"], "2027-05-20T02:00:00Z");
    assert_eq!(created["updated_at"], "2027-05-21T02:00:00Z");
    assert_eq!(take_stored(&database).await, wanted);

    // Explicit options are stronger: a name, a status and the place of the list.
    let other = r#"{"JobGroup": [{"JobGroupId": "x", "JobGroupName": "y", "title": "Z", "Status": "Scheduling",
        "Strategy": {"StartTime": 1811898000000, "EndTime": 1811930400000}}]}"#;
    let flags = [
        "-",
        "--profile=aliyun-outbound",
        "--map=name=title",
        "--status-map=scheduling=paused",
        "--root=JobGroup",
    ];
    let (done, said) = import(&database, &flags, other.as_bytes()).await;
    assert!(done, "{said}");
    let tasks = take_stored(&database).await;
    assert_eq!(
        (&tasks[0]["name"], &tasks[0]["status"]),
        (&"Z".into(), &"paused".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_of_genesys_cloud_are_read() {
    let database = Database::demo().await;
    let list = path("genesys.json");
    let flags = [&[list.as_str(), "--profile=genesys"], TIMES].concat();
    let (done, said) = import(&database, &flags, b"").await;
    assert!(done, "{said}");
    assert_says(&said, &["\"campaignStatus\" as status", "\"contactList\""]);
    let id = |last: u8| format!("7c0d3a52-0000-4000-8000-00000000000{last}");
    let wanted = serde_json::json!([
        task(&id(1), "Collections", &[], JUNE, "running"),
        task(&id(2), "Survey", &[], JUNE, "paused"),
        task(&id(3), "Upgrade", &[], JUNE, "completed"),
    ]);
    assert_eq!(
        database.exported("demo").await[0]["created_at"],
        "2027-05-01T08:00:00Z"
    );
    assert_eq!(take_stored(&database).await, wanted);
    let (done, said) = import(&database, &flags[..2], b"").await;
    assert!(!done, "{said}");
    assert_says(
        &said,
        &["exports of Genesys Cloud may lack it; --default end_time=… fills it"],
    );
}

/// Without a profile, `--map` leads into objects too.
#[tokio::test(flavor = "multi_thread")]
async fn mapped_names_lead_into_objects() {
    let database = Database::demo().await;
    let map = "--map=task_id=ids.main,start_time=when.from.at,end_time=when.to,name=title";
    let good =
        r#"{"ids":{"main":7},"when":{"from":{"at":"2027-06-02"},"to":"2027-06-30"},"title":"n"}"#;
    let (done, said) = import(&database, &["-", map], good.as_bytes()).await;
    assert!(done, "{said}");
    assert_says(&said, &["\"when.from.at\" as start_time"]);
    let wanted = [task("7", "n", &[], JUNE, "pending")];
    assert_eq!(take_stored(&database).await, Json::from(wanted.to_vec()));
    for (bad, reported) in [
        (
            good.replace("\"to\"", "\"until\""),
            "\"when.until\" is not a field of a task; end_time is required",
        ),
        (
            good.replace("{\"main\":7}", "7"),
            "\"ids\" must be an object",
        ),
        (
            good.replace("\"title\"", "\"name\""),
            "\"name\" is not a field of a task; name is required",
        ),
        (
            good.replace("\"at\":", "\"at\":\"2027-06-01\",\"at\":"),
            "start_time is given twice",
        ),
        (
            good.replace("\"title\"", "\"when.to\":null,\"title\""),
            "end_time is given twice",
        ),
    ] {
        let (done, said) = import(&database, &["-", map], bad.as_bytes()).await;
        assert!(
            !done && said.contains(reported),
            "{reported} is not in {said}"
        );
    }
    // What other names an object has can be left out.
    let more = good
        .replace("\"to\"", "\"zone\":\"UTC\",\"to\"")
        .replace("}}", "}},\"ids\":null}");
    let more = more.replace("}},\"ids\":null}", "}}");
    let flags = ["-", map, "--ignore-unknown"];
    let (done, said) = import(&database, &flags, more.as_bytes()).await;
    assert!(done, "{said}");
    assert_says(&said, &["left out \"when.zone\""]);
}
