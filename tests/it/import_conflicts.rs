//! The import command beside tasks that exist: ids that are taken, and targets of tasks that are gone.

use crate::{
    import::{fails, import, loaded, minimal},
    support::{database::Database, tasks::to_ndjson},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_id_fails_is_skipped_or_is_replaced() {
    let database = Database::demo().await;
    let with_targets = |id: &str, targets: &[&str]| {
        let mut task = minimal(id);
        task["target"] = targets.into();
        task
    };
    import(
        &database,
        &["-"],
        to_ndjson(&[with_targets("a", &["x", "y"]), with_targets("b", &["x"])]).as_bytes(),
    )
    .await;
    let again = [
        with_targets("b", &["z", "z"]),
        with_targets("c", &["1"]),
        with_targets("c", &["2", "3", "4"]),
    ];
    let again = to_ndjson(&again);
    let said = fails(&database, &["-"], again.as_bytes()).await;
    assert!(
        said.contains("line 1: task_id") && said.contains("line 3: task_id"),
        "{said}"
    );
    assert_eq!(loaded(&database).await, (vec!["a".into(), "b".into()], 3));

    let said = import(&database, &["-", "--on-conflict", "skip"], again.as_bytes()).await;
    assert!(
        said.contains("loaded 1 task with 1 target") && said.contains("skipped 2"),
        "{said}"
    );
    assert_eq!(loaded(&database).await.1, 4);

    let said = import(
        &database,
        &["-", "--on-conflict", "replace"],
        again.as_bytes(),
    )
    .await;
    assert!(
        said.contains("loaded 2 tasks with 4 targets") && said.contains("replaced 3"),
        "{said}"
    );
    assert!(said.contains("1 repeated customer"), "{said}");
    assert_eq!(
        loaded(&database).await,
        (vec!["a".into(), "b".into(), "c".into()], 6)
    );
    let row = database
        .client()
        .await
        .query_one(
            "SELECT target, target_count FROM tasks WHERE task_id = 'c'",
            &[],
        )
        .await;
    let row = row.unwrap();
    assert_eq!(
        (row.get::<_, Vec<String>>(0), row.get::<_, i32>(1)),
        (vec!["2".into(), "3".into(), "4".into()], 3)
    );
}

/// After a delete, truncate or rename by SQL, no targets are left for the next task with that id.
#[tokio::test(flavor = "multi_thread")]
async fn targets_follow_their_task() {
    let database = Database::demo().await;
    let client = database.client().await;
    let record = |target: &[&str]| {
        serde_json::json!({"task_id": "a", "name": "n", "start_time": "2026-01-01", "end_time": "2026-01-02", "target": target})
            .to_string()
    };
    let targets = async || {
        let sql = "SELECT task_id || ':' || customer_id FROM task_targets ORDER BY 1";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|r| r.get(0)).collect::<Vec<String>>()
    };
    for change in ["DELETE FROM tasks", "TRUNCATE tasks"] {
        let import = ["import", "-", "--tenant", "demo"];
        database
            .succeed(&import, record(&["c1", "c2"]).as_bytes())
            .await;
        assert_eq!(targets().await, ["a:c1", "a:c2"]);
        client.batch_execute(change).await.unwrap();
        assert_eq!(targets().await, [""; 0], "{change}");
    }
    let replace = [
        "import",
        "-",
        "--tenant",
        "demo",
        "--on-conflict",
        "replace",
    ];
    for target in [&["c3"][..], &[], &["c4", "c5"]] {
        database.succeed(&replace, record(target).as_bytes()).await;
        let wanted: Vec<String> = target.iter().map(|c| format!("a:{c}")).collect();
        assert_eq!(targets().await, wanted);
    }
    client
        .batch_execute("UPDATE tasks SET task_id = 'b'")
        .await
        .unwrap();
    assert_eq!(targets().await, ["b:c4", "b:c5"]);
}
