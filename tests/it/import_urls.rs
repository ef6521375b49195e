//! The commands that import, with `--url`: they send the file to a service.

use std::path::Path;

use crate::{
    import_calls::{start, stored},
    support::{client::new_task, server::Server, tasks::Json},
};

/// Whether a command succeeds, and what it writes to standard error.
async fn said(server: &Server, arguments: &[&str], input: &[u8]) -> (bool, String) {
    let output = server.database.run(arguments, input).await;
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

/// The commands send the file to a service if `--url` is given, and say the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_import_over_the_network() {
    let (server, client) = start().await;
    client.create(new_task("T", &[])).await;
    server.tenant("other").await;
    let url = format!("http://{}", server.address);
    let of_service = ["--url", &url, "--api-key", &server.key];
    let trade = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/trade");
    let path = |file: &str| trade.join(file).to_str().unwrap().to_owned();
    for file in [
        "gbk.csv",
        "sepcn.csv",
        "libreoffice.xlsx",
        "libreoffice.xls",
        "libreoffice.ods",
        "dups.csv",
        "num.ndjson",
        "arr.json",
        "pct.csv",
    ] {
        let file = path(file);
        let of_database = said(&server, &["import", &file, "--tenant=other"], b"").await;
        let import = [&["import", &file], &of_service[..]].concat();
        let (done, of_call) = said(&server, &import, b"").await;
        // An error has no room for how the file was read.
        let (is_same, of_database) = of_database;
        let lines = of_database.lines();
        let lines = lines.filter(|line| done || !line.starts_with("read "));
        assert!(
            of_call.lines().eq(lines),
            "{file}: {of_call}\nis not\n{of_database}"
        );
        assert_eq!(done, is_same, "{file}");
        let mine = stored(&server.database, "demo").await.into_iter();
        let theirs = stored(&server.database, "other").await;
        let mine: Vec<_> = mine.filter(|task| task["task_id"] != "T").collect();
        let same =
            |task: &Json| ["task_id", "name", "target", "start_time"].map(|f| task[f].clone());
        assert!(mine.iter().map(same).eq(theirs.iter().map(same)), "{file}");
        server
            .database
            .execute("DELETE FROM tasks WHERE task_id <> 'T'")
            .await;
    }
}

/// What else the commands say when they ask a service.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_commands_say_of_a_service() {
    let (server, client) = start().await;
    client.create(new_task("T", &[])).await;
    server.tenant("other").await;
    let url = format!("http://{}", server.address);
    let of_service = ["--url", &url, "--api-key", &server.key];
    let trade = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/trade");
    let file = trade.join("leads.txt").to_str().unwrap().to_owned();
    let import = [
        &["targets", "import", &file, "--task=T", "--column=1"],
        &of_service[..],
    ]
    .concat();
    let (done, report) = said(&server, &import, b"").await;
    assert!(
        done && report.contains("added 3 targets to 1 task"),
        "{report}"
    );
    let dry = [&import[..], &["--dry-run"]].concat();
    let (done, report) = said(&server, &dry, b"").await;
    assert!(
        done && report.contains("dry run: nothing was loaded"),
        "{report}"
    );
    assert!(report.contains("removed 4 repeated customers"), "{report}");

    for (flags, reported) in [
        (&["--rejects=x"][..], "--rejects needs --database-url"),
        (
            &["--tenant=other"],
            "is a key of the tenant demo, but --tenant is other",
        ),
        (
            &["--database-url=postgresql://x/"],
            "cannot be used with '--database-url'",
        ),
    ] {
        let import = [&["import", "-"], &of_service[..], flags].concat();
        let (done, report) = said(&server, &import, b"").await;
        assert!(!done && report.contains(reported), "{flags:?}: {report}");
    }
    let (done, report) = said(
        &server,
        &[
            "import",
            "/missing.csv",
            "--url",
            &url,
            "--api-key",
            &server.key,
        ],
        b"",
    )
    .await;
    assert!(
        !done && report.contains("/missing.csv cannot be read"),
        "{report}"
    );
    // Without `--url` on the command line, the database in the environment counts.
    let (done, report) = said(&server, &["import", "-"], b"").await;
    assert!(!done && report.contains("--tenant is required"), "{report}");
}
