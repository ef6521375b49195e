//! Every write that is sent twice is done once, and both answers are the same.

use futures_util::future::join_all;
use outbound_tasks::pb::{
    self, AddTaskTargetsRequest, RemoveTaskTargetsRequest, TargetState, TaskAction,
};

use crate::support::{
    client::{ACTIONS, Client, fields, is_replay, new_task, part, result, way_to},
    descriptor::rpcs,
    server::Server,
    writes::{Raw, Write},
};

/// One write of each rpc, each on a task of its own, with a key.
async fn write(client: &Client, rpc: &str, key: &str) -> Raw {
    let write = match rpc {
        "CreateOutboundTask" => Write::Create(new_task("made", &["c1"])),
        "BatchCreateOutboundTasks" => {
            Write::Batch(vec![new_task("", &["c1", "c1"]), new_task("", &[])])
        }
        "CopyOutboundTask" => Write::Copy(rpc),
        "UpdateOutboundTask" => Write::Rename(rpc, "new"),
        "DeleteOutboundTask" => Write::Delete(rpc),
        "BulkChangeOutboundTasks" => {
            let filter = pb::TaskFilter {
                status: vec![3],
                ..Default::default()
            };
            Write::Bulk(TaskAction::Fail, filter, 1)
        }
        "AddTaskTargets" => Write::Upload(vec![part(rpc, &["c1", "c7"]), part("", &["c8", "c9"])]),
        "RemoveTaskTargets" => Write::Remove(rpc, &["c1"]),
        "ReportTargetResults" => Write::Report(rpc, vec![result("c1", TargetState::Busy, 1, 10)]),
        rpc => {
            let word = rpc.strip_suffix("OutboundTask").unwrap_or(rpc);
            let action = ACTIONS.into_iter().find(|a| format!("{a:?}") == word);
            let action = action.unwrap_or_else(|| panic!("no write of the rpc {rpc}"));
            Write::Act(action, rpc, "")
        }
    };
    write.send(client, key).await
}

/// The rpcs that take a key, and the status that their task has when they are called.
fn writes() -> Vec<(String, pb::TaskStatus)> {
    let writes = rpcs()
        .into_iter()
        .filter(|rpc| rpc.input.get_field_by_name("idempotency_key").is_some());
    let writes = writes.map(|rpc| {
        let status = match &*rpc.name {
            "PauseOutboundTask" | "CompleteOutboundTask" => pb::TaskStatus::Running,
            "ResumeOutboundTask" => pb::TaskStatus::Paused,
            _ => pb::TaskStatus::Pending,
        };
        (rpc.name, status)
    });
    writes.collect()
}

/// The answer is the first one, even where the task has been deleted since.
#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_done_once_and_answered_the_same() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let writes = writes();
    assert_eq!(writes.len(), 15);
    for (rpc, status) in &writes {
        client.create(new_task(rpc, &["c1"])).await;
        for step in way_to(*status) {
            client.acted(*step, rpc).await;
        }
    }
    client.create(new_task("bulk", &[])).await;
    client.acted(TaskAction::Start, "bulk").await;
    let sql = server.database.client().await;
    let state = async || {
        let state = "SELECT (SELECT json_agg(t ORDER BY task_id)::text FROM tasks t),
            (SELECT json_agg(g ORDER BY task_id, position)::text FROM task_targets g),
            (SELECT json_agg(e ORDER BY event_id)::text FROM task_events e)";
        let row = sql.query_one(state, &[]).await.unwrap();
        [0, 1, 2].map(|n| row.get::<_, String>(n))
    };
    let mut firsts = Vec::new();
    for (rpc, _) in &writes {
        // The only task that is paused, for this call.
        if rpc == "BulkChangeOutboundTasks" {
            let paused = "UPDATE tasks SET status = CASE WHEN task_id = 'bulk' THEN 3 WHEN status = 3 THEN 2 ELSE status END";
            server.database.execute(paused).await;
        }
        let before = state().await;
        let (first, is_replay) = write(&client, rpc, rpc).await.unwrap();
        assert!(!is_replay, "{rpc}");
        let after = state().await;
        assert_ne!(after, before, "{rpc}");
        for again in join_all((0..3).map(|_| write(&client, rpc, rpc))).await {
            assert_eq!(again.unwrap(), (first.clone(), true), "{rpc}");
        }
        assert_eq!(state().await, after, "{rpc}");
        firsts.push(first);
    }
    // The tasks have ended or are deleted: the write was done before.
    for change in ["UPDATE tasks SET status = 6", "DELETE FROM tasks"] {
        server.database.execute(change).await;
        let before = state_of_events(&sql).await;
        for ((rpc, _), first) in writes.iter().zip(&firsts) {
            let again = write(&client, rpc, rpc).await;
            assert_eq!(
                again.unwrap(),
                (first.clone(), true),
                "{rpc} after {change}"
            );
        }
        assert_eq!(state_of_events(&sql).await, before);
    }
}

async fn state_of_events(sql: &tokio_postgres::Client) -> i64 {
    let row = sql.query_one("SELECT count(*) FROM task_events", &[]).await;
    row.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_names_an_invalid_idempotency_key() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for (rpc, status) in writes() {
        client.create(new_task(&rpc, &["c1"])).await;
        for step in way_to(status) {
            client.acted(*step, &rpc).await;
        }
        for bad in [&*"钥".repeat(129), "a\0b"] {
            let refused = write(&client, &rpc, bad).await.unwrap_err();
            assert_eq!(fields(&refused), ["idempotency_key"], "{rpc}");
        }
        // The calls that change something.
        if rpc != "BulkChangeOutboundTasks" {
            let most = format!("{rpc}{}", "钥".repeat(128 - rpc.len()));
            write(&client, &rpc, &most).await.unwrap();
        }
    }
}

/// Targets that were removed since then stay removed, and the counts are right.
#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_upload_does_not_restore_removed_targets() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let upload = || {
        vec![AddTaskTargetsRequest {
            idempotency_key: "k".into(),
            ..part("a", &["c1", "c2", "c3"])
        }]
    };
    let first = client
        .add_task_targets(upload())
        .await
        .unwrap()
        .into_inner();
    let remove = RemoveTaskTargetsRequest {
        task_id: "a".into(),
        customer_ids: vec!["c2".into()],
        ..Default::default()
    };
    client.remove_task_targets(remove).await.unwrap();
    let again = client.add_task_targets(upload()).await.unwrap();
    assert!(is_replay(&again));
    assert_eq!(again.into_inner(), first);
    let task = client.get("a").await.unwrap();
    assert_eq!(
        (task.target_count, &*task.target),
        (2, &["c1".to_owned(), "c3".into()][..])
    );
    assert_eq!(client.targets("a").await.len(), 2);
}
