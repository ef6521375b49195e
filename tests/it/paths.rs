//! Percent-encoded paths lead to the same resources as plain ones.

use std::time::Duration;

use http::Method;
use outbound_tasks::server::Options;
use tokio::time::timeout;

use crate::support::{
    PATIENCE,
    client::{Client, new_task},
    eventually,
    http::Http,
    server::{Server, options},
    wire::RPC,
};

const WATCHES: [&str; 3] = [
    "/api/v1/outboundtasks%3Awatch",
    "/api/v1/outboundtasks%3awatch",
    "/api/v1/%6Futbound%74asks:%77atch",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_path_is_answered_as_the_plain_one() {
    let server = Server::start().await;
    let owner = Client::new(&server).await;
    for id in ["a:b", "a/b", "a%b", "..", "watch", ":watch"] {
        owner.create(new_task(id, &["c"])).await;
    }
    for http in [server.http(), Http::http2(server.address, &server.key)] {
        for (encoded, plain) in [
            (
                "/api/v1/outboundtasks%3Aexport",
                "/api/v1/outboundtasks:export",
            ),
            (
                "/api/v1/outboundtasks%3aexport?format=csv",
                "/api/v1/outboundtasks:export?format=csv",
            ),
            (
                "/api/v1/%6Futboundtasks?limit=2",
                "/api/v1/outboundtasks?limit=2",
            ),
            ("/%61pi/v1/outboundtasks/a%3Ab", "/api/v1/outboundtasks/a:b"),
            (
                "/api/v1/outboundtasks/a%2Fb/%74argets",
                "/api/v1/outboundtasks/a%2Fb/targets",
            ),
            ("/%63onsole/", "/console/"),
        ] {
            let (encoded, plain) = (http.get(encoded).await, http.get(plain).await);
            // A build without the console answers 404 to both.
            assert_eq!(encoded.status, plain.status);
            assert!(encoded.status == 200 || !encoded.body.starts_with(b"{"));
            assert_eq!(encoded.header("content-type"), plain.header("content-type"));
            let same = |text: &[u8]| {
                String::from_utf8_lossy(text)
                    .split("\"as_of\"")
                    .next()
                    .unwrap()
                    .to_owned()
            };
            assert_eq!(same(&encoded.body), same(&plain.body));
        }
        for (path, id) in [
            ("a:b", "a:b"),
            ("a%3ab", "a:b"),
            ("a%2Fb", "a/b"),
            ("a%25b", "a%b"),
            ("%3Awatch", ":watch"),
            ("%77atch", "watch"),
        ] {
            let answer = http.get(&format!("/api/v1/outboundtasks/{path}")).await;
            assert_eq!(answer.json()["task_id"], id, "{path}");
        }
        // A path that is encoded twice is another path, and an encoded slash separates no segments.
        for path in [
            "/api/v1/outboundtasks%253Aexport",
            "/api%2Fv1/outboundtasks",
        ] {
            assert_eq!(http.get(path).await.status, 404, "{path}");
        }
        let none = [("x-api-key", "")];
        for path in [
            "/api/v1/outboundtasks%3Aexport",
            WATCHES[0],
            "/%61pi/v1/outboundtasks",
        ] {
            let answer = http.send(Method::GET, path, &none, Vec::new()).await;
            assert_eq!(answer.status, 401, "{path}");
        }
    }
    let path = RPC.replace('L', "%4c");
    let (answer, _) = server
        .http()
        .grpc_web::<_, outbound_tasks::pb::ListOutboundTasksResponse>(
            &path,
            &outbound_tasks::pb::ListOutboundTasksRequest::default(),
        )
        .await;
    assert_eq!(answer.unwrap().total, 6);
}

/// A watch over an encoded path takes one of the watches' permits, and its events come as they happen.
#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_watch_is_a_watch() {
    let server = Server::start_with(Options {
        max_in_flight: 1,
        max_watches: 1,
        request_timeout: Duration::from_secs(5),
        ..options()
    })
    .await;
    let headers = [("x-api-key", &*server.key)];
    for path in WATCHES {
        let open = async || {
            server
                .http()
                .open(Method::GET, path, &headers, Vec::new())
                .await
                .unwrap()
        };
        let began = async || {
            let watch = timeout(PATIENCE, open()).await.unwrap();
            watch.status() == 200 && {
                assert_eq!(
                    watch.headers()["content-type"],
                    "text/event-stream",
                    "{path}"
                );
                assert_eq!(server.http().list("").await.status, 200);
                assert_eq!(open().await.status(), 503, "{path}");
                true
            }
        };
        // The permit of the previous watch is free once the server sees its end.
        eventually("the watch begins", PATIENCE, began).await;
    }
}
