//! Every action from every status: the new status, or the error.

use outbound_tasks::pb::{OutboundTask, TaskAction, TaskStatus, UpdateOutboundTaskRequest};
use tonic::Code;

use crate::support::{
    client::{ACTIONS, Act, Client, assert_not_found, facts, fields, new_task, way_to},
    server::Server,
};

use TaskStatus::{Completed, Failed, Paused, Pending, Running, Stopped};

/// The status that each action (start, pause, resume, stop, complete, fail) leads to from each status, and the actions
/// that a refusal names as allowed.
#[allow(clippy::type_complexity)]
const TABLE: [(TaskStatus, &str, [Option<TaskStatus>; 6], &str); 6] = [
    (
        Pending,
        "pending",
        [Some(Running), None, None, Some(Stopped), None, Some(Failed)],
        "start, stop, fail",
    ),
    (
        Running,
        "running",
        [
            None,
            Some(Paused),
            None,
            Some(Stopped),
            Some(Completed),
            Some(Failed),
        ],
        "pause, stop, complete, fail",
    ),
    (
        Paused,
        "paused",
        [
            None,
            None,
            Some(Running),
            Some(Stopped),
            Some(Completed),
            Some(Failed),
        ],
        "resume, stop, complete, fail",
    ),
    (Completed, "completed", [None; 6], ""),
    (Stopped, "stopped", [None; 6], ""),
    (Failed, "failed", [None; 6], ""),
];

fn nanos(time: &Option<prost_types::Timestamp>) -> (i64, i32) {
    let time = time.as_ref().unwrap();
    (time.seconds, time.nanos)
}

fn allowed(row: &[Option<TaskStatus>; 6]) -> Vec<i32> {
    let actions = ACTIONS.iter().zip(row).filter(|(_, to)| to.is_some());
    actions.map(|(action, _)| *action as i32).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_from_every_status_does_what_the_table_says() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for (status, word, row, names) in &TABLE {
        for (action, to) in ACTIONS.into_iter().zip(row) {
            let id = format!("{word}-{action:?}");
            let mut before = client.create(new_task(&id, &["c1", "c2"])).await;
            for step in way_to(*status) {
                before = client.acted(*step, &id).await;
            }
            assert_eq!(before.status(), *status);
            assert_eq!(before.allowed_actions, allowed(row), "{id}");
            let events = client.events(&id).await;
            let act = Act {
                task_id: &id,
                reason: "因为 why",
                ..Act::default()
            };
            match (client.act(action, act).await, to) {
                (Ok(after), Some(to)) => {
                    let after = after.into_inner();
                    assert_changed(&before, &after, *to);
                    assert_eq!(client.get(&id).await.unwrap(), after);
                    assert_eq!(client.events(&id).await.len(), events.len() + 1);
                    let json = server
                        .http()
                        .get(&format!("/api/v1/outboundtasks/{id}"))
                        .await;
                    let (_, word, ..) = TABLE.iter().find(|(s, ..)| s == to).unwrap();
                    assert_eq!(json.json()["status"], *word);
                    assert_eq!(json.json()["status_reason"], "因为 why");
                }
                (Err(refused), None) => {
                    assert_eq!(refused.code(), Code::FailedPrecondition, "{id}");
                    let facts = facts(&refused);
                    assert_eq!(facts.len(), 2, "{facts:?}");
                    assert_eq!(
                        (&*facts["status"], &*facts["allowed_actions"]),
                        (*word, *names)
                    );
                    assert_eq!(client.get(&id).await.unwrap(), before);
                    assert_eq!(client.events(&id).await, events);
                }
                (answer, to) => panic!("{id}: {answer:?}, not {to:?}"),
            }
        }
    }
    let said = server.database.succeed(&["counts", "verify"], b"").await;
    assert_eq!(said, "demo\t0 counts differ\n");
}

/// An action changes status, reason, their time and the version, and nothing else.
fn assert_changed(before: &OutboundTask, after: &OutboundTask, to: TaskStatus) {
    let (_, _, row, _) = TABLE.iter().find(|(s, ..)| *s == to).unwrap();
    assert_eq!(after.status_changed_at, after.updated_at);
    assert!(nanos(&after.updated_at) > nanos(&before.updated_at));
    assert_ne!(after.etag, before.etag);
    let wanted = OutboundTask {
        status: to as i32,
        status_reason: "因为 why".into(),
        allowed_actions: allowed(row),
        status_changed_at: after.status_changed_at,
        updated_at: after.updated_at,
        etag: after.etag.clone(),
        ..before.clone()
    };
    assert_eq!(*after, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_is_that_of_the_last_change_of_status() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let made = client.create(new_task("a", &[])).await;
    assert_eq!(made.status_reason, "");
    assert_eq!(made.status_changed_at, made.created_at);
    let long = "理".repeat(1024);
    let act = Act {
        task_id: "a",
        reason: &long,
        ..Act::default()
    };
    let started = client
        .act(TaskAction::Start, act)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(started.status_reason, long);
    // Other changes of the task do not change the reason or its time.
    let mut named = started.clone();
    named.name = "another".into();
    let update = UpdateOutboundTaskRequest {
        task: Some(named),
        ..Default::default()
    };
    let updated = client
        .update_outbound_task(update)
        .await
        .unwrap()
        .into_inner();
    let updated = updated.task.unwrap();
    assert_eq!(updated.status_reason, long);
    assert_eq!(updated.status_changed_at, started.status_changed_at);
    // An action without a reason clears the old reason.
    assert_eq!(client.acted(TaskAction::Pause, "a").await.status_reason, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_action_names_every_field_and_an_unknown_task_is_not_found() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let long = "x".repeat(1025);
    let key = "k".repeat(129);
    for action in ACTIONS {
        for (task_id, reason, idempotency_key) in [("", &*long, &*key), ("a\0", "why\0", "k\0")] {
            let act = Act {
                task_id,
                reason,
                idempotency_key,
                ..Act::default()
            };
            let refused = client.act(action, act).await.unwrap_err();
            assert_eq!(fields(&refused), ["idempotency_key", "task_id", "reason"]);
        }
        let act = Act {
            task_id: "nobody's",
            ..Act::default()
        };
        let refused = client.act(action, act).await.unwrap_err();
        assert_not_found(&refused, "nobody's");
    }
}

/// Of many identical actions at the same time one succeeds. The others find the status that it led to.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_equal_actions_at_once_one_succeeds() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &[])).await;
    let tries = (0..32).map(|_| async {
        let act = Act {
            task_id: "a",
            ..Act::default()
        };
        client.act(TaskAction::Start, act).await
    });
    let answers = futures_util::future::join_all(tries).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 31);
    for status in refused {
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(facts(&status)["status"], "running");
    }
    assert_eq!(client.events("a").await.len(), 2);
}
