//! Changes that do not fit into one message come in several. A watch can be resumed after each of them, whatever
//! changes meanwhile.

use http::Method;
use http_body_util::BodyExt;
use outbound_tasks::pb::{
    ExportOutboundTasksRequest, NewOutboundTask, OutboundTask, TaskAction, TaskStatus,
    WatchOutboundTasksRequest, WatchOutboundTasksResponse,
};
use prost::Message;

use crate::support::{
    bulk::{change_all, of_status},
    client::{Client, new_task},
    http::{Http, frame},
    server::Server,
    watch::{Picture, Watch},
};

/// Maximum size in bytes of a message with more than one task: 64 KiB of changes, and its token.
const MOST_BYTES: usize = 70 * 1024;
const TASKS: usize = 300;

/// Tasks of about 6 KiB each.
fn tasks() -> Vec<NewOutboundTask> {
    let customers: Vec<String> = (0..100).map(|n| format!("{n:0>60}")).collect();
    let customers: Vec<&str> = customers.iter().map(|c| &**c).collect();
    let ids = (0..TASKS).map(|n| new_task(&format!("t{n}"), &customers));
    ids.collect()
}

async fn listed(server: &Server) -> Vec<OutboundTask> {
    let mut grpc = server.grpc().await;
    let export = server.request(ExportOutboundTasksRequest::default());
    let mut batches = grpc
        .export_outbound_tasks(export)
        .await
        .unwrap()
        .into_inner();
    let mut tasks = Vec::new();
    while let Some(batch) = batches.message().await.unwrap() {
        tasks.extend(batch.tasks);
    }
    tasks.sort_by(|a, b| a.task_id.cmp(&b.task_id));
    tasks
}

/// Follows the watch from the picture's position until the picture has the task `last`, and compares it with the list.
async fn assert_goes_on(server: &Server, mut picture: Picture, last: &str) {
    let mut watch = picture.begin(server).await;
    picture
        .follow(&mut watch, |p| p.tasks.contains_key(last))
        .await;
    assert_eq!(picture.anew, 0);
    let pictured: Vec<OutboundTask> = picture.tasks.into_values().collect();
    assert!(pictured == listed(server).await, "after {last}");
}

fn assert_small(message: &WatchOutboundTasksResponse) {
    let bytes = message.encoded_len();
    assert!(
        bytes <= MOST_BYTES || message.changes.len() == 1,
        "{bytes} bytes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_change_comes_in_small_messages_and_resumes_after_each() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create_all(tasks()).await;
    let mut picture = Picture::default();
    let mut watch = picture.begin_and_read(&server).await;
    let before = picture.clone();
    let start = of_status(&[TaskStatus::Pending], TaskAction::Start);
    change_all(&client, start).await;
    let mut on_the_way = Vec::new();
    let is_running = |p: &Picture| {
        let running = |t: &OutboundTask| t.status() == TaskStatus::Running;
        p.tasks.values().all(running)
    };
    while !is_running(&picture) {
        let message = watch.next().await.unwrap().unwrap();
        assert_small(&message);
        assert!(!message.fresh && !message.list_again);
        picture.apply(message);
        on_the_way.push(picture.clone());
    }
    assert!(on_the_way.len() > TASKS * 6 / 64, "{}", on_the_way.len());
    drop(watch);
    // Resumes after every message, each time after more changes: of tasks that were sent and of tasks that were not.
    for (n, picture) in on_the_way.into_iter().enumerate() {
        client
            .acted(TaskAction::Pause, &format!("t{}", 3 * n))
            .await;
        client.delete(&format!("t{}", 299 - 3 * n)).await;
        let last = format!("last{n}");
        client.create(new_task(&last, &[])).await;
        assert_goes_on(&server, picture, &last).await;
    }
    // The same with one client that disconnects after every message, while tasks change.
    let mut picture = before;
    let mut breaks = 0;
    loop {
        let mut watch = picture.begin(&server).await;
        let message = watch.next().await.unwrap().unwrap();
        assert_small(&message);
        assert!(!message.list_again, "after {breaks} breaks");
        let is_level = message.as_of.is_some();
        picture.apply(message);
        if is_level {
            break;
        }
        breaks += 1;
        // Of some of these tasks the client has the present version, of some the one before, and of some none.
        client
            .acted(TaskAction::Resume, &format!("t{}", 3 * (breaks % 20)))
            .await;
        client
            .acted(TaskAction::Pause, &format!("t{}", 3 * (breaks % 20)))
            .await;
        client.create(new_task(&format!("m{breaks}"), &[])).await;
    }
    assert!(breaks > 10, "{breaks}");
    client.create(new_task("last", &[])).await;
    assert_goes_on(&server, picture, "last").await;
}

/// A task of the maximum size is sent in a message of its own. gRPC-Web has the same messages.
#[tokio::test(flavor = "multi_thread")]
async fn the_largest_tasks_come_one_by_one() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let customers: Vec<String> = (0..100)
        .map(|n| format!("{n:0>3}{}", "𐍈".repeat(125)))
        .collect();
    let customers: Vec<&str> = customers.iter().map(|c| &**c).collect();
    let mut picture = Picture::default();
    let watch = picture.begin_and_read(&server).await;
    drop(watch);
    for n in 0..5 {
        client.create(new_task(&format!("t{n}"), &customers)).await;
    }
    let request = frame(&picture.request());
    let mut watch = picture.begin(&server).await;
    for _ in 0..5 {
        let message = watch.next().await.unwrap().unwrap();
        assert_eq!(message.changes.len(), 1);
        picture.apply(message);
    }
    let pictured: Vec<OutboundTask> = picture.tasks.into_values().collect();
    assert!(pictured == listed(&server).await);

    let headers = [
        ("content-type", "application/grpc-web+proto"),
        ("x-api-key", &*server.key),
    ];
    let path = "/outboundtasks.v1.OutboundTaskService/WatchOutboundTasks";
    let http = Http::new(server.address, &server.key);
    let answer = http.open(Method::POST, path, &headers, request).await;
    let mut body = answer.unwrap().into_body();
    let mut bytes = Vec::new();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        bytes.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
        while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let Some((message, rest)) = rest.split_at_checked(length) else {
                break;
            };
            let message = WatchOutboundTasksResponse::decode(message).unwrap();
            assert_eq!(message.changes.len(), 1);
            seen.push(message.changes[0].task_id.clone());
            bytes = rest.to_vec();
        }
    }
    assert_eq!(seen, ["t0", "t1", "t2", "t3", "t4"]);
}

/// Only the first message of a watch without a token asks the client to forget what it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_starts_over_says_so() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let requests = [false, true].map(|skip_initial| WatchOutboundTasksRequest {
        skip_initial,
        ..Default::default()
    });
    // Also without a task.
    for tasks in [0, TASKS] {
        if tasks > 0 {
            client.create_all(self::tasks()).await;
        }
        for request in &requests {
            let begin = || Watch::begin(server.address, &server.key, request.clone());
            let mut watch = begin().await.unwrap();
            let first = watch.next().await.unwrap().unwrap();
            assert!(first.fresh, "{tasks}");
            let mut last = first;
            while last.resume_token.is_empty() {
                last = watch.next().await.unwrap().unwrap();
                assert!(!last.fresh);
            }
            let resumed = WatchOutboundTasksRequest {
                resume_token: last.resume_token,
                ..request.clone()
            };
            let mut watch = Watch::begin(server.address, &server.key, resumed)
                .await
                .unwrap();
            assert!(!watch.next().await.unwrap().unwrap().fresh);
        }
    }
}
