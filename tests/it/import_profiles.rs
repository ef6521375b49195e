//! Exports of other vendors (`tests/data/vendors`), read by their profiles: each gives its tasks, explicit options are
//! stronger than the profile, and what a file lacks is named with the option that fills it.

use std::path::Path;

use crate::support::{TempDir, database::Database, tasks::Json};

fn path(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vendors");
    folder.join(file).to_str().unwrap().to_owned()
}

async fn database() -> Database {
    let database = Database::new().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    database
}

/// Imports `input`, or the file that `flags` name; returns whether that succeeded, and the messages.
async fn import(database: &Database, flags: &[&str], input: &[u8]) -> (bool, String) {
    let import = [&["import", "--tenant=demo"], flags].concat();
    let output = database.run(&import, input).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.success(), said)
}

/// The tasks with the fields that profiles set, in the order of their ids; they are removed.
async fn take_stored(database: &Database) -> Json {
    let fields = "task_id,name,target,start_time,end_time,status,progress";
    let mut tasks = stored(database).await;
    for task in &mut tasks {
        let task = task.as_object_mut().unwrap();
        task.retain(|name, _| fields.split(',').any(|field| field == name));
    }
    database.execute("DELETE FROM tasks").await;
    tasks.into()
}

async fn stored(database: &Database) -> Vec<Json> {
    let export = ["export", "--tenant=demo", "--order-by=task_id"];
    let lines = database.succeed(&export, b"").await;
    let tasks = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    tasks.collect()
}

