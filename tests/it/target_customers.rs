//! The targets of a task that are one customer, over gRPC and HTTP.

use outbound_tasks::pb::{self, ListTaskTargetsRequest, TargetState};
use tonic::Code;

use crate::support::{
    client::{Client, assert_not_found, fields, new_task, report, result},
    server::Server,
};

fn of(task_id: &str, customer_id: &str, states: &[TargetState]) -> ListTaskTargetsRequest {
    ListTaskTargetsRequest {
        task_id: task_id.into(),
        states: states.iter().map(|state| *state as i32).collect(),
        customer_id: customer_id.into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_customer_is_found_in_its_state() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1", "c2", "busy"])).await;
    client.create(new_task("b", &["c2", "c3"])).await;
    let results = vec![result("c2", TargetState::Busy, 1, 10)];
    report(&client, "a", &results).await.unwrap();
    let http = server.http();
    use TargetState::{Busy, Pending};
    for (task_id, customer_id, states, wanted) in [
        ("a", "c2", &[][..], Some(Busy)),
        ("a", "c2", &[Busy], Some(Busy)),
        ("a", "c2", &[Pending, Busy], Some(Busy)),
        ("a", "c2", &[Pending], None),
        ("a", "busy", &[], Some(Pending)),
        ("b", "c2", &[], Some(Pending)),
        // A customer of a later task only, of an earlier one only, and of none.
        ("a", "c3", &[], None),
        ("b", "c1", &[], None),
        ("a", "C2", &[], None),
        ("a", "c", &[], None),
    ] {
        let what = format!("{customer_id} of {task_id} in {states:?}");
        let page = client.list_task_targets(of(task_id, customer_id, states));
        let page = page.await.unwrap().into_inner();
        let wanted: Vec<(&str, i32)> = wanted.iter().map(|s| (customer_id, *s as i32)).collect();
        let got = page.targets.iter();
        let got: Vec<(&str, i32)> = got.map(|t| (&*t.customer_id, t.state)).collect();
        assert_eq!(got, wanted, "{what}");
        assert_eq!(page.total as usize, wanted.len(), "{what}");
        assert!(
            page.next_page_token.is_empty() && page.as_of.is_some(),
            "{what}"
        );
        let words: Vec<&str> = states
            .iter()
            .map(|s| if *s == Busy { "busy" } else { "pending" })
            .collect();
        let path = format!(
            "/api/v1/outboundtasks/{task_id}/targets?customer_id={customer_id}&state={}",
            words.join(",")
        );
        let json = http.get(&path).await.json();
        assert_eq!(json["total"], wanted.len(), "{what}");
        let got = json["targets"].as_array().unwrap().iter();
        let got: Vec<&str> = got.map(|t| t["customer_id"].as_str().unwrap()).collect();
        let wanted: Vec<&str> = wanted.iter().map(|(id, _)| *id).collect();
        assert_eq!(got, wanted, "{what}");
    }
    let missing = client.list_task_targets(of("nobody", "c1", &[])).await;
    assert_not_found(&missing.unwrap_err(), "nobody");
    let long = client.list_task_targets(of("a", &"x".repeat(129), &[]));
    let long = long.await.unwrap_err();
    assert_eq!(long.code(), Code::InvalidArgument);
    assert_eq!(fields(&long), ["customer_id"]);
    // A token belongs to the list of all customers, and also not to one of two states.
    let first = client.list_task_targets(ListTaskTargetsRequest {
        limit: 1,
        ..of("a", "", &[])
    });
    let page_token = first.await.unwrap().into_inner().next_page_token;
    for request in [of("a", "c2", &[]), of("a", "busy", &[])] {
        let other = client.list_task_targets(ListTaskTargetsRequest {
            page_token: page_token.clone(),
            ..request
        });
        assert_eq!(fields(&other.await.unwrap_err()), ["page_token"]);
    }
}

/// What each write that returns tasks returns of one.
async fn writes(
    client: &Client,
    round: usize,
    target_limit: Option<i32>,
    mask: Option<&[&str]>,
) -> Vec<(&'static str, Result<pb::OutboundTask, tonic::Status>)> {
    let read_mask = mask.map(|paths| prost_types::FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    });
    let id = |name: &str| format!("{name}{round}");
    let mut all = Vec::new();
    let created = client.create_outbound_task(pb::CreateOutboundTaskRequest {
        task: Some(new_task(&id("create"), &["c1", "c2", "c3"])),
        target_limit,
        read_mask: read_mask.clone(),
        idempotency_key: format!("create{round}"),
    });
    let created = created.await.map(|a| a.into_inner().task.unwrap());
    all.push(("create", created));
    let many = client.batch_create_outbound_tasks(pb::BatchCreateOutboundTasksRequest {
        tasks: vec![new_task(&id("many"), &["c1", "c2", "c3"])],
        target_limit,
        read_mask: read_mask.clone(),
        ..Default::default()
    });
    let many = many.await.map(|a| a.into_inner().tasks.remove(0));
    all.push(("batch create", many));
    macro_rules! on_a_task {
        ($name:literal, $way:expr, $call:ident, $message:ident { $($field:ident: $value:expr),* }) => {
            let task_id = id($name);
            client.create(new_task(&task_id, &["c1", "c2", "c3"])).await;
            for step in $way {
                client.acted(step, &task_id).await;
            }
            let answer = client.$call(pb::$message {
                task_id,
                $($field: $value,)*
                target_limit,
                read_mask: read_mask.clone(),
                ..Default::default()
            });
            all.push(($name, answer.await.map(|a| a.into_inner().task.unwrap())));
        };
    }
    use pb::TaskAction::{Pause, Start};
    on_a_task!(
        "start",
        [],
        start_outbound_task,
        StartOutboundTaskRequest {}
    );
    on_a_task!(
        "pause",
        [Start],
        pause_outbound_task,
        PauseOutboundTaskRequest {}
    );
    on_a_task!(
        "resume",
        [Start, Pause],
        resume_outbound_task,
        ResumeOutboundTaskRequest {}
    );
    on_a_task!("stop", [], stop_outbound_task, StopOutboundTaskRequest {});
    on_a_task!(
        "complete",
        [Start],
        complete_outbound_task,
        CompleteOutboundTaskRequest {}
    );
    on_a_task!("fail", [], fail_outbound_task, FailOutboundTaskRequest {});
    on_a_task!(
        "remove",
        [],
        remove_task_targets,
        RemoveTaskTargetsRequest {
            customer_ids: vec!["c9".into()]
        }
    );
    on_a_task!(
        "report",
        [],
        report_target_results,
        ReportTargetResultsRequest {
            results: vec![result("c1", TargetState::Busy, 1, 10)]
        }
    );
    let task_id = id("update");
    client.create(new_task(&task_id, &["c1", "c2", "c3"])).await;
    let updated = client.update_outbound_task(pb::UpdateOutboundTaskRequest {
        task: Some(pb::OutboundTask {
            task_id,
            name: "new".into(),
            ..Default::default()
        }),
        target_limit,
        read_mask: read_mask.clone(),
        ..Default::default()
    });
    let updated = updated.await.map(|a| a.into_inner().task.unwrap());
    all.push(("update", updated));
    let task_id = id("add");
    client.create(new_task(&task_id, &["c1", "c2"])).await;
    let added = client.add_task_targets(vec![pb::AddTaskTargetsRequest {
        task_id,
        customer_ids: vec!["c3".into()],
        target_limit,
        read_mask,
        ..Default::default()
    }]);
    all.push(("add", added.await.map(|a| a.into_inner().task.unwrap())));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_return_what_they_are_asked_for() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for (rpc, task) in writes(&client, 1, None, None).await {
        let task = task.expect(rpc);
        assert_eq!(task.target, ["c1", "c2", "c3"], "{rpc}");
        assert!(!task.etag.is_empty() && task.created_at.is_some(), "{rpc}");
    }
    for (rpc, task) in writes(&client, 2, Some(2), None).await {
        let task = task.expect(rpc);
        assert_eq!(task.target, ["c1", "c2"], "{rpc}");
        assert!(task.target_count == 3 && !task.name.is_empty(), "{rpc}");
    }
    let mask: &[&str] = &["task_id", "target", "progress"];
    for (rpc, task) in writes(&client, 3, Some(1), Some(mask)).await {
        let wanted = pb::OutboundTask {
            task_id: format!("{}3", rpc.replace("batch create", "many")),
            target: vec!["c1".into()],
            ..Default::default()
        };
        assert_eq!(task.expect(rpc), wanted, "{rpc}");
    }
    for (rpc, task) in writes(&client, 4, None, Some(&["etag"])).await {
        let task = task.expect(rpc);
        assert!(!task.etag.is_empty(), "{rpc}");
        let etag = task.etag.clone();
        let wanted = pb::OutboundTask {
            etag,
            ..Default::default()
        };
        assert_eq!(task, wanted, "{rpc}");
    }
    for (rpc, task) in writes(&client, 5, Some(101), Some(&["name", "colour"])).await {
        let refused = task.expect_err(rpc);
        assert_eq!(refused.code(), Code::InvalidArgument, "{rpc}");
        let mut wrong = fields(&refused);
        wrong.sort();
        assert_eq!(wrong, ["read_mask.paths[1]", "target_limit"], "{rpc}");
    }
    // Nothing was written by those, and a replay shows what it is asked for itself.
    assert!(client.get("create5").await.is_err());
    let again = client.create_outbound_task(pb::CreateOutboundTaskRequest {
        task: Some(new_task("create3", &["c1", "c2", "c3"])),
        target_limit: Some(3),
        idempotency_key: "create3".into(),
        ..Default::default()
    });
    let again = again.await.unwrap();
    assert!(crate::support::client::is_replay(&again));
    let task = again.into_inner().task.unwrap();
    assert_eq!(task.target, ["c1", "c2", "c3"]);
    assert!(!task.name.is_empty());
    // Only the first message of an upload says it.
    let part = pb::AddTaskTargetsRequest {
        task_id: "create1".into(),
        customer_ids: vec!["c4".into()],
        target_limit: Some(1),
        read_mask: Some(prost_types::FieldMask::default()),
        ..Default::default()
    };
    let later = client.add_task_targets(vec![part.clone(), part]).await;
    assert_eq!(fields(&later.unwrap_err()), ["target_limit", "read_mask"]);
}
