//! The reasons of refusals and of the service's own changes, in a form that programs read: names and parameters.

use std::collections::BTreeMap;

use outbound_tasks::{
    app::App,
    domain::{
        action::TaskAction, date_range::DateField, event::EventKind, fields::OrderBy,
        list::CountMode, order::Direction, own_reason::OwnReason, status::TaskStatus,
        target::TargetState, tenant::TenantId, watch::ChangeKind, words::Word,
    },
    error::{ErrorReason, ViolationReason},
    pb::{
        self, FieldViolations, GetOutboundTaskRequest, ListOutboundTasksRequest, NewOutboundTask,
        ServiceReason,
    },
};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    client::{Act, Client, START, at, new_task},
    server::Server,
};

/// A violation: its field, the name of its reason, and the parameters in the order of their names.
type Reported = (String, String, Vec<(String, String)>);

/// The contents of the two details, which must have the same fields in the same order.
fn reported(status: &Status) -> Vec<Reported> {
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let standard = &details.bad_request().unwrap().field_violations;
    let whole = tonic_types::Status::decode(status.details()).unwrap();
    let own = whole
        .details
        .iter()
        .find(|detail| detail.type_url == "type.googleapis.com/outboundtasks.v1.FieldViolations");
    let own = FieldViolations::decode(&*own.unwrap().value).unwrap();
    assert_eq!(standard.len(), own.violations.len());
    let pairs = standard.iter().zip(own.violations);
    pairs
        .map(|(standard, own)| {
            assert_eq!(standard.field, own.field);
            let name = own.reason().as_str_name();
            let name = name.strip_prefix("VIOLATION_REASON_").unwrap();
            assert_eq!(standard.reason, name);
            let parameters: BTreeMap<_, _> = own.parameters.into_iter().collect();
            (own.field, name.to_owned(), parameters.into_iter().collect())
        })
        .collect()
}

fn reported_json(error: &serde_json::Value) -> Vec<Reported> {
    let details = error["details"].as_array().unwrap().iter();
    details
        .map(|detail| {
            let parameters = detail["parameters"].as_object().unwrap().iter();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let parameters = parameters.map(|(name, value)| (name.clone(), text(value)));
            (
                text(&detail["field"]),
                text(&detail["reason"]),
                parameters.collect(),
            )
        })
        .collect()
}

fn expected(field: &str, name: &str, parameters: &[(&str, &str)]) -> Reported {
    let parameters = parameters.iter().map(|(n, v)| ((*n).into(), (*v).into()));
    (field.into(), name.into(), parameters.collect())
}

/// The names that a program reads are those of the contract, each with its number.
#[test]
fn the_names_are_those_of_the_contract() {
    let all = |name_of: fn(i32) -> Option<&'static str>| -> Vec<&str> {
        (1..).map_while(name_of).collect()
    };
    let violations = all(|n| Some(pb::ViolationReason::try_from(n).ok()?.as_str_name()));
    let own = ViolationReason::ALL;
    assert!(own.iter().zip(1..).all(|(reason, n)| *reason as i32 == n));
    let own: Vec<_> = (own.iter().map(|r| format!("VIOLATION_REASON_{}", r.name()))).collect();
    assert_eq!(own, violations);

    let errors = all(|n| Some(pb::ErrorReason::try_from(n).ok()?.as_str_name()));
    let own = ErrorReason::ALL;
    assert!(own.iter().zip(1..).all(|(reason, n)| *reason as i32 == n));
    let own: Vec<_> = (own.iter().map(|r| format!("ERROR_REASON_{}", r.name()))).collect();
    assert_eq!(own, errors);

    let services = all(|n| Some(ServiceReason::try_from(n).ok()?.as_str_name()));
    assert_eq!(OwnReason::ALL.map(|r| r as i32).to_vec(), [1, 2, 3]);
    assert_eq!(services.len(), OwnReason::ALL.len());
}

