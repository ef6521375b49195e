//! The watch over plain HTTP, as a browser's EventSource receives it, and over gRPC-Web.

use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use outbound_tasks::pb::{
    BatchCreateOutboundTasksRequest, TaskAction, WatchOutboundTasksRequest,
    WatchOutboundTasksResponse,
};
use prost::Message;
use serde_json::Value;

use crate::support::{
    client::{Client, new_task},
    http::{Http, frame},
    server::Server,
};

const WATCH: &str = "/api/v1/outboundtasks:watch";

/// An event as a browser sees it: its name, the last id so far, its data.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    last_id: String,
    data: Value,
}

struct Events {
    body: Incoming,
    text: String,
    last_id: String,
}

impl Events {
    async fn open(server: &Server, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut all = vec![("x-api-key", &*server.key), ("accept-encoding", "gzip")];
        all.extend(headers);
        let http = server.http();
        let answer = http
            .open(Method::GET, &format!("{WATCH}{query}"), &all, Vec::new())
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        Self {
            body: answer.into_body(),
            text: String::new(),
            last_id: String::new(),
        }
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (mut name, mut data) = ("", "");
                for line in event.lines() {
                    match line.split_once(": ").unwrap() {
                        ("event", text) => name = text,
                        ("data", text) => data = text,
                        ("id", text) => self.last_id = text.to_owned(),
                        _ => panic!("{line}"),
                    }
                }
                let event = Event {
                    name: name.to_owned(),
                    last_id: self.last_id.clone(),
                    data: serde_json::from_str(data).unwrap(),
                };
                self.text = rest.to_owned();
                return Some(event);
            }
            let frame = self.body.frame().await?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&frame).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_show_initial_tasks_and_changes() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("a", &["c1"])).await;
    let mut events = Events::open(&server, "?status=pending&fields=status", &[]).await;
    assert_eq!(events.next().await.unwrap().name, "reset");
    let first = events.next().await.unwrap();
    assert_eq!((&*first.name, &*first.last_id), ("initial", ""));
    assert_eq!(
        first.data,
        serde_json::json!({"task_id": "a", "task": {"status": "pending"}})
    );
    let beat = events.next().await.unwrap();
    assert_eq!(beat.name, "heartbeat");
    assert!(beat.data["as_of"].is_string() && !beat.last_id.is_empty());
    client.acted(TaskAction::Start, "a").await;
    let gone = events.next().await.unwrap();
    assert_eq!(
        (&*gone.name, gone.data),
        ("removed", serde_json::json!({"task_id": "a"}))
    );
    assert_ne!(gone.last_id, beat.last_id);
    // A browser that reconnects sends the last id, and misses nothing.
    drop(events);
    client.create(new_task("b", &[])).await;
    let headers = [("last-event-id", &*gone.last_id)];
    let mut events = Events::open(&server, "?status=pending&fields=status", &headers).await;
    let come = events.next().await.unwrap();
    assert_eq!(
        (&*come.name, &come.data["task_id"]),
        ("created", &"b".into())
    );
    // The same for a client that gives the id in the URL.
    let query = format!("?status=pending&resume_token={}", gone.last_id);
    let mut events = Events::open(&server, &query, &[]).await;
    let same = events.next().await.unwrap();
    assert_eq!(
        same.data["task"],
        server.http().get("/api/v1/outboundtasks/b").await.json()
    );
    // A watch without initial tasks gets its start position first.
    let mut events = Events::open(&server, "?skip_initial=true", &[]).await;
    assert_eq!(events.next().await.unwrap().name, "reset");
    assert_eq!(events.next().await.unwrap().name, "heartbeat");
    // `list_again` has an empty id, so that a browser forgets the last one and starts again.
    server.database.execute("TRUNCATE tasks CASCADE").await;
    let lost = events.next().await.unwrap();
    assert_eq!((&*lost.name, &*lost.last_id), ("list_again", ""));
    assert_eq!(events.next().await, None);
}

