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
            "dateRange": {"start": "yesterday", "end": "0001-01-01T00:00:00+14:00", "stop": 1},
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
                "date_range.end",
                "TIME_OUT_OF_RANGE",
                "must be in the years 1 to 9999, was 0001-01-01T00:00:00+14:00",
            ),
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
    let page = &own["violations"][7];
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

/// Labels are texts by any key beside masks in either form; a value that is no text is named by its key.
#[tokio::test(flavor = "multi_thread")]
async fn labels_are_read_beside_masks_of_either_form() {
    let server = Server::start().await;
    for mask in ["read_mask", "readMask"] {
        for paths in ["task_id,labels", "taskId,labels", "taskId,,labels,"] {
            let task = json!({
                "name": "a",
                "start_time": "2027-01-01T00:00:00Z",
                "end_time": "2027-01-02T00:00:00Z",
                "labels": {"region": "east", "a_b": ""},
            });
            let created = json!({"task": task, (mask): paths});
            let answer = post(&server, "CreateOutboundTask", &created).await;
            assert_eq!(answer.status, 200, "{mask} {paths}");
            let task = &answer.json()["task"];
            assert_eq!(task["labels"], json!({"region": "east", "a_b": ""}));
            assert_eq!(task.as_object().unwrap().len(), 2, "{task}");
        }
    }
    let task = json!({"name": 7, "labels": {"a": 1, "b": "x", "c": null}});
    let answer = post(&server, "CreateOutboundTask", &json!({"task": task})).await;
    is(
        &violations(&answer),
        &[
            ("task.labels.a", "MALFORMED", "must be a text"),
            ("task.labels.c", "MALFORMED", "must be a text"),
            ("task.name", "MALFORMED", "must be a text"),
        ],
    );
    let task = json!({"task": {"labels": ["a"]}});
    let answer = post(&server, "CreateOutboundTask", &task).await;
    is(
        &violations(&answer),
        &[("task.labels", "MALFORMED", "must be an object")],
    );
}

/// A reader of JSON would take the last of two values. Both names of a field are one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_twice_is_refused() {
    let server = Server::start().await;
    let http = server.http();
    let times = r#""start_time": "2027-01-01T00:00:00Z", "end_time": "2027-01-02T00:00:00Z""#;
    for (body, wanted) in [
        (
            format!(
                r#"{{"task": {{"name": "a", {times}, "labels": {{"k": "1", "l": "", "k": "1"}}}}}}"#
            ),
            &["task.labels.k"][..],
        ),
        (
            format!(r#"{{"task": {{"name": "a", "name": null, {times}, "startTime": null}}}}"#),
            &["task.name", "task.start_time"],
        ),
        (
            format!(
                r#"{{"task": {{"name": "a", {times}}}, "read_mask": "name", "readMask": "name", "task": {{}}}}"#
            ),
            &["read_mask", "task"],
        ),
        // Beside what else is wrong.
        (
            r#"{"task": {"labels": {"\u006b": "1", "k": 2}, "colour": 1, "colour": 2}}"#.to_owned(),
            &["task.colour", "task.labels.k", "task.labels.k"],
        ),
    ] {
        let answer = post_with(&http, "CreateOutboundTask", &[], &body).await;
        let mut found = fields(&answer);
        found.sort();
        assert_eq!(found, wanted, "{body}");
    }
    let task = format!(r#"{{"name": "a", {times}, "labels": {{"k": "1", "K": "2"}}}}"#);
    let body = format!(
        r#"{{"tasks": [{task}, {{"name": "b", {times}, "labels": {{"k": "", "k": ""}}}}]}}"#
    );
    let answer = post_with(&http, "BatchCreateOutboundTasks", &[], &body).await;
    is(
        &violations(&answer),
        &[("tasks[1].labels.k", "REPEATED", "must be given once")],
    );
    assert_eq!(server.http().list("").await.json()["total"], 0);
}

/// ProtoJSON has no form for the path of such a label. The label that looks alike in it stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_mask_names_a_label_with_any_key() {
    let server = Server::start().await;
    let labels = json!({"a1": "", "a_1": "", "a": "", "a_": "", "ab": "", "a_b": "", "a__b": "", "a_/b": ""});
    let task = json!({
        "task_id": "t1",
        "name": "a",
        "start_time": "2027-01-01T00:00:00Z",
        "end_time": "2027-01-02T00:00:00Z",
        "labels": labels,
    });
    let answer = post(&server, "CreateOutboundTask", &json!({"task": task})).await;
    assert_eq!(answer.status, 200);
    let mut wanted = labels;
    for (mask, key) in [
        ("labels.a_1", "a_1"),
        ("labels.a_", "a_"),
        ("labels.a__b", "a__b"),
        ("labels.a_/b", "a_/b"),
        ("labels.aB", "a_b"), // ProtoJSON
        ("labels.ab", "ab"),
    ] {
        for value in [json!({(key): "x"}), json!({})] {
            let update = json!({"task": {"task_id": "t1", "labels": value}, "update_mask": mask, "read_mask": "labels"});
            let answer = post(&server, "UpdateOutboundTask", &update).await;
            match value.get(key) {
                Some(value) => wanted[key] = value.clone(),
                None => drop(wanted.as_object_mut().unwrap().remove(key)),
            }
            assert_eq!(answer.json()["task"]["labels"], wanted, "{mask}");
        }
    }
}

/// A call that is done is not answered as one that was refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_plain_answers_is_left_out() {
    let server = Server::start().await;
    let http = server.http();
    let key = ("x-api-key", &*server.key);
    for (accepted, encoding) in [
        ("identity;q=0", None),
        ("*;q=0", None),
        ("br, *; Q=0.000", None),
        ("gzip, identity;q=0", Some("gzip")),
        ("zstd;q=0.5, *;q=0", Some("zstd")),
        ("gzip;q=0", None),
    ] {
        let headers = [("accept-encoding", accepted)];
        let answer = post_with(&http, "ListOutboundTasks", &headers, "{}").await;
        let named = answer.headers.get("content-encoding");
        let named = named.map(|name| name.to_str().unwrap().to_owned());
        assert_eq!(
            (answer.status.as_u16(), named.as_deref()),
            (200, encoding),
            "{accepted}"
        );
        let list = "/api/v1/outboundtasks";
        let answer = http
            .send(Method::GET, list, &[key, headers[0]], vec![])
            .await;
        assert_eq!(answer.status, 200, "{accepted}");
        let answer = http
            .send(Method::GET, "/api/v1/no", &[key, headers[0]], vec![])
            .await;
        assert_eq!(answer.status, 404, "{accepted}");
    }
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
    for (encoding, body) in [
        ("gzip", &b"not gzip"[..]),
        ("X-GZip", b"not gzip"),
        ("zstd", b"not zstd"),
    ] {
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
