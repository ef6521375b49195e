//! Etags: of several writes with the etag of one version, one succeeds, whoever changed the task.

use outbound_tasks::pb::{
    DeleteOutboundTaskRequest, OutboundTask, RemoveTaskTargetsRequest, UpdateOutboundTaskRequest,
};
use tonic::Code;

use crate::support::{
    client::{ACTIONS, Act, Client, fact, new_task},
    server::Server,
};

fn rename(task_id: &str, etag: &str, name: &str) -> UpdateOutboundTaskRequest {
    UpdateOutboundTaskRequest {
        task: Some(OutboundTask {
            task_id: task_id.into(),
            etag: etag.into(),
            name: name.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_updates_of_one_version_one_comes_through() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let made = client.create(new_task("a", &[])).await;
    let update = async |n| loop {
        let answer = client
            .update_outbound_task(rename("a", &made.etag, &format!("name {n}")))
            .await;
        match answer {
            // It would have waited too long for a connection, and nothing was done.
            Err(status) if status.code() == Code::Unavailable => {}
            answer => return answer,
        }
    };
    let answers = futures_util::future::join_all((0..64).map(update)).await;
    let (through, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let [through] = &through[..] else {
        panic!("{} came through", through.len())
    };
    let through = through.as_ref().unwrap().get_ref().task.clone().unwrap();
    assert_ne!(through.etag, made.etag);
    assert_eq!(client.get("a").await.unwrap(), through);
    assert_eq!(refused.len(), 63);
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(fact(&status), ("etag".into(), through.etag.clone()));
    }
    assert_eq!(client.events("a").await.len(), 2);
}

/// After a change of the row by anyone, the older etag is valid for no call, and the present one is.
#[tokio::test(flavor = "multi_thread")]
async fn a_stale_etag_is_refused_by_every_call_that_takes_one() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let made = client.create(new_task("a", &["c1", "c2"])).await;
    let mut etags = vec![made.etag.clone()];
    for change in [
        "progress = 1",
        "name = name",
        "target = target",
        "status_reason = 'by hand'",
    ] {
        server
            .database
            .execute(&format!("UPDATE tasks SET {change}"))
            .await;
        let etag = client.get("a").await.unwrap().etag;
        assert!(!etags.contains(&etag), "{change}");
        etags.push(etag);
    }
    let now = client.get("a").await.unwrap();
    for etag in [&*made.etag, "never one", "ffffffffffffffff", " "] {
        let update = client.update_outbound_task(rename("a", etag, "n")).await;
        let delete = DeleteOutboundTaskRequest {
            task_id: "a".into(),
            etag: etag.into(),
            ..Default::default()
        };
        let delete = client.delete_outbound_task(delete).await;
        let remove = RemoveTaskTargetsRequest {
            task_id: "a".into(),
            customer_ids: vec!["c1".into()],
            etag: etag.into(),
            ..Default::default()
        };
        let remove = client.remove_task_targets(remove).await;
        let mut refused = vec![
            update.unwrap_err(),
            delete.unwrap_err(),
            remove.unwrap_err(),
        ];
        for action in ACTIONS {
            let act = Act {
                task_id: "a",
                etag,
                ..Act::default()
            };
            // The old etag is reported first, whether or not the action is allowed.
            refused.push(client.act(action, act).await.unwrap_err());
        }
        for status in refused {
            assert_eq!(status.code(), Code::Aborted, "{etag}: {status:?}");
            assert_eq!(fact(&status), ("etag".into(), now.etag.clone()));
        }
    }
    assert_eq!(client.get("a").await.unwrap(), now);
    let updated = client
        .update_outbound_task(rename("a", &now.etag, "n"))
        .await;
    let updated = updated.unwrap().into_inner().task.unwrap();
    let remove = RemoveTaskTargetsRequest {
        task_id: "a".into(),
        customer_ids: vec!["c1".into()],
        etag: updated.etag,
        ..Default::default()
    };
    let removed = client
        .remove_task_targets(remove)
        .await
        .unwrap()
        .into_inner();
    let act = Act {
        task_id: "a",
        etag: &removed.task.unwrap().etag,
        ..Act::default()
    };
    let stopped = client.act(outbound_tasks::pb::TaskAction::Stop, act).await;
    let delete = DeleteOutboundTaskRequest {
        task_id: "a".into(),
        etag: stopped.unwrap().into_inner().etag,
        ..Default::default()
    };
    client.delete_outbound_task(delete).await.unwrap();
    // The next task with this id never has an etag that this one had.
    let again = client.create(new_task("a", &["c1", "c2"])).await;
    assert!(!etags.contains(&again.etag));
}
