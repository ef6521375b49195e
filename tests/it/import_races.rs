//! Imports beside other writers of the same ids.

use outbound_tasks::pb::{ImportConflict, ImportFormat};
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    import_calls::start,
    support::{
        PATIENCE,
        database::Database,
        eventually,
        import::{import, options},
        tasks::{Json, task, to_ndjson},
    },
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

/// The columns that a task of plain SQL needs.
const COLUMNS: &str = "tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count, target";

/// The beginning of another writer's transaction, which creates the first tasks of the import.
fn other_writer(taken: i64) -> String {
    format!(
        "BEGIN; INSERT INTO tasks ({COLUMNS}) SELECT 'demo', 'm' || n, 'n', now(), now(), 1, 0, now(), now(), 0, '{{}}' \
         FROM generate_series(0, {taken} - 1) n"
    )
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
        other.batch_execute(&other_writer(taken)).await.unwrap();
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

/// Over the network, where tasks are inserted.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_over_the_network_that_loses_a_race_names_the_ids() {
    let (server, client) = start().await;
    let file = to_ndjson(
        &(0..20)
            .map(|n| record(&format!("m{n}")))
            .collect::<Vec<_>>(),
    );
    let asking = server.database.client().await;
    for conflict in [
        ImportConflict::Unspecified,
        ImportConflict::Skip,
        ImportConflict::Replace,
    ] {
        let other = server.database.client().await;
        other.batch_execute(&other_writer(2)).await.unwrap();
        let mut options = options(ImportFormat::Ndjson);
        options.on_conflict = conflict.into();
        let import = import(&client, options, file.as_bytes(), 1 << 16);
        let commit = async {
            let waits = async || server.database.count_waiting(&asking).await == 1;
            eventually("the import waits for the other writer", PATIENCE, waits).await;
            other.batch_execute("COMMIT").await.unwrap();
        };
        let (refused, ()) = tokio::join!(import, commit);
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{refused:?}");
        let wanted = "so nothing was loaded; import again: \"m0\", \"m1\"";
        assert!(refused.message().ends_with(wanted), "{refused:?}");
        let resource = refused.get_details_resource_info().unwrap();
        assert_eq!(resource.resource_name, "m0");
        let loaded: i64 = asking
            .query_one("SELECT count(*) FROM tasks", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(loaded, 2, "{conflict:?}");
        asking.batch_execute("DELETE FROM tasks").await.unwrap();
    }
}
