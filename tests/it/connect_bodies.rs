//! Bodies of the Connect protocol that cannot be read: each wrong field is named; sizes beyond the limits.

use http::Method;
use serde_json::json;

use crate::support::{
    connect::{SERVICE, detail, fields, post, post_with, violations},
    server::Server,
};

fn is(found: &[[String; 3]], wanted: &[(&str, &str, &str)]) {
    let found: Vec<_> = (found.iter())
        .map(|[field, reason, description]| (&**field, &**reason, &**description))
        .collect();
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_of_json_is_named_by_its_field() {
    let server = Server::start().await;
    let answer = post(
        &server,
        "ListOutboundTasks",
        &json!({
            "colour": "red",
            "limit": "five",
            "page": 2_147_483_648_i64,
            "status": ["TASK_STATUS_RUNNING", "running", 1.5],
            "dateRange": {"start": "yesterday", "stop": 1},
            "customer_id": 7,
            "status_counts": "yes",
            "task_ids": "t1",
            "read_mask": ["name"],
            "count": true,
        }),
    )
    .await;
    is(
        &violations(&answer),
        &[
            (
                "colour",
                "UNKNOWN_FIELD",
                "is not a field of ListOutboundTasksRequest",
            ),
            (
                "count",
                "UNKNOWN_VALUE",
                "must be a name or a number of CountMode, was true",
            ),
            ("customer_id", "MALFORMED", "must be a text"),
            (
                "date_range.start",
                "NOT_A_TIME",
                "must be a time of RFC 3339 such as 2023-03-01T10:00:00Z, was yesterday",
            ),
            (
                "date_range.stop",
                "UNKNOWN_FIELD",
                "is not a field of DateRange",
            ),
            ("limit", "NOT_A_NUMBER", "must be a whole number, was five"),
            (
                "page",
                "OUT_OF_RANGE",
                "must be -2147483648 to 2147483647, was 2147483648",
            ),
            (
                "read_mask",
                "MALFORMED",
                "must be a text with names of fields and commas between them, such as \"task_id,name\"",
            ),
            (
                "status[1]",
                "UNKNOWN_VALUE",
                "must be a name or a number of TaskStatus, was running",
            ),
            (
                "status[2]",
                "UNKNOWN_VALUE",
                "must be a name or a number of TaskStatus, was 1.5",
            ),
            ("status_counts", "MALFORMED", "must be true or false"),
            ("task_ids", "MALFORMED", "must be a list"),
        ],
    );
    let own = detail(&answer, "outboundtasks.v1.FieldViolations");
    let page = &own["violations"][6];
    assert_eq!(page["reason"], "VIOLATION_REASON_OUT_OF_RANGE");
    assert_eq!(page["parameters"]["actual"], "2147483648");

    let tasks = json!({"tasks": [{"name": "a"}, {"Name": "b", "target": [1]}, 7]});
    let answer = post(&server, "BatchCreateOutboundTasks", &tasks).await;
    is(
        &violations(&answer),
        &[
            (
                "tasks[1].Name",
                "UNKNOWN_FIELD",
                "is not a field of NewOutboundTask",
            ),
            ("tasks[1].target[0]", "MALFORMED", "must be a text"),
            ("tasks[2]", "MALFORMED", "must be an object"),
        ],
    );
    let key = json!({"name": 7, "expires_in": "soon"});
    let answer = post(&server, "/outboundtasks.v1.KeyService/CreateKey", &key).await;
    is(
        &violations(&answer),
        &[
            (
                "expires_in",
                "MALFORMED",
                "must be a text with a number of seconds, such as \"90s\"",
            ),
            ("name", "MALFORMED", "must be a text"),
        ],
    );
    // A key that was sent by mistake is not repeated.
    let answer = post(
        &server,
        "ListOutboundTasks",
        &json!({(server.key.clone()): &server.key}),
    )
    .await;
    assert_eq!(fields(&answer), ["a key"]);
    let answer = post(&server, "ListOutboundTasks", &json!({"limit": &server.key})).await;
    let said = String::from_utf8(answer.body).unwrap();
    assert!(!said.contains(&server.key), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_object_is_refused() {
    let server = Server::start().await;
    let http = server.http();
    let object = "must be a JSON object";
    let at = |line: usize, column: usize| {
        format!("must be one JSON object; the body stops being one at line {line}, column {column}")
    };
    for (body, description) in [
        (
            &b""[..],
            "must be a JSON object, and the body is empty: {} is the empty message".into(),
        ),
        (b"[]", object.to_owned()),
        (b"null", object.to_owned()),
        (b"\"x\"", object.to_owned()),
        (b"{", at(1, 1)),
        (b"{\"limit\": 1,\n \"page\" 2}", at(2, 9)),
        (b"{} {}", at(1, 4)),
        (b"limit=5", at(1, 1)),
        (b"{\"name\": \"\xff\"}", at(1, 11)),
    ] {
        let answer = post_with(&http, "ListOutboundTasks", &[], body).await;
        let found = violations(&answer);
        is(&found, &[("message", "MALFORMED", &description)]);
    }
    // An empty message of protobuf has no bytes.
    let proto = [("content-type", "application/proto")];
    let answer = post_with(&http, "ListOutboundTasks", &proto, b"").await;
    assert_eq!(answer.status, 200);
    let answer = post_with(&http, "ListOutboundTasks", &proto, b"\xff").await;
    assert_eq!(fields(&answer), ["message"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_as_large_as_a_message_of_grpc() {
    let server = Server::start().await;
    let http = server.http();
    let padded = |bytes: usize| format!("{{{}}}", " ".repeat(bytes - 2)).into_bytes();
    let most = 256 << 10;
    let answer = post_with(&http, "ListOutboundTasks", &[], padded(most)).await;
    assert_eq!(answer.status, 200);
    let gzip = |body: Vec<u8>| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, &body).unwrap();
        gzip.finish().unwrap()
    };
    let zstd = |body: Vec<u8>| zstd::encode_all(&*body, 3).unwrap();
    for (encoding, body) in [
        ("identity", padded(most + 1)),
        ("identity", padded(32 << 20)),
        ("gzip", gzip(padded(most + 1))),
        ("gzip", gzip(padded(64 << 20))),
        ("zstd", zstd(padded(64 << 20))),
    ] {
        let headers = [("content-encoding", encoding)];
        // The service may answer before it has read the whole body.
        let mut all = vec![
            ("x-api-key", &*server.key),
            ("content-type", "application/json"),
        ];
        all.extend(headers);
        let path = format!("{SERVICE}/ListOutboundTasks");
        let Ok(answer) = http.try_send(Method::POST, &path, &all, body).await else {
            assert_eq!(encoding, "identity");
            continue;
        };
        let json = answer.json();
        assert_eq!(answer.status, 429, "{json}");
        assert_eq!(json["code"], "resource_exhausted");
        let info = detail(&answer, "google.rpc.ErrorInfo");
        assert_eq!(info["reason"], "MESSAGE_TOO_LARGE");
    }
    for (encoding, body) in [("gzip", &b"not gzip"[..]), ("zstd", b"not zstd")] {
        let headers = [("content-encoding", encoding)];
        let answer = post_with(&http, "ListOutboundTasks", &headers, body).await;
        assert_eq!(fields(&answer), ["message"]);
    }
    // A frame that demands 2 GiB of memory for its window: magic number, descriptor, window.
    let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let headers = [("content-encoding", "zstd")];
    let answer = post_with(&http, "ListOutboundTasks", &headers, greedy).await;
    assert_eq!(fields(&answer), ["message"]);
}
