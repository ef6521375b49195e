//! Leads of VICIdial: a row a customer, grouped by campaign.

use crate::{
    import_profiles::{JUNE, TIMES, assert_says, import, path, take_stored, task},
    support::{TempDir, database::Database, tasks::Json},
};

#[tokio::test(flavor = "multi_thread")]
async fn leads_of_vicidial_are_grouped_by_campaign() {
    let database = Database::demo().await;
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
    let database = Database::demo().await;
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
        database.exported("demo").await[0]["target"],
        serde_json::json!(["1", "5"])
    );
}

/// More customers than may wait for others of their task: sorted by task they are loaded, and otherwise refused.
#[tokio::test(flavor = "multi_thread")]
async fn large_lists_of_leads_must_be_sorted() {
    let database = Database::demo().await;
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
    assert_eq!(database.exported("demo").await.len(), 0);
}
