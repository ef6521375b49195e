//! Imports that only report, and imports that would lose results of calls.

use crate::support::{
    TempDir,
    database::Database,
    tasks::{Json, task, to_ndjson},
};

/// Imports from standard input; returns whether it succeeded, and its messages.
async fn import(database: &Database, flags: &[&str], tasks: &[Json]) -> (bool, String) {
    let import = [&["import", "-", "--tenant=demo"], flags].concat();
    let output = database.run(&import, to_ndjson(tasks).as_bytes()).await;
    (
        output.status.success(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

async fn stored(database: &Database) -> String {
    let export = ["export", "--tenant=demo", "--order-by=task_id"];
    database.succeed(&export, b"").await
}

fn pending(id: &str, target: &[&str]) -> Json {
    let mut task = task(id, "2023-03-01", "2023-03-02", "pending");
    task["target"] = target.into();
    task
}

/// The task with a result of each of `called`.
fn called(id: &str, target: &[&str], called: &[&str]) -> Json {
    let mut task = pending(id, target);
    let result = |customer: &&str| {
        serde_json::json!({
            "customer_id": customer, "state": "answered", "attempt": 1, "time": "2023-03-01T10:00:00Z",
        })
    };
    task["target_results"] = called.iter().map(result).collect();
    task
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_reports_everything_and_loads_nothing() {
    let database = Database::demo().await;
    let (done, said) = import(&database, &[], &[pending("a", &["1"])]).await;
    assert!(done, "{said}");
    let before = stored(&database).await;
    let tasks = [pending("a", &["1", "2"]), pending("b", &["1", "1"])];
    for (flags, is_done, reported) in [
        (
            &[][..],
            false,
            &["line 1: task_id \"a\" is taken", "1 of 2 records are bad"][..],
        ),
        (
            &["--on-conflict=skip"],
            true,
            &["loaded 1 task with 1 target", "skipped 1 record"],
        ),
        (
            &["--on-conflict=replace"],
            true,
            &[
                "loaded 2 tasks with 3 targets",
                "replaced 1 task",
                "removed 1 repeated customer",
            ],
        ),
    ] {
        let flags = [&["--dry-run"], flags].concat();
        let (done, said) = import(&database, &flags, &tasks).await;
        assert_eq!(done, is_done, "{flags:?}: {said}");
        for part in [&["dry run: nothing was loaded", "read UTF-8"], reported].concat() {
            assert!(said.contains(part), "{flags:?}: {part:?} is not in {said}");
        }
        assert_eq!(stored(&database).await, before);
    }
    // The bad records are set apart as by the import.
    let folder = TempDir::new();
    let rejects = folder.0.join("rejects");
    let flags = ["--dry-run", "--rejects", rejects.to_str().unwrap()];
    let (done, said) = import(&database, &flags, &tasks).await;
    assert!(done && said.contains("wrote 1 bad record"), "{said}");
    assert_eq!(std::fs::read_to_string(rejects).unwrap().lines().count(), 1);
    assert_eq!(stored(&database).await, before);
}

/// An id that comes twice in a file loses the same results whether its records are loaded together or not.
#[tokio::test(flavor = "multi_thread")]
async fn lost_results_do_not_depend_on_the_batches_of_a_file() {
    let database = Database::demo().await;
    let (done, said) = import(&database, &[], &[called("a", &["1", "2"], &["1", "2"])]).await;
    assert!(done, "{said}");
    for between in [0, 6_000] {
        let mut tasks = vec![called("a", &["1", "2", "3"], &["1", "3"])];
        tasks.extend((0..between).map(|n| pending(&format!("b{n}"), &[])));
        tasks.push(called("a", &["1", "2"], &["1", "2"]));
        let flags = ["--dry-run", "--on-conflict=replace", "--drop-results"];
        let (done, said) = import(&database, &flags, &tasks).await;
        // 2 with the first record, and then 3 with the second.
        assert!(
            done && said.contains("dropped 2 results of calls"),
            "{between}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_dropped_only_if_the_flag_says_so() {
    let database = Database::demo().await;
    let tasks = [
        called("a", &["1", "2", "3"], &["1", "2"]),
        called("b", &["1"], &["1"]),
        pending("c", &["1"]),
    ];
    let (done, said) = import(&database, &[], &tasks).await;
    assert!(done, "{said}");
    let before = stored(&database).await;
    let replace = "--on-conflict=replace";
    // The same results, and further ones: nothing is lost.
    let same = [
        called("a", &["1", "2", "3"], &["1", "2", "3"]),
        pending("c", &[]),
    ];
    let (done, said) = import(&database, &[replace, "--dry-run"], &same).await;
    assert!(done && !said.contains("dropped"), "{said}");
    let mut older = called("a", &["1", "2", "3"], &["1", "2"]);
    older["target_results"][1]["time"] = "2023-03-01T09:59:59Z".into();
    for (tasks, count) in [
        (vec![pending("a", &["1", "2", "3"])], "2 results"),
        // What was reported after an export is not undone by it, nor by a later record of the file.
        (vec![older.clone()], "1 result"),
        (vec![tasks[0].clone(), older], "1 result"),
        // Another customer's result does not make up for it, nor does an earlier record of the file.
        (vec![called("a", &["1", "2", "3"], &["1", "3"])], "1 result"),
        (vec![tasks[0].clone(), pending("a", &[])], "2 results"),
        (
            vec![called("a", &["2"], &["2"]), pending("b", &["1"])],
            "2 results",
        ),
    ] {
        let (done, said) = import(&database, &[replace], &tasks).await;
        let refused = format!("have {} results of calls", &count[..1]);
        assert!(
            !done && said.contains(&refused) && said.contains("--drop-results"),
            "{said}"
        );
        let (done, said) = import(&database, &[replace, "--dry-run"], &tasks).await;
        assert!(
            !done && said.contains(&format!("dropped {count} of")),
            "{said}"
        );
        let (done, said) =
            import(&database, &[replace, "--dry-run", "--drop-results"], &tasks).await;
        assert!(
            done && said.contains(&format!("dropped {count} of")),
            "{said}"
        );
        assert_eq!(stored(&database).await, before);
    }
    let (done, said) = import(
        &database,
        &[replace, "--drop-results"],
        &[pending("a", &["1"])],
    )
    .await;
    assert!(
        done && said.contains("dropped 2 results of calls of replaced tasks"),
        "{said}"
    );
    assert!(!stored(&database).await.contains("\"customer_id\":\"2\""));
    // An export has its results, so that it can be imported over itself.
    let export = stored(&database).await;
    let output = database
        .run(
            &["import", "-", "--tenant=demo", replace],
            export.as_bytes(),
        )
        .await;
    assert!(output.status.success());
    assert_eq!(stored(&database).await, export);
}
