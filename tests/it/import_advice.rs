//! What errors of imports advise: flags on the command line, and fields of the request in calls.

use outbound_tasks::pb::{ImportConflict, ImportFormat, ImportTargetOptions, ImportTaskOptions};
use tonic::Status;

use crate::{
    import_calls::start,
    support::{
        client::new_task,
        import::{import, import_leads, options},
        server::Server,
    },
};

/// What a command that fails writes to standard error, on the database or with `--url`.
async fn said(server: &Server, command: &[&str], place: &[&str], input: &[u8]) -> String {
    let arguments = [command, place].concat();
    let output = server.database.run(&arguments, input).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{command:?}: {said}");
    said
}

/// The commands say the flags, wherever the file is loaded, and the call says the fields and no flag.
async fn check(
    server: &Server,
    command: &[&str],
    input: &[u8],
    refused: Status,
    (flags, fields): (&str, &str),
) {
    let message = refused.message();
    assert!(message.contains(fields), "{message}\nhas no\n{fields}");
    assert!(!message.contains("--"), "{message}");
    let url = format!("http://{}", server.address);
    for place in [
        &["--tenant=demo"][..],
        &["--url", &url, "--api-key", &server.key],
    ] {
        let said = said(server, command, place, input).await;
        assert!(said.contains(flags), "{said}\nhas no\n{flags}");
        assert!(!said.contains("options."), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_tasks() {
    let (server, client) = start().await;
    let with_profile = |format, profile: &str| ImportTaskOptions {
        profile: profile.to_owned(),
        ..options(format)
    };
    let aws = r#"{"campaignSummaryList": [{"id": "a", "name": "n"}]}"#;
    for (command, input, options, flags, fields) in [
        (
            &["--format=csv"][..],
            "name,start_time,end_time,地区\n",
            options(ImportFormat::Csv),
            "--map names the columns of fields, --map labels.KEY=HEADER keeps a column as a label, --ignore-unknown leaves",
            "options.field_names names the columns of fields, options.field_names labels.KEY=HEADER keeps a column as a label, \
                options.ignore_unknown leaves",
        ),
        (
            &["--profile=vicidial"],
            "list_id,phone_number\n1,2\n",
            with_profile(ImportFormat::Csv, "vicidial"),
            "--map task_id=list_id groups them by another column, --default task_id=… makes",
            "options.field_names task_id=list_id groups them by another column, options.defaults task_id=… makes",
        ),
        (
            &["--profile=vicidial"],
            "campaign_id,phone\n1,2\n",
            with_profile(ImportFormat::Csv, "vicidial"),
            "--map target=… names another column",
            "options.field_names target=… names another column",
        ),
        (
            &["--profile=aws-connect"],
            aws,
            with_profile(ImportFormat::Json, "aws-connect"),
            "--default start_time=… fills it",
            "options.defaults start_time=… fills it",
        ),
        (
            &["--format=json"],
            r#"{"total": 1}"#,
            options(ImportFormat::Json),
            "--root names the list of tasks",
            "options.root names the list of tasks",
        ),
    ] {
        let command = [&["import", "-"], command].concat();
        let refused = import(&client, options, input.as_bytes(), 1000).await;
        let refused = refused.unwrap_err();
        check(
            &server,
            &command,
            input.as_bytes(),
            refused,
            (flags, fields),
        )
        .await;
    }
    // A dry run has the advice in its report.
    let read = ImportTaskOptions {
        dry_run: true,
        ..with_profile(ImportFormat::Json, "aws-connect")
    };
    let report = import(&client, read, aws.as_bytes(), 1000).await.unwrap();
    let advice = &report.errors[0].violations[0].description;
    assert!(advice.contains("options.defaults start_time"), "{advice}");
    let url = format!("http://{}", server.address);
    let command = ["import", "-", "--profile=aws-connect", "--dry-run"];
    let place = ["--url", &url, "--api-key", &server.key];
    let said = said(&server, &command, &place, aws.as_bytes()).await;
    assert!(said.contains("--default start_time=… fills it"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_would_be_lost() {
    let (server, client) = start().await;
    let task =
        r#""task_id": "a", "name": "n", "start_time": "2023-03-01", "end_time": "2023-03-02""#;
    let called = format!(
        r#"{{{task}, "target": ["1"], "target_results": [{{"customer_id": "1", "state": "answered", "attempt": 1, "time": "2023-03-01T10:00:00Z"}}]}}"#
    );
    let read = options(ImportFormat::Ndjson);
    import(&client, read.clone(), called.as_bytes(), 1000)
        .await
        .unwrap();
    let replace = ImportTaskOptions {
        on_conflict: ImportConflict::Replace.into(),
        ..read
    };
    let file = format!("{{{task}}}\n");
    let refused = import(&client, replace.clone(), file.as_bytes(), 1000).await;
    let advice = (
        "nothing was loaded; --drop-results drops them",
        "nothing was loaded; options.drop_results drops them",
    );
    let command = ["import", "-", "--on-conflict=replace"];
    let refused = refused.unwrap_err();
    check(&server, &command, file.as_bytes(), refused, advice).await;
    let dry = ImportTaskOptions {
        dry_run: true,
        ..replace
    };
    let report = import(&client, dry, file.as_bytes(), 1000).await.unwrap();
    assert!(report.refusal.contains(advice.1), "{}", report.refusal);
    let dry = [&command[..], &["--dry-run"]].concat();
    let url = format!("http://{}", server.address);
    let place = ["--url", &url, "--api-key", &server.key];
    let said = said(&server, &dry, &place, file.as_bytes()).await;
    assert!(said.contains(advice.0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lead_lists() {
    let (server, client) = start().await;
    client.create(new_task("T", &[])).await;
    let of_task = |column: &str| ImportTargetOptions {
        format: ImportFormat::Csv.into(),
        task_id: "T".to_owned(),
        column: column.to_owned(),
        ..Default::default()
    };
    let all = ImportTargetOptions {
        task_id: String::new(),
        ..of_task("")
    };
    let by_header = ImportTargetOptions {
        task_column: "list".to_owned(),
        header: Some(false),
        ..all.clone()
    };
    for (command, input, options, flags, fields) in [
        (
            &["--task=T"][..],
            "name,city\nLi,X\n",
            of_task(""),
            "--column says which column holds the customers",
            "options.column says which column holds the customers",
        ),
        (
            &["--task=T"],
            "phone,mobile\n1,2\n",
            of_task(""),
            "--column names one of",
            "options.column names one of",
        ),
        (
            &["--task=T", "--column=phone"],
            "138,1\n",
            of_task("phone"),
            "so --column must be a number; with --header yes, the first row is one",
            "so options.column must be a number; with options.header true, the first row is one",
        ),
        (
            &["--task-column=list", "--header=no"],
            "138,1\n",
            by_header,
            "so --task-column must be a number",
            "so options.task_column must be a number",
        ),
        (
            &["--task=T", "--column=3"],
            "138,1\n",
            of_task("3"),
            "--column is 3, but the first row has 2 cells",
            "options.column is 3, but the first row has 2 cells",
        ),
        (
            &[],
            "phone\n138\n",
            all,
            "--task names the task of all rows, or --task-column the column of their tasks",
            "options.task_id names the task of all rows, or options.task_column the column of their tasks",
        ),
    ] {
        let command = [&["targets", "import", "-"], command].concat();
        let refused = import_leads(&client, options, input.as_bytes()).await;
        let refused = refused.unwrap_err();
        check(
            &server,
            &command,
            input.as_bytes(),
            refused,
            (flags, fields),
        )
        .await;
    }
}
