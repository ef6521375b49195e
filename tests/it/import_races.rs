//! Imports beside other writers of the same ids.

use crate::support::{
    PATIENCE,
    database::Database,
    eventually,
    tasks::{Json, task, to_ndjson},
};

/// Enough that the import still sends when PostgreSQL refuses its first record, and too much for the buffers of a socket.
const TASKS: usize = 5_000;

fn record(id: &str) -> Json {
    let mut record = task(
        id,
        "2023-03-01T10:00:00Z",
        "2023-03-01T11:00:00Z",
        "pending",
    );
    record["name"] = "n".repeat(256).into();
    record
}

/// PostgreSQL ends the COPY of the loser while it is being sent. The driver then reports a closed connection.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_loses_a_race_names_the_ids() {
    let database = Database::of_owner().await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    let file = to_ndjson(
        &(0..TASKS)
            .map(|n| record(&format!("m{n}")))
            .collect::<Vec<_>>(),
    );
    let client = database.client().await;
    for (flags, taken, named) in [
        (&[][..], 1, "\"m0\""),
        (&["--on-conflict", "skip"], 12, "\"m0\", \"m1\", "),
        (&["--on-conflict", "replace"], 12, "and 2 more"),
    ] {
        // Another writer has not committed yet, so the import finds no id taken, and waits for it in COPY.
        let other = database.client().await;
        let columns = "tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count, target";
        let insert = format!(
            "BEGIN; INSERT INTO tasks ({columns}) SELECT 'demo', 'm' || n, 'n', now(), now(), 1, 0, now(), now(), 0, '{{}}' \
             FROM generate_series(0, {taken} - 1) n"
        );
        other.batch_execute(&insert).await.unwrap();
        let arguments = [&["import", "-", "--tenant", "demo"], flags].concat();
        let import = database.run(&arguments, file.as_bytes());
        let commit = async {
            let waits = async || {
                let copies = "wait_event_type = 'Lock' AND query LIKE 'COPY%'";
                database.count_backends(&client, copies).await == 1
            };
            eventually("the import waits for the other writer", PATIENCE, waits).await;
            other.batch_execute("COMMIT").await.unwrap();
        };
        let (output, ()) = tokio::join!(import, commit);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let wanted = "outbound-tasks: another writer created tasks with ids of this import while it ran, so nothing was \
            loaded; import again: ";
        assert!(
            said.contains(wanted) && said.contains(named),
            "{flags:?}: {said}"
        );
        let loaded = "SELECT count(*) FROM tasks";
        let loaded: i64 = client.query_one(loaded, &[]).await.unwrap().get(0);
        assert_eq!(loaded, taken, "{flags:?}");
        client.batch_execute("DELETE FROM tasks").await.unwrap();
    }
}
