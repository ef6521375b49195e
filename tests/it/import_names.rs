//! Names and encodings that could be read in two ways, and the lines of single objects.

use outbound_tasks::pb::{ImportFormat, ImportTaskOptions, TaskStatus};

use crate::{
    import::{fails, import},
    import_calls::{start, stored},
    support::{
        database::Database,
        import::{import as call, options},
    },
};

/// A file larger than what decides about the encoding, which ends inside of a letter.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_russian_file_is_utf8() {
    let database = Database::demo().await;
    let rows: String = (0..1500)
        .map(|n| format!("t{n:04},Обзвон клиентов банка,2027-06-01,2027-06-02,pending\n"))
        .collect();
    for ahead in ["", " "] {
        let csv = format!("{ahead}task_id,name,start_time,end_time,status\n{rows}");
        let said = import(&database, &["-", "--format=csv"], csv.as_bytes()).await;
        assert!(said.contains("read UTF-8"), "{said}");
        let exported = database.succeed(&["export", "--tenant=demo"], b"").await;
        assert_eq!(exported.matches("Обзвон клиентов банка").count(), 1500);
        database.execute("DELETE FROM tasks").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_or_word_that_is_given_twice_is_refused() {
    let database = Database::demo().await;
    for flags in [
        &["--map=name=A,name=B"][..],
        &["--map=name=A", "--map=name=B"],
        &["--status-map=x=running,x=paused"],
        &["--default=name=A", "--default=name=B"],
    ] {
        let import = [&["import", "-", "--tenant=demo"], flags].concat();
        let output = database.run(&import, b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && said.contains("twice"),
            "{flags:?}: {said}"
        );
    }
}

/// Over the network and from the command, a name that is exactly the mapped one comes before one that is similar.
#[tokio::test(flavor = "multi_thread")]
async fn an_exact_name_wins_over_a_similar_one() {
    let (server, client) = start().await;
    server.tenant("other").await;
    let csv = "Task,task,start_time,end_time,status\nA,b,2027-03-01,2027-03-01,On\n";
    let import = [
        "import",
        "-",
        "--tenant=other",
        "--format=csv",
        "--map=task_id=task,name=Task",
        "--status-map=on=paused,On=running",
    ];
    server.database.succeed(&import, csv.as_bytes()).await;
    let options = ImportTaskOptions {
        field_names: [("task_id", "task"), ("name", "Task")]
            .map(|(field, name)| (field.to_owned(), name.to_owned()))
            .into(),
        status_words: [("on", TaskStatus::Paused), ("On", TaskStatus::Running)]
            .map(|(word, status)| (word.to_owned(), status.into()))
            .into(),
        ..options(ImportFormat::Csv)
    };
    call(&client, options, csv.as_bytes(), 7).await.unwrap();
    for tenant in ["other", "demo"] {
        let task = &stored(&server.database, tenant).await[0];
        assert_eq!(
            (&task["task_id"], &task["name"], &task["status"]),
            (&"b".into(), &"A".into(), &"running".into()),
            "{tenant}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_object_is_named_by_the_line_on_which_it_begins() {
    let database = Database::demo().await;
    let answer = "{\n  \"campaign\":\n  {\n    \"id\": \"c\",\n    \"name\": \"n\",\n    \"state\": \"asleep\"\n  }\n}\n";
    let flags = [
        "-",
        "--profile=aws-connect",
        "--default=start_time=2027-03-01",
        "--default=end_time=2027-03-01",
    ];
    let said = fails(&database, &flags, answer.as_bytes()).await;
    assert!(
        said.contains("line 3, task 1: status must be one of"),
        "{said}"
    );
}

/// Both names that are given twice and unknown ones are errors; only the latter can be left out.
#[tokio::test(flavor = "multi_thread")]
async fn advice_about_headers_fits() {
    let database = Database::demo().await;
    let csv = b"name,name,start_time,end_time\n";
    let said = fails(&database, &["-", "--format=csv"], csv).await;
    assert!(
        said.contains("name is given twice") && !said.contains("--ignore-unknown"),
        "{said}"
    );
    let csv = "name,start_time,end_time,地区\n".as_bytes();
    let said = fails(&database, &["-", "--format=csv"], csv).await;
    let advice = "\"地区\" is not a field of a task; --map names the columns of fields, --map labels.KEY=HEADER keeps a column \
        as a label, --ignore-unknown leaves others out";
    assert!(said.contains(advice), "{said}");
}
