//! Bad requests: one answer has every violation, each with its field, the same over both transports.

use outbound_tasks::pb::{DateRange, ListOutboundTasksRequest};
use prost_types::{FieldMask, Timestamp};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::server::Server;

/// The fields of the violations in a JSON error, after a check of the error's form.
pub(crate) fn fields(answer: &crate::support::http::Answer) -> Vec<String> {
    let error = &answer.json()["error"];
    assert_eq!(error["code"], answer.status.as_u16());
    assert_eq!(error["request_id"], answer.header("x-request-id"));
    let details = error["details"].as_array().unwrap();
    assert!(
        details
            .iter()
            .all(|d| !d["description"].as_str().unwrap().is_empty())
    );
    details
        .iter()
        .map(|d| d["field"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_query_string_names_the_field() {
    let server = Server::start().await;
    let http = server.http();
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=99999999999999999999", "page"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=5&limit=5", "limit"),
        ("target_limit=101", "target_limit"),
        ("target_limit=-1", "target_limit"),
        ("status_counts=yes", "status_counts"),
        ("target_sums=1", "target_sums"),
        ("attention=late", "attention"),
        ("stalled_after=x", "stalled_after"),
        ("attention_counts=1", "attention_counts"),
        ("customer_id=a&customer_id=b", "customer_id"),
        ("customer_id=a%00", "customer_id"),
        ("name=a&name=a", "name"),
        ("name=a%00", "name"),
        ("task_ids=a&task_ids=b%00", "task_ids[1]"),
        ("label=a&label=B=1", "label[1]"),
        ("label==1", "label[0]"),
        ("label=a=%00", "label[0]"),
        ("fields=task_id,", "fields"),
        ("fields=task_id,colour", "fields"),
        ("fields=target_counts.pending", "fields"),
        ("fields=*", "fields"),
        ("fields=name&fields=status", "fields"),
        ("count=some", "count"),
        ("=some", "query"),
        ("=%FF", "query"),
        ("status=sleeping", "status"),
        ("status=Running", "status"),
        ("status=running,", "status"),
        ("status=,", "status"),
        ("order_by=target", "order_by"),
        ("order=up", "order"),
        ("order=asc&order=desc", "order"),
        ("date_field=birthday", "date_field"),
        ("time_zone=Mars/Olympus", "time_zone"),
        ("time_format=unix", "time_format"),
        ("date_range=2023-02-30,", "date_range"),
        ("date_range=2023-03-01", "date_range"),
        ("date_range=2023-03-01,2023-03-02,2023-03-03", "date_range"),
        ("date_range=2023-03-01,&date_range=2023-03-02", "date_range"),
        ("date_range=a&date_range=b&date_range=c", "date_range"),
        (
            "date_range=2023-03-02T00:00:00Z,2023-03-01T00:00:00Z",
            "date_range",
        ),
        ("date_range=2023-03-02,2023-03-01", "date_range"),
        ("start_date=2023-03-02&end_date=20230301", "end_date"),
        (
            "start_date=2023-03-02T00:00:01Z&end_date=2023-03-01",
            "end_date",
        ),
        ("date_range=2023-03-01,&start_date=2023-03-01", "date_range"),
        ("start_date=300000-01-01", "start_date"),
        ("end_date=0000-01-01T00:00:00Z", "end_date"),
        ("start_date=2023-03-01%00", "start_date"),
        ("status=%00", "status"),
        ("status=%FF", "status"),
        ("page_token=x", "page_token"),
        ("colour=red", "colour"),
        ("colour=", "colour"),
        ("limit=&limit=5", "limit"),
        ("Page=1", "Page"),
        ("%FF=1", "query"),
        // A % that begins no escape.
        ("customer_id=%zz", "customer_id"),
        ("name=%", "name"),
        ("name=50%25%2", "name"),
        ("name=%+1", "name"),
        ("limit=%3", "limit"),
        ("%zz=1", "query"),
        ("colour=%", "colour"),
        ("api_key=a&api_key=b", "api_key"),
    ] {
        let answer = http.list(query).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json()["error"]["status"], "INVALID_ARGUMENT");
        assert_eq!(fields(&answer), [field], "{query}");
    }
    let long = "客".repeat(257);
    let escaped: String = long.bytes().map(|b| format!("%{b:02X}")).collect();
    for (query, field) in [
        (format!("customer_id={}", "c".repeat(129)), "customer_id"),
        (format!("name={escaped}"), "name"),
        (
            format!("task_ids=a&task_ids={}", "t".repeat(129)),
            "task_ids[1]",
        ),
        (vec!["task_ids=a"; 1001].join("&"), "task_ids"),
        (vec!["label=a"; 33].join("&"), "label"),
    ] {
        let answer = http.list(&query).await;
        assert_eq!(answer.status, 400);
        assert_eq!(fields(&answer), [field], "{query}");
    }
    let all = http
        .list(
            "page=0&limit=1001&status=x&colour=red&order=up&date_range=2023-02-30,&target_limit=101\
        &customer_id=%00&name=%00&task_ids=%00&fields=x&count=x",
        )
        .await;
    let mut all = fields(&all);
    all.sort();
    assert_eq!(
        all,
        [
            "colour",
            "count",
            "customer_id",
            "date_range",
            "fields",
            "limit",
            "name",
            "order",
            "page",
            "status",
            "target_limit",
            "task_ids[0]"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_message_names_the_field() {
    let server = Server::start().await;
    let mut grpc = server.grpc().await;
    let range = |start: Option<i64>, end: Option<i64>, nanos| {
        let at = |seconds: i64| Timestamp { seconds, nanos };
        Some(DateRange {
            start: start.map(at),
            end: end.map(at),
        })
    };
    let none = ListOutboundTasksRequest::default;
    let mask = |paths: &[&str]| {
        let paths = paths.iter().map(|p| (*p).to_owned()).collect();
        Some(FieldMask { paths })
    };
    let cases: Vec<(ListOutboundTasksRequest, &[&str])> = vec![
        (ListOutboundTasksRequest { page: -1, ..none() }, &["page"]),
        (
            ListOutboundTasksRequest {
                limit: 1001,
                ..none()
            },
            &["limit"],
        ),
        (
            ListOutboundTasksRequest {
                limit: -5,
                ..none()
            },
            &["limit"],
        ),
        (
            ListOutboundTasksRequest {
                target_limit: Some(101),
                ..none()
            },
            &["target_limit"],
        ),
        (
            ListOutboundTasksRequest {
                status: vec![0],
                ..none()
            },
            &["status[0]"],
        ),
        (
            ListOutboundTasksRequest {
                status: vec![1, 99],
                ..none()
            },
            &["status[1]"],
        ),
        (
            ListOutboundTasksRequest {
                order_by: 8,
                ..none()
            },
            &["order_by"],
        ),
        (
            ListOutboundTasksRequest {
                order: -1,
                ..none()
            },
            &["order"],
        ),
        (
            ListOutboundTasksRequest {
                date_field: 6,
                ..none()
            },
            &["date_field"],
        ),
        (
            ListOutboundTasksRequest {
                page_token: "AAAA".into(),
                ..none()
            },
            &["page_token"],
        ),
        (
            ListOutboundTasksRequest {
                page_token: "\0".into(),
                ..none()
            },
            &["page_token"],
        ),
        (
            ListOutboundTasksRequest {
                date_range: range(Some(10), Some(9), 0),
                ..none()
            },
            &["date_range"],
        ),
        (
            ListOutboundTasksRequest {
                date_range: range(Some(253_402_300_800), None, 0),
                ..none()
            },
            &["date_range.start"],
        ),
        (
            ListOutboundTasksRequest {
                date_range: range(None, Some(i64::MIN), 0),
                ..none()
            },
            &["date_range.end"],
        ),
        (
            ListOutboundTasksRequest {
                date_range: range(Some(0), None, -1),
                ..none()
            },
            &["date_range.start"],
        ),
        (
            ListOutboundTasksRequest {
                customer_id: "c".repeat(129),
                ..none()
            },
            &["customer_id"],
        ),
        (
            ListOutboundTasksRequest {
                name: "a\0".into(),
                ..none()
            },
            &["name"],
        ),
        (
            ListOutboundTasksRequest {
                task_ids: vec!["a".into(), String::new(), "c".repeat(129)],
                ..none()
            },
            &["task_ids[1]", "task_ids[2]"],
        ),
        (
            ListOutboundTasksRequest {
                task_ids: vec!["a".into(); 1001],
                ..none()
            },
            &["task_ids"],
        ),
        (
            ListOutboundTasksRequest {
                read_mask: mask(&["task_id", "colour", "target_counts.pending", ""]),
                ..none()
            },
            &[
                "read_mask.paths[1]",
                "read_mask.paths[2]",
                "read_mask.paths[3]",
            ],
        ),
        (ListOutboundTasksRequest { count: 3, ..none() }, &["count"]),
        (
            ListOutboundTasksRequest {
                limit: -1,
                page: -1,
                order: 7,
                status: vec![7],
                customer_id: "\0".into(),
                name: "客".repeat(257),
                task_ids: vec![String::new()],
                read_mask: mask(&["Name"]),
                count: -1,
                ..none()
            },
            &[
                "count",
                "customer_id",
                "limit",
                "name",
                "order",
                "page",
                "read_mask.paths[0]",
                "status[0]",
                "task_ids[0]",
            ],
        ),
    ];
    for (message, fields) in cases {
        let shown = format!("{message:?}");
        let status = grpc
            .list_outbound_tasks(server.request(message))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{shown}");
        assert!(!status.metadata().get("x-request-id").unwrap().is_empty());
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let mut named: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        named.sort();
        assert_eq!(named, fields, "{shown}");
        assert!(violations.iter().all(|v| !v.description.is_empty()));
    }
}