/// The words of JSON, commands and stored rows are the contract's names in lower case, and stand in the order of their
/// numbers.
#[test]
fn the_words_are_the_names_of_the_contract() {
    macro_rules! check {
        ($($own:ident $of_contract:ident $prefix:literal;)*) => {$(
            let values = (1..).map_while(|n| pb::$of_contract::try_from(n).ok());
            let names = values.map(|v| v.as_str_name().strip_prefix($prefix).unwrap().to_lowercase());
            let names: Vec<String> = names.collect();
            assert_eq!($own::words(), names);
            assert!($own::all().map(|value| value as i32).eq(1..=names.len() as i32));
        )*};
    }
    check! {
        TaskAction TaskAction "TASK_ACTION_";
        TaskStatus TaskStatus "TASK_STATUS_";
        OrderBy TaskOrderBy "TASK_ORDER_BY_";
        Direction SortOrder "SORT_ORDER_";
        DateField TaskDateField "TASK_DATE_FIELD_";
        CountMode CountMode "COUNT_MODE_";
        TargetState TargetState "TARGET_STATE_";
        EventKind TaskEventKind "TASK_EVENT_KIND_";
        ChangeKind TaskChangeKind "TASK_CHANGE_KIND_";
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_has_a_name_and_parameters_over_grpc() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let request = ListOutboundTasksRequest {
        page: -1,
        limit: 5000,
        status: vec![9],
        name: format!("\0{}", "x".repeat(300)),
        customer_id: "c\0".into(),
        page_token: "AAAA".into(),
        ..Default::default()
    };
    let refused = client.list_outbound_tasks(request).await.unwrap_err();
    let mut found = reported(&refused);
    found.sort();
    let mut wanted = [
        expected(
            "customer_id",
            "FORBIDDEN_CHARACTER",
            &[("character", "NUL")],
        ),
        expected(
            "limit",
            "OUT_OF_RANGE",
            &[("actual", "5000"), ("max", "1000"), ("min", "1")],
        ),
        expected("name", "FORBIDDEN_CHARACTER", &[("character", "NUL")]),
        expected(
            "name",
            "LENGTH_OUT_OF_RANGE",
            &[("actual", "301"), ("max", "256"), ("min", "1")],
        ),
        expected("page", "OUT_OF_RANGE", &[("actual", "-1"), ("min", "1")]),
        expected("page_token", "EXCLUDES", &[("others", "page")]),
        expected("page_token", "TOKEN_DAMAGED", &[]),
        expected(
            "status[0]",
            "UNKNOWN_VALUE",
            &[("actual", "9"), ("enum", "TaskStatus")],
        ),
    ];
    wanted.sort();
    assert_eq!(found, wanted);
    // An error of another kind has no violations, so it has neither of the two details.
    let request = GetOutboundTaskRequest {
        task_id: "nobody".into(),
        ..Default::default()
    };
    let missing = client.get_outbound_task(request).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert!(missing.get_error_details().bad_request().is_none());
    let whole = tonic_types::Status::decode(missing.details()).unwrap();
    assert!(
        !whole
            .details
            .iter()
            .any(|d| d.type_url.contains("FieldViolations"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_has_a_name_and_parameters_in_json() {
    let server = Server::start().await;
    let query = "page=x&limit=0&status=nobody&start_date=yesterday&end_date=0000-01-01T00:00:00Z\
        &time_zone=Mars/Base&order=up&order=down&unknown=1&fields=colour&target_limit=%FF";
    let answer = server.http().list(query).await;
    let error = &answer.json()["error"];
    assert_eq!(error["status"], "INVALID_ARGUMENT");
    assert_eq!(error["reason"], "INVALID_ARGUMENT");
    let mut found = reported_json(error);
    found.sort();
    let statuses = "pending, running, paused, completed, stopped, failed";
    let fields = "task_id, name, target, start_time, end_time, status, progress, created_at, updated_at, target_count, \
        allowed_actions, status_reason, status_changed_at, target_counts, etag, labels, copied_from, last_result_at";
    let mut wanted = [
        expected("page", "NOT_A_NUMBER", &[("actual", "x")]),
        expected(
            "limit",
            "OUT_OF_RANGE",
            &[("actual", "0"), ("max", "1000"), ("min", "1")],
        ),
        expected(
            "status",
            "UNKNOWN_VALUE",
            &[("actual", "nobody"), ("allowed", statuses)],
        ),
        expected("start_date", "NOT_A_TIME", &[("actual", "yesterday")]),
        expected(
            "end_date",
            "TIME_OUT_OF_RANGE",
            &[
                ("actual", "0000-01-01T00:00:00Z"),
                ("max", "9999"),
                ("min", "1"),
            ],
        ),
        expected("time_zone", "UNKNOWN_VALUE", &[("actual", "Mars/Base")]),
        expected("order", "REPEATED", &[]),
        expected(
            "order",
            "UNKNOWN_VALUE",
            &[("actual", "down"), ("allowed", "asc, desc")],
        ),
        expected("unknown", "UNKNOWN_PARAMETER", &[]),
        expected(
            "fields",
            "UNKNOWN_VALUE",
            &[("actual", "colour"), ("allowed", fields)],
        ),
        expected("target_limit", "NOT_UTF8", &[]),
    ];
    wanted.sort();
    assert_eq!(found, wanted);
    // A parameter does not repeat a value that contains a key either.
    let answer = server.http().list("order=otk_demo.secret").await;
    assert_eq!(
        answer.json()["error"]["details"][0]["parameters"]["actual"],
        "a key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_names_its_reason() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    client.create(new_task("t", &["c;1"])).await;
    let reason = |status: &Status| {
        let details = status.get_error_details();
        details.error_info().unwrap().reason.clone()
    };
    let act = |etag: &'static str, key: &'static str| Act {
        task_id: "t",
        etag,
        idempotency_key: key,
        ..Default::default()
    };
    let resume = client.act(pb::TaskAction::Resume, act("", "")).await;
    assert_eq!(reason(&resume.unwrap_err()), "TRANSITION_NOT_ALLOWED");
    let stale = client.act(pb::TaskAction::Start, act("ffff", "")).await;
    assert_eq!(reason(&stale.unwrap_err()), "ETAG_MISMATCH");
    client
        .act(pb::TaskAction::Start, act("", "k"))
        .await
        .unwrap();
    let reused = client.act(pb::TaskAction::Pause, act("", "k")).await;
    assert_eq!(reason(&reused.unwrap_err()), "IDEMPOTENCY_KEY_REUSED");
    let csv = server
        .http()
        .get("/api/v1/outboundtasks:export?format=csv")
        .await;
    let error = &csv.json()["error"];
    assert_eq!(error["reason"], "SEPARATOR_IN_CUSTOMER_ID");
    assert_eq!(error["parameters"]["customer_id"], "c;1");
    assert_eq!(error["parameters"]["task_id"], "t");
}

/// The service's own reasons have a code. The same text from a person has no code in an event.
#[tokio::test(flavor = "multi_thread")]
async fn changes_by_the_schedule_have_a_reason_code() {
    let server = Server::start().await;
    let client = Client::new(&server).await;
    let task = |id: &str, start, end| NewOutboundTask {
        start_time: at(start),
        end_time: at(end),
        ..new_task(id, &[])
    };
    let tasks = vec![
        task("started", 1, START),
        task("missed", 1, 2),
        task("ended", 1, START),
        task("mine", START, START),
    ];
    client.create_all(tasks).await;
    let words = Act {
        task_id: "mine",
        reason: "start_time came",
        ..Default::default()
    };
    client.act(pb::TaskAction::Start, words).await.unwrap();
    client.acted(pb::TaskAction::Start, "ended").await;
    let past = "UPDATE tasks SET end_time = start_time WHERE task_id = 'ended'";
    server.database.execute(past).await;
    let app = App::new(&server.database.options()).unwrap();
    app.schedule(&TenantId::parse("demo").unwrap())
        .await
        .unwrap();
    for (id, code) in [
        ("started", ServiceReason::StartTimeCame),
        ("missed", ServiceReason::EndTimePassedUnstarted),
        ("ended", ServiceReason::EndTimePassed),
    ] {
        let task = client.get(id).await.unwrap();
        assert_eq!(task.status_reason_code(), code, "{id}");
        assert_ne!(task.status_reason, "", "{id}");
        let last = client.events(id).await.pop().unwrap();
        assert_eq!(last.reason_code(), code, "{id}");
        assert_eq!(last.reason, task.status_reason, "{id}");
    }
    let mine = client.events("mine").await.pop().unwrap();
    assert_eq!(mine.reason, "start_time came");
    assert_eq!(mine.reason_code(), ServiceReason::Unspecified);
}

/// A request of 256 KiB may have a quarter of a million violations. Clients accept 8 KiB of response headers.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_violations_the_first_are_listed_and_the_others_counted() {
    const HEAD_BYTES: usize = 8 * 1024;
    let server = Server::start().await;
    let mut grpc = server.grpc().await;
    for (count, text) in [(26, "x"), (1_000, ""), (500, "密")] {
        let request = ListOutboundTasksRequest {
            status: vec![100; 250_000 / count],
            task_ids: vec![text.repeat(129); count],
            ..Default::default()
        };
        let status = grpc.list_outbound_tasks(server.request(request)).await;
        let status = status.unwrap_err();
        let all = reported(&status);
        assert!(all.len() > 10, "{}", all.len());
        assert!(status.message().ends_with(" more"), "{}", status.message());
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let head: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum();
        assert!(head < HEAD_BYTES, "{head}");
    }
    let paths = [
        format!("/api/v1/outboundtasks?fields={}", "x,".repeat(15_000)),
        format!("/api/v1/outboundtasks?status={}", "x,".repeat(15_000)),
        format!("/api/v1/outboundtasks?{}", "a&".repeat(12_000)),
        format!(
            "/api/v1/outboundtasks?{}",
            (0..8_000).map(|n| format!("p{n}&")).collect::<String>()
        ),
    ];
    for path in &paths {
        let answer = server.http().get(path).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.len() < 4 * HEAD_BYTES, "{}", answer.body.len());
    }
}
