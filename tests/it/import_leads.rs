//! Lead lists: files with one customer a row, imported into tasks that exist.

use std::path::Path;

use outbound_tasks::pb::{TaskAction, TaskEventKind};

use crate::support::{
    TempDir,
    client::{Client, new_task, part},
    database::Database,
    server::Server,
    upload::{Upload, eventually_under_way},
};

fn trade(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/trade");
    folder.join(file).to_str().unwrap().to_owned()
}

/// Imports standard input into tasks of `demo`; returns whether it succeeded, and its messages.
async fn import(database: &Database, flags: &[&str], input: &[u8]) -> (bool, String) {
    let arguments = [&["targets", "import", "--tenant=demo"], flags].concat();
    let output = database.run(&arguments, input).await;
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

/// The customers of a task, in order.
async fn customers(client: &Client, task_id: &str) -> Vec<String> {
    let targets = client.targets(task_id).await;
    targets.into_iter().map(|t| t.customer_id).collect()
}

async fn start() -> (Server, Client) {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    (server, client)
}

#[track_caller]
fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_with_and_without_a_header_are_added_to_a_task() {
    let (server, client) = start().await;
    client.create(new_task("T", &[])).await;
    let file = trade("leads.csv");
    let flags = ["--task=T", "--column", "Phone_Number", file.as_str()];
    let (done, said) = import(&server.database, &flags, b"").await;
    assert!(done, "{said}");
    assert_says(
        &said,
        &[
            "\"Phone_Number\" as customer_id",
            "added 2 targets to 1 task",
        ],
    );
    assert_eq!(customers(&client, "T").await, ["9000000011", "9000000012"]);

    client.create(new_task("U", &["x"])).await;
    let file = trade("leads.txt");
    let flags = ["--task=U", "--column", "1", file.as_str()];
    let (done, said) = import(&server.database, &flags, b"").await;
    assert!(done, "{said}");
    let reported = [
        "with | between the cells",
        "the file has no header",
        "added 3 targets to 1 task",
        "removed 1 repeated customer",
        "removed the blanks around 1 value",
    ];
    assert_says(&said, &reported);
    let wanted = ["x", "9000000001", "9000000002", "9000000003"];
    assert_eq!(customers(&client, "U").await, wanted);
    let task = client.get("U").await.unwrap();
    assert_eq!(
        (task.target_count, &task.target[..]),
        (4, &wanted.map(str::to_owned)[..])
    );
    let events = client.events("U").await;
    let added = events.last().unwrap();
    assert_eq!(added.kind(), TaskEventKind::TargetsAdded);
    assert_eq!(added.key_id, "");

    // Once more, all of it is repeated: nothing changes, not even by an event.
    let (done, said) = import(&server.database, &flags, b"").await;
    assert!(done, "{said}");
    assert_says(
        &said,
        &["added 0 targets to 0 tasks", "removed 4 repeated customers"],
    );
    assert_eq!(client.events("U").await, events);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_column_and_the_header_are_found_or_named() {
    let (server, client) = start().await;
    let (gbk, _, _) = encoding_rs::GB18030.encode("姓名;手机号\r\n李雷;１３８\r\n韩梅;139\r\n");
    let utf16 = "\u{feff}手机\t姓名\n138\t李雷\n139\t韩\n";
    let utf16: Vec<u8> = utf16.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (number, (flags, input)) in [
        (&[][..], "138\n139\n".as_bytes()),
        (&[], b"phone\r138\r139\r"),
        (
            &[],
            "客户编号,姓名,备注\r\n138,李雷,\r\n139,韩梅,\r\n".as_bytes(),
        ),
        (&[], "姓名,呼叫目标\n李雷,138\n韩梅,139\n".as_bytes()),
        (&[], b"\xef\xbb\xbfphone,name\n138,Li\n139,Han\n,\n"),
        (&[], b"sep=;\nname;Mobile\nLi;138\nHan; 139\n"),
        (&[], &gbk),
        (&[], &utf16),
        (&["--column=Tel 1"], b"Tel 1,Tel 2\n138,1\n139,2\n"),
        (&["--column=2", "--header=yes"], b"A1,B1\nx,138\ny,139\n"),
        (&["--column=2", "--header=no"], b"a,138\ny,139\n"),
        (&["--delimiter=^", "--column=2"], b"a^b\nx^138\ny^139\n"),
        (&["--target-separator=/"], b"138/139\n"),
        (&[], b"138\n138;139\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let task = format!("t{number}");
        client.create(new_task(&task, &[])).await;
        let flags = [&["--task", &task, "-"], flags].concat();
        let (done, said) = import(&server.database, &flags, input).await;
        assert!(done, "{flags:?} {input:?}: {said}");
        assert_eq!(
            customers(&client, &task).await,
            ["138", "139"],
            "{flags:?} {input:?}: {said}"
        );
    }
    for (flags, input, reported) in [
        (
            &[][..],
            &b"name,city\nLi,X\n"[..],
            "--column says which column holds the customers",
        ),
        (&["--column=phone"], b"138\n", "there is no column"),
        (&["--column=phone"], b"138,1\n", "has no header"),
        (
            &["--column=3"],
            b"138,1\n",
            "--column is 3, but the first row has 2 cells",
        ),
        (
            &[],
            b"phone,mobile\n1,2\n",
            "several columns may hold the customers",
        ),
        (&[], b"", "is missing"),
        (&["--column=0"], b"138\n", "a number from 1"),
    ] {
        let flags = [&["--task=t0", "-"], flags].concat();
        let (done, said) = import(&server.database, &flags, input).await;
        assert!(!done, "{flags:?}: {said}");
        // A header that is named in a list without one.
        let other = "the file has no header, so --column must be a number";
        assert!(
            said.contains(reported) || said.contains(other),
            "{flags:?}: {said}"
        );
    }
    assert_eq!(customers(&client, "t0").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_fills_many_tasks() {
    let (server, client) = start().await;
    for id in ["a", "b", "ended"] {
        client.create(new_task(id, &["1"])).await;
    }
    client.acted(TaskAction::Stop, "ended").await;
    let good = "任务ID,手机号\na,1\nb,2\na,3\nb,2\n";
    let (done, said) = import(&server.database, &["-"], good.as_bytes()).await;
    assert!(done, "{said}");
    let reported = [
        "\"任务ID\" as task_id",
        "added 2 targets to 2 tasks",
        "removed 2 repeated customers",
    ];
    assert_says(&said, &reported);
    assert_eq!(customers(&client, "a").await, ["1", "3"]);
    assert_eq!(customers(&client, "b").await, ["1", "2"]);

    // With `--task`, the column is not read.
    let (done, said) = import(
        &server.database,
        &["-", "--task=b"],
        b"task_id,phone\na,4\n",
    )
    .await;
    assert!(done, "{said}");
    assert_eq!(customers(&client, "b").await, ["1", "2", "4"]);
    let (done, said) = import(
        &server.database,
        &["-", "--task-column=who"],
        b"who,phone\na,5\n",
    )
    .await;
    assert!(done, "{said}");
    assert_eq!(customers(&client, "a").await, ["1", "3", "5"]);

    let bad = b"task_id,phone\na,6\nmissing,7\nended,8\n,9\na,1.38E+10\na,\n";
    let (done, said) = import(&server.database, &["-"], bad).await;
    assert!(!done, "{said}");
    let reported = [
        "line 3: task_id \"missing\": no task of this tenant has this id",
        "line 4: task_id \"ended\": the task is stopped",
        "line 5: task_id must be 1 to 128 characters",
        "line 6: customer_id (\"phone\") is not an id: a spreadsheet rounded the number",
        "line 7: customer_id (\"phone\") is required",
        "5 of 6 records are bad, so nothing was loaded",
    ];
    assert_says(&said, &reported);
    assert_eq!(customers(&client, "a").await, ["1", "3", "5"]);

    let folder = TempDir::new();
    let rejects = folder.0.join("rejects.csv");
    let rejects = rejects.to_str().unwrap();
    let (done, said) = import(&server.database, &["-", "--rejects", rejects], bad).await;
    assert!(done, "{said}");
    assert_eq!(customers(&client, "a").await, ["1", "3", "5", "6"]);
    let left = std::fs::read_to_string(rejects).unwrap();
    assert_eq!(
        left,
        "task_id,phone\nmissing,7\nended,8\n,9\na,1.38E+10\na,\n"
    );

    for (flags, reported) in [
        (
            &["-", "--task=missing"][..],
            "no task of this tenant has this id",
        ),
        (&["-", "--task=ended"], "the task is stopped"),
        (&["-"], "--task names the task of all rows"),
    ] {
        let (done, said) = import(&server.database, flags, b"1\n").await;
        assert!(!done, "{flags:?}");
        assert!(said.contains(reported), "{flags:?}: {said}");
    }
}

/// Rejects of a list without a header have none either, so they can be imported again.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_adds_nothing_and_rejects_can_be_corrected() {
    let (server, client) = start().await;
    let made = client.create(new_task("a", &["1"])).await;
    let list = b"1,x\n2,x\n1e+9,x\n3,x\n";
    let flags = ["-", "--task=a", "--column=1", "--dry-run"];
    let (done, said) = import(&server.database, &flags, list).await;
    assert!(!done, "{said}");
    let reported = [
        "dry run: nothing was loaded",
        "added 2 targets to 1 task",
        "removed 1 repeated customer",
        "1 of 4 records are bad",
    ];
    assert_says(&said, &reported);
    assert_eq!(client.get("a").await.unwrap(), made);
    assert_eq!(customers(&client, "a").await, ["1"]);

    let folder = TempDir::new();
    let rejects = folder.0.join("rejects.csv");
    let rejects = rejects.to_str().unwrap();
    let flags = ["-", "--task=a", "--column=1", "--rejects", rejects];
    let (done, said) = import(&server.database, &flags, list).await;
    assert!(done, "{said}");
    let left = std::fs::read_to_string(rejects).unwrap();
    assert_eq!(left, "1e+9,x\n");
    let corrected = left.replace("1e+9", "4");
    let (done, said) = import(&server.database, &flags[..3], corrected.as_bytes()).await;
    assert!(done, "{said}");
    assert_eq!(customers(&client, "a").await, ["1", "2", "3", "4"]);
}

/// An import waits for an upload to the same task, so that no two targets have the same position.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_and_an_upload_take_turns() {
    let (server, client) = start().await;
    client.create(new_task("a", &[])).await;
    let upload = Upload::begin(&client, part("a", &["u1"]));
    eventually_under_way(&server, 1).await;
    let url = server.database.named("leads");
    let list = tokio::spawn(async move { import(&url, &["-", "--task=a"], b"i1\ni2\n").await });
    upload.send(&["u2"]);
    upload.end().await.unwrap();
    let (done, said) = list.await.unwrap();
    assert!(done, "{said}");
    let sql = server.database.client().await;
    let positions = "SELECT count(DISTINCT position), count(*) FROM task_targets";
    let counted = sql.query_one(positions, &[]).await.unwrap();
    assert_eq!((counted.get::<_, i64>(0), counted.get::<_, i64>(1)), (4, 4));
    assert_eq!(client.get("a").await.unwrap().target_count, 4);
}
