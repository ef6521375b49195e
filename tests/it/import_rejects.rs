//! Files of rejects: they can be corrected and imported whatever the file was like that they come from.

use crate::{
    import::{fails, import, loaded},
    support::{TempDir, database::Database},
};

/// Imports with a file of rejects, and returns what that has.
async fn rejects(database: &Database, flags: &[&str], input: &[u8]) -> Vec<u8> {
    let folder = TempDir::new();
    let file = folder.0.join("rejects");
    let flags = [&["-", "--rejects", file.to_str().unwrap()], flags].concat();
    let said = import(database, &flags, input).await;
    assert!(said.contains("wrote 1 bad record"), "{said}");
    std::fs::read(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_last_cell_before_crlf_stays_empty() {
    let database = Database::demo().await;
    let csv = "name,start_time,end_time,target\r\nn,2027-03-03,2027-03-01,\r\n";
    let left = rejects(&database, &["--format=csv"], csv.as_bytes()).await;
    let left = String::from_utf8(left).unwrap();
    assert_eq!(
        left,
        "name,start_time,end_time,target\nn,2027-03-03,2027-03-01,\n"
    );
    let corrected = left.replace("03-01", "03-05");
    import(&database, &["-", "--format=csv"], corrected.as_bytes()).await;
    assert_eq!(loaded(&database).await.1, 0);
}

/// A record may have any number of faults; the first ones show what is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_many_faults_has_a_short_line() {
    let database = Database::demo().await;
    let unknown: Vec<String> = (0..5_000).map(|n| format!("\"k{n}\":1")).collect();
    let record = format!("{{{}}}\n", unknown.join(","));
    let said = fails(&database, &["-", "--format=ndjson"], record.as_bytes()).await;
    assert!(said.contains("\"k0\" is not a field of a task"), "{said}");
    assert!(said.contains("; and 49"), "{said}");
    assert!(said.len() < 2_000, "{said}");
}

/// Rejects are in UTF-8; a mark says so if the input had one, or was in another encoding.
#[tokio::test(flavor = "multi_thread")]
async fn rejects_of_every_encoding_are_read_with_the_same_flags() {
    let database = Database::demo().await;
    let csv = "名称,开始时间,结束时间,客户\n三月活动,2027-03-03,2027-03-01,张三\n";
    let json = "{\"name\":\"三月活动\",\"start_time\":\"2027-03-03\",\"end_time\":\"2027-03-01\",\"target\":[\"张三\"]}";
    let list = format!("[{json}]");
    let gbk = |text: &str| encoding_rs::GB18030.encode(text).0.into_owned();
    for (flags, input) in [
        (&["--format=csv", "--encoding=gb18030"][..], gbk(csv)),
        (&["--format=csv"], gbk(csv)),
        (&["--format=csv"], format!("\u{feff}{csv}").into_bytes()),
        (&["--encoding=gb18030"], gbk(json)),
        (&["--format=json", "--encoding=gb18030"], gbk(&list)),
    ] {
        let left = rejects(&database, flags, &input).await;
        let left = String::from_utf8(left).unwrap();
        assert!(left.starts_with('\u{feff}'), "{flags:?}: {left}");
        let corrected = left.replace("03-01", "03-05");
        let flags = [&["-"], flags].concat();
        import(&database, &flags, corrected.as_bytes()).await;
        let exported = database.succeed(&["export", "--tenant=demo"], b"").await;
        assert!(exported.contains("三月活动"), "{flags:?}: {exported}");
        database.execute("DELETE FROM tasks").await;
    }
    // Plain UTF-8 has no mark.
    let left = rejects(&database, &["--format=csv"], csv.as_bytes()).await;
    assert!(left.starts_with("名称".as_bytes()));
}

/// The rejects of an export with a mark are checked like it, and not read as they are.
#[tokio::test(flavor = "multi_thread")]
async fn rejects_of_a_file_with_a_mark_are_no_export_of_ours() {
    let database = Database::demo().await;
    let task = "{\"task_id\":\"a\",\"name\":\"n\",\"target\":[\"1\"],\"start_time\":\"2027-03-01\",\"end_time\":\"2027-03-01\"}";
    import(&database, &["-"], task.as_bytes()).await;
    let folder = TempDir::new();
    let file = folder.0.join("tasks.csv");
    let file = file.to_str().unwrap();
    database
        .succeed(&["export", file, "--tenant=demo", "--bom"], b"")
        .await;
    let marked = std::fs::read(file).unwrap();
    let left = rejects(&database, &["--format=csv"], &marked).await;
    let padded = String::from_utf8(left)
        .unwrap()
        .replace("a,n,1,", "b, n ,1,");
    let said = import(&database, &["-", "--format=csv"], padded.as_bytes()).await;
    assert!(said.contains("removed the blanks around 1 value"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_of_rejects_a_dry_run_speaks_of_none() {
    let database = Database::demo().await;
    let said = fails(&database, &["-", "--dry-run"], b"{}").await;
    assert!(
        said.contains("1 of 1 records are bad") && !said.contains("rejects"),
        "{said}"
    );
}

/// The rejects of one import are still there after another that could not begin.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_cannot_begin_leaves_older_rejects() {
    let database = Database::demo().await;
    let folder = TempDir::new();
    let file = folder.0.join("rejects.csv");
    std::fs::write(&file, "older").unwrap();
    let path = file.to_str().unwrap();
    let import = [
        "targets",
        "import",
        "-",
        "--tenant=demo",
        "--task=typo",
        "--rejects",
        path,
    ];
    let output = database.run(&import, b"138\n").await;
    assert!(!output.status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "older");
    // A whole import empties it.
    let task = b"{\"name\":\"n\",\"start_time\":\"2027-03-01\",\"end_time\":\"2027-03-01\"}";
    crate::import::import(&database, &["-", "--rejects", path], task).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
}
