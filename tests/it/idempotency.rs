//! Repeated writes and their idempotency keys: which call and tenant a key belongs to, and for how long it is valid.

use std::time::Duration;

use futures_util::future::join_all;
use outbound_tasks::pb::{
    AddTaskTargetsRequest, CreateOutboundTaskRequest, CreateOutboundTaskResponse,
    DeleteOutboundTaskRequest, TaskAction,
};
use tonic::Code;

use crate::support::{
    client::{ACTIONS, Act, Answer, Client, assert_not_found, is_replay, new_task, part, resource},
    server::{Server, kept},
};

fn create(id: &str, key: &str) -> CreateOutboundTaskRequest {
    CreateOutboundTaskRequest {
        task: Some(new_task(id, &["c1"])),
        idempotency_key: key.into(),
        ..Default::default()
    }
}

fn act<'a>(task_id: &'a str, key: &'a str) -> Act<'a> {
    Act {
        task_id,
        idempotency_key: key,
        ..Act::default()
    }
}

/// Creates a task, again as long as a busy machine has no connection left.
async fn until_available(
    client: &Client,
    request: CreateOutboundTaskRequest,
) -> Answer<CreateOutboundTaskResponse> {
    loop {
        let answer = client.create_outbound_task(request.clone()).await;
        let is_busy = answer
            .as_ref()
            .is_err_and(|status| status.code() == Code::Unavailable);
        if !is_busy {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_creates_with_one_key_one_is_done() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for id in ["", "named"] {
        let key = format!("key of {id}");
        let tries = (0..64).map(|_| until_available(&client, create(id, &key)));
        let answers: Vec<_> = join_all(tries)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(answers.iter().filter(|a| is_replay(a)).count(), 63);
        let first = answers[0].get_ref();
        assert!(answers.iter().all(|a| a.get_ref() == first));
        let made = first.task.clone().unwrap();
        assert_eq!(client.events(&made.task_id).await.len(), 1);
    }
    assert_eq!(client.totals().await.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_creates_of_one_id_without_a_key_one_is_done() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let tries = (0..64).map(|_| until_available(&client, create("a", "")));
    let (made, refused): (Vec<_>, Vec<_>) =
        join_all(tries).await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 63));
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(resource(&status), "a");
    }
    assert_eq!(client.totals().await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_request() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create_outbound_task(create("a", "k")).await.unwrap();
    let other_body = client
        .create_outbound_task(create("b", "k"))
        .await
        .unwrap_err();
    assert_eq!(other_body.code(), Code::Aborted);
    assert_not_found(&client.get("b").await.unwrap_err(), "b");
    // Another method with the same fields.
    client.act(TaskAction::Start, act("a", "s")).await.unwrap();
    let before = client.get("a").await.unwrap();
    for action in &ACTIONS[1..] {
        let other_call = client.act(*action, act("a", "s")).await.unwrap_err();
        assert_eq!(other_call.code(), Code::Aborted, "{action:?}");
    }
    let gone = DeleteOutboundTaskRequest {
        task_id: "a".into(),
        idempotency_key: "s".into(),
        ..Default::default()
    };
    let other_call = client.delete_outbound_task(gone).await.unwrap_err();
    assert_eq!(other_call.code(), Code::Aborted);
    for (task_id, key) in [("a", "s"), ("a", "k")] {
        let upload = AddTaskTargetsRequest {
            idempotency_key: key.into(),
            ..part(task_id, &["c9"])
        };
        let other_call = client.add_task_targets(vec![upload]).await.unwrap_err();
        assert_eq!(other_call.code(), Code::Aborted);
    }
    assert_eq!(client.get("a").await.unwrap(), before);
    assert_eq!(client.targets("a").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_write_does_not_consume_its_key() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let missing = client
        .act(TaskAction::Start, act("a", "k"))
        .await
        .unwrap_err();
    assert_not_found(&missing, "a");
    client.create(new_task("a", &[])).await;
    client.acted(TaskAction::Start, "a").await;
    let refused = client
        .act(TaskAction::Start, act("a", "k"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let taken = client
        .create_outbound_task(create("a", "k"))
        .await
        .unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let paused = client.act(TaskAction::Pause, act("a", "k")).await.unwrap();
    assert!(!is_replay(&paused));
    let again = client.act(TaskAction::Pause, act("a", "k")).await.unwrap();
    assert!(is_replay(&again));
    assert_eq!(again.get_ref(), paused.get_ref());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_new_again_after_a_day() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create_outbound_task(create("a", "k")).await.unwrap();
    let age = async |interval: &str| {
        let age = format!("UPDATE idempotency_keys SET created_at = now() - interval '{interval}'");
        server.database.execute(&age).await;
    };
    age("23 hours 59 minutes").await;
    assert!(is_replay(
        &client.create_outbound_task(create("a", "k")).await.unwrap()
    ));
    let refused = client
        .create_outbound_task(create("b", "k"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    age("24 hours 1 second").await;
    let tries = join_all((0..8).map(|_| client.create_outbound_task(create("b", "k")))).await;
    let tries: Vec<_> = tries.into_iter().map(Result::unwrap).collect();
    assert_eq!(tries.iter().filter(|a| is_replay(a)).count(), 7);
    // The key now belongs to the new request, so its old request is refused.
    let refused = client
        .create_outbound_task(create("a", "k"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);

    // The cleaner deletes only keys that are older than a day.
    client
        .create_outbound_task(create("c", "young"))
        .await
        .unwrap();
    let old = "UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' WHERE idempotency_key = 'k'";
    server.database.execute(old).await;
    let fill = "INSERT INTO idempotency_keys SELECT 'demo', 'old ' || n, decode(repeat('00', 32), 'hex'), '', now() - interval '25 hours'
        FROM generate_series(1, 2500) n";
    server.database.execute(fill).await;
    server
        .app
        .clean(kept(chrono::TimeDelta::days(365)))
        .await
        .unwrap();
    let sql = server.database.client().await;
    let left = sql
        .query("SELECT idempotency_key FROM idempotency_keys", &[])
        .await
        .unwrap();
    let left: Vec<&str> = left.iter().map(|row| row.get(0)).collect();
    assert_eq!(left, ["young"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_can_use_the_same_key() {
    let server = Server::start().await;
    let other = server.tenant("other").await;
    let mine = Client::new(&server).await;
    let theirs = Client::with_key(&server, &other).await;
    for (client, id) in [(&mine, "a"), (&theirs, "a"), (&mine, "a"), (&theirs, "a")] {
        client.create_outbound_task(create(id, "k")).await.unwrap();
    }
    let refused = theirs
        .create_outbound_task(create("b", "k"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Aborted);
    assert!(!is_replay(
        &mine.create_outbound_task(create("c", "l")).await.unwrap()
    ));
    assert!(!is_replay(
        &theirs.create_outbound_task(create("d", "l")).await.unwrap()
    ));
    assert_eq!((mine.totals().await.0, theirs.totals().await.0), (2, 2));
}