fn task(id: &str, name: &str, target: &[&str], times: (&str, &str), status: &str) -> Json {
    serde_json::json!({
        "task_id": id, "name": name, "target": target, "start_time": times.0, "end_time": times.1,
        "status": status, "progress": 0,
    })
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

const TIMES: &[&str] = &[
    "--default=start_time=2027-06-02",
    "--default=end_time=2027-06-30",
];
const JUNE: (&str, &str) = ("2027-06-02T00:00:00Z", "2027-07-01T00:00:00Z");

#[tokio::test(flavor = "multi_thread")]
async fn leads_of_vicidial_are_grouped_by_campaign() {
    let database = database().await;
    let leads = path("vicidial.txt");
    let flags = [&[leads.as_str(), "--profile=vicidial"], TIMES].concat();
    let (done, said) = import(&database, &flags, b"").await;
    assert!(done, "{said}");
    assert_says(
        &said,
        &[
            "with tab between the cells",
            "\"campaign_id\" as task_id, \"phone_number\" as target",
            "left out \"call_date\"",
            "loaded 2 tasks with 4 targets",
            "removed 2 repeated customers",
        ],
    );
    let spring = ["2125550101", "2125550102", "2125550103"];
    let wanted = serde_json::json!([
        task("SPRING", "SPRING", &spring, JUNE, "pending"),
        task("TESTCAMP", "TESTCAMP", &["3125550188"], JUNE, "pending"),
    ]);
    assert_eq!(take_stored(&database).await, wanted);

    // Other columns, and a task for the whole file.
    let by_list = [
        flags.as_slice(),
        &["--map=task_id=list_id,target=vendor_lead_code"],
    ]
    .concat();
    let (done, said) = import(&database, &by_list, b"").await;
    assert!(done, "{said}");
    let tasks = take_stored(&database).await;
    assert_eq!(tasks[0]["task_id"], "1001");
    assert_eq!(tasks[0]["target"][0], "V-1");
    let list = "phone_number\tname\n2125550101\tAda\n2125550102\tBob\n2125550101\tAda\n";
    let whole = [
        &[
            "-",
            "--profile=vicidial",
            "--default=task_id=summer",
            "--default=name=Summer",
        ],
        TIMES,
    ]
    .concat();
    let (done, said) = import(&database, &whole, list.as_bytes()).await;
    assert!(done, "{said}");
    let wanted = [task("summer", "Summer", &spring[..2], JUNE, "pending")];
    assert_eq!(take_stored(&database).await, Json::from(wanted.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_that_cannot_be_used_are_named_by_line() {
    let database = database().await;
    let leads = path("vicidial.txt");
    let (done, said) = import(&database, &[&leads, "--profile=vicidial"], b"").await;
    assert!(!done, "{said}");
    assert_says(
        &said,
        &[
            "start_time is missing (exports of VICIdial may lack it; --default start_time=… fills it)",
            "end_time is missing",
        ],
    );
    let flags = [&["-", "--profile=vicidial"], TIMES].concat();
    let (done, said) = import(&database, &flags, b"list_id,phone\n1,2125550101\n").await;
    assert!(!done, "{said}");
    assert_says(
        &said,
        &[
            "task_id is missing (VICIdial's campaign_id groups the customers; --map task_id=list_id groups",
            "target is missing (VICIdial calls it phone_number",
        ],
    );

    // Bad rows are rejected one by one; a task whose id is taken with all of its rows.
    let folder = TempDir::new();
    let rejects = folder.0.join("rejects.txt");
    let taken = r#"{"task_id":"B","name":"b","start_time":"2027-06-02","end_time":"2027-06-03"}"#;
    assert!(import(&database, &["-"], taken.as_bytes()).await.0);
    let rows = "campaign_id,phone_number\nA,1\nB,2\nA,1.38E+10\nB,3\n,4\nA,\nA,5\n";
    let flags = [&flags[..], &["--rejects", rejects.to_str().unwrap()]].concat();
    let (done, said) = import(&database, &flags, rows.as_bytes()).await;
    assert!(done, "{said}");
    assert_says(
        &said,
        &[
            "line 4: target[0] (\"phone_number\") is not an id: a spreadsheet rounded the number",
            "line 6: task_id (\"campaign_id\") is required; VICIdial's campaign_id",
            "line 7: target (\"phone_number\") is required",
            "line 3: task_id \"B\" is taken",
            "loaded 1 task with 2 targets",
            "wrote 4 bad records",
        ],
    );
    let left = std::fs::read_to_string(&rejects).unwrap();
    let mut left: Vec<&str> = left.lines().collect();
    left[1..].sort_unstable();
    assert_eq!(
        left,
        [
            "campaign_id,phone_number",
            ",4",
            "A,",
            "A,1.38E+10",
            "B,2",
            "B,3"
        ]
    );
    assert_eq!(
        stored(&database).await[0]["target"],
        serde_json::json!(["1", "5"])
    );
}

/// More customers than may wait for others of their task: sorted by task they are loaded, and otherwise refused.
#[tokio::test(flavor = "multi_thread")]
async fn large_lists_of_leads_must_be_sorted() {
    let database = database().await;
    let flags = [&["-", "--profile=vicidial"], TIMES].concat();
    let folder = TempDir::new();
    let rejects = folder.0.join("rejects.csv");
    // Long rows, which the file of rejects may need: few of them fill the memory.
    let flags = [&flags[..], &["--rejects", rejects.to_str().unwrap()]].concat();
    let row = |task: &str, number: u32| format!("{task},{number},{}\n", "x".repeat(2000));
    let header = "campaign_id,phone_number,comments\n".to_owned();
    let rows = |task: &'static str| (0..5_000).map(move |number| row(task, number));
    let sorted: String = [header.clone()]
        .into_iter()
        .chain(rows("A"))
        .chain(rows("B"))
        .collect();
    let (done, said) = import(&database, &flags, sorted.as_bytes()).await;
    assert!(
        done && said.contains("loaded 2 tasks with 10000 targets"),
        "{said}"
    );
    database.execute("DELETE FROM tasks").await;

    let again = sorted.clone() + &row("A", 1);
    let (done, said) = import(&database, &flags, again.as_bytes()).await;
    assert!(!done, "{said}");
    assert_says(
        &said,
        &[
            "line 10002: task \"A\" comes again after others that have 16 MiB of customers; sort the file by task",
        ],
    );
    let one: String = [header]
        .into_iter()
        .chain(rows("A"))
        .chain(rows("A"))
        .collect();
    let (done, said) = import(&database, &flags, one.as_bytes()).await;
    assert!(!done, "{said}");
    assert_says(
        &said,
        &["the customers of task \"A\" need more than 16 MiB of memory"],
    );
    assert_eq!(stored(&database).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_of_amazon_connect_are_read() {
    let database = database().await;
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
    let database = database().await;
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
    let created = &stored(&database).await[0];
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
    let database = database().await;
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
        stored(&database).await[0]["created_at"],
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
    let database = database().await;
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