/// A watch can be resumed after every event, also between two events of one commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_resumes_after_every_event() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let mut events = Events::open(&server, "?skip_initial=true&fields=status", &[]).await;
    assert_eq!(events.next().await.unwrap().name, "reset");
    let begin = events.next().await.unwrap().last_id;
    let create = BatchCreateOutboundTasksRequest {
        tasks: ["a", "b", "c"].map(|id| new_task(id, &[])).to_vec(),
        idempotency_key: String::new(),
        ..Default::default()
    };
    client.batch_create_outbound_tasks(create).await.unwrap();
    let mut ids = vec![begin];
    for id in ["a", "b", "c"] {
        let event = events.next().await.unwrap();
        assert_eq!(
            (&*event.name, &event.data["task_id"]),
            ("created", &id.into())
        );
        ids.push(event.last_id);
    }
    // A watch that had got the creation of `b` gets its removal. One that had not gets nothing about it.
    client.delete("b").await;
    let reported = [
        vec!["created a", "created c"],
        vec!["created c"],
        vec!["created c", "removed b"],
        vec!["removed b"],
    ];
    for (id, reported) in ids.into_iter().zip(reported) {
        let headers = [("last-event-id", &*id)];
        let mut events = Events::open(&server, "?skip_initial=true&fields=status", &headers).await;
        for expected in reported {
            let event = events.next().await.unwrap();
            let task_id = event.data["task_id"].as_str().unwrap();
            assert_eq!(format!("{} {task_id}", event.name), expected);
            assert_ne!(event.last_id, "");
        }
    }
}

/// A client must forget its initial tasks when they were cut off.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_starts_over_says_so_first() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    for id in ["a", "b"] {
        client.create(new_task(id, &[])).await;
    }
    let mut events = Events::open(&server, "", &[]).await;
    let reset = events.next().await.unwrap();
    assert_eq!((&*reset.name, &*reset.last_id), ("reset", ""));
    let cut = events.next().await.unwrap();
    assert_eq!((&*cut.name, &*cut.last_id), ("initial", ""));
    drop(events);
    client.delete(cut.data["task_id"].as_str().unwrap()).await;
    let mut events = Events::open(&server, "", &[]).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(events.next().await.unwrap().name);
    }
    assert_eq!(names, ["reset", "initial", "heartbeat"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_answered_before_the_stream_begins() {
    let server = Server::start().await;
    let http = server.http();
    for (query, headers, fields) in [
        (
            "?status=x&skip_initial=1&target_limit=101&page=2",
            vec![],
            vec!["status", "skip_initial", "page", "target_limit"],
        ),
        ("?resume_token=x", vec![], vec!["resume_token"]),
        ("", vec![("last-event-id", "x")], vec!["resume_token"]),
    ] {
        let mut all = vec![("x-api-key", &*server.key)];
        all.extend(headers);
        let refused = http
            .send(Method::GET, &format!("{WATCH}{query}"), &all, Vec::new())
            .await;
        assert_eq!(refused.status, 400, "{query}");
        let details = refused.json()["error"]["details"]
            .as_array()
            .unwrap()
            .clone();
        let reported: Vec<&str> = details
            .iter()
            .map(|d| d["field"].as_str().unwrap())
            .collect();
        assert_eq!(reported, fields, "{query}");
    }
    let refused = http.send(Method::GET, WATCH, &[], Vec::new()).await;
    assert_eq!(refused.status, 401);
}

/// Compression must not delay events.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_sees_each_message_as_it_comes() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let headers = [
        ("content-type", "application/grpc-web+proto"),
        ("accept-encoding", "gzip"),
        ("x-api-key", &*server.key),
    ];
    let path = "/outboundtasks.v1.OutboundTaskService/WatchOutboundTasks";
    let request = frame(&WatchOutboundTasksRequest::default());
    let http = Http::new(server.address, &server.key);
    let answer = http
        .open(Method::POST, path, &headers, request)
        .await
        .unwrap();
    assert!(!answer.headers().contains_key("content-encoding"));
    let mut body = answer.into_body();
    let mut next = async || {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        WatchOutboundTasksResponse::decode(&frame[5..]).unwrap()
    };
    assert!(next().await.changes.is_empty());
    for id in ["a", "b", "c"] {
        client.create(new_task(id, &[])).await;
        assert_eq!(next().await.changes[0].task_id, id);
    }
}
