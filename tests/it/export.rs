//! The export: every task of the filtered list, in its order, over every transport.

use std::collections::BTreeMap;

use http::Method;
use outbound_tasks::{
    domain::{key::Scope, tenant::TenantId},
    pb::{
        DateRange, ExportOutboundTasksRequest, ListOutboundTasksRequest, OutboundTask,
        TaskDateField, TaskFilter, TaskOrderBy, TaskStatus,
    },
};
use prost_types::Timestamp;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::{
    database::{Database, program},
    server::{Server, request_with},
    tasks::{Json, bank_tasks, task},
    terminal::read_a_line,
};

const EXPORT: &str = "/api/v1/outboundtasks:export";

/// One export over gRPC, to its end.
async fn export(
    server: &Server,
    key: &str,
    request: ExportOutboundTasksRequest,
) -> Result<Vec<OutboundTask>, Status> {
    let mut grpc = server.grpc().await;
    let answer = grpc
        .export_outbound_tasks(request_with(key, request))
        .await?;
    let mut batches = answer.into_inner();
    let mut tasks = Vec::new();
    while let Some(batch) = batches.message().await? {
        assert!(!batch.tasks.is_empty());
        tasks.extend(batch.tasks);
    }
    Ok(tasks)
}

/// The same list, page by page.
async fn walk(server: &Server, request: ExportOutboundTasksRequest) -> Vec<OutboundTask> {
    let mut grpc = server.grpc().await;
    let ExportOutboundTasksRequest {
        filter,
        order_by,
        order,
        target_limit,
    } = request;
    let TaskFilter {
        status,
        date_range,
        date_field,
        customer_id,
        name,
        task_ids,
        label,
        attention,
        stalled_after,
    } = filter.unwrap_or_default();
    let mut page = ListOutboundTasksRequest {
        limit: 1000,
        status,
        date_range,
        date_field,
        customer_id,
        name,
        task_ids,
        label,
        attention,
        stalled_after,
        order_by,
        order,
        target_limit,
        ..ListOutboundTasksRequest::default()
    };
    let mut tasks = Vec::new();
    loop {
        let answer = grpc.list_outbound_tasks(server.request(page.clone())).await;
        let answer = answer.unwrap().into_inner();
        tasks.extend(answer.tasks);
        page.page_token = answer.next_page_token;
        if page.page_token.is_empty() {
            return tasks;
        }
    }
}

async fn walk_json(server: &Server, query: &str) -> Vec<Json> {
    let http = server.http();
    let (mut tasks, mut token) = (Vec::new(), String::new());
    loop {
        let token_of = match token.is_empty() {
            true => String::new(),
            false => format!("&page_token={token}"),
        };
        let page = http.list(&format!("{query}&limit=1000{token_of}")).await;
        let page = page.json();
        tasks.extend(page["tasks"].as_array().unwrap().clone());
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return tasks;
        }
    }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_equals_the_paged_list() {
    let server = Server::start().await;
    let mut tasks = bank_tasks();
    tasks[0]["target"] = (0..250).map(|n| format!("c{n}")).collect();
    server.import(&tasks).await;
    let other = server.tenant("other").await;
    let foreign = task("theirs", "2010-01-01", "2010-01-02", "running");
    server.import_as("other", &[foreign]).await;

    let starts = |t: &Json| t["start_time"].as_str().unwrap().to_owned();
    let mut times: Vec<String> = tasks.iter().map(starts).collect();
    times.sort();
    let middle = chrono::DateTime::parse_from_rfc3339(&times[times.len() / 2]).unwrap();
    let (from, to) = (
        middle.timestamp() - 30 * 86_400,
        middle.timestamp() + 86_400,
    );
    let active = [TaskStatus::Pending, TaskStatus::Running, TaskStatus::Paused];
    let sets: [&[TaskStatus]; 4] = [
        &[],
        &active,
        &[TaskStatus::Completed],
        &[TaskStatus::Failed],
    ];
    let mut seen = BTreeMap::new();
    for (n, set) in sets.into_iter().cycle().take(28).enumerate() {
        let order_by = TaskOrderBy::try_from(n as i32 / 4 + 1).unwrap();
        let date_field = TaskDateField::try_from(n as i32 % 5 + 1).unwrap();
        let ranged = n % 3 != 0;
        let request = ExportOutboundTasksRequest {
            filter: Some(TaskFilter {
                status: set.iter().map(|s| *s as i32).collect(),
                date_range: ranged.then(|| DateRange {
                    start: at(from),
                    end: if n % 2 == 0 { at(to) } else { None },
                }),
                date_field: date_field as i32,
                name: if n % 5 == 4 {
                    "ADMIN".into()
                } else {
                    String::new()
                },
                ..TaskFilter::default()
            }),
            order_by: order_by as i32,
            order: n as i32 % 3,
            target_limit: [None, Some(0), Some(3)][n % 3],
        };
        let exported = export(&server, &server.key, request.clone()).await.unwrap();
        assert_eq!(
            exported,
            walk(&server, request.clone()).await,
            "{request:?}"
        );
        *seen.entry(exported.is_empty()).or_insert(0) += 1;
    }
    assert!(seen[&false] > 15, "{seen:?}");
    let all = export(&server, &server.key, ExportOutboundTasksRequest::default());
    assert_eq!(all.await.unwrap().len(), tasks.len());
    let theirs = export(&server, &other, ExportOutboundTasksRequest::default());
    let theirs: Vec<_> = theirs
        .await
        .unwrap()
        .into_iter()
        .map(|t| t.task_id)
        .collect();
    assert_eq!(theirs, ["theirs"]);

    let http = server.http();
    for query in [
        "",
        "end_date=1990-01-01",
        "status=active&order_by=name&order=desc",
        "status=completed&order_by=updated_at&target_limit=1&time_format=compact",
        "date_range=2008-06-01,2009-06-30&date_field=window&order_by=progress",
        "start_date=2009-01-01&time_zone=Asia/Shanghai&order_by=task_id",
    ] {
        let answer = http.get(&format!("{EXPORT}?{query}")).await;
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        assert!(
            answer
                .header("content-disposition")
                .starts_with("attachment")
        );
        let text = String::from_utf8(answer.body).unwrap();
        let lines: Vec<Json> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines, walk_json(&server, query).await, "{query}");

        let answer = http.get(&format!("{EXPORT}?{query}&format=csv")).await;
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
        let text = String::from_utf8(answer.body).unwrap();
        let mut rows = text.lines();
        let header = "task_id,name,target,start_time,end_time,status,progress,created_at,updated_at,target_count,\
            status_reason,status_changed_at,labels,copied_from";
        assert_eq!(rows.next(), Some(header));
        let ids: Vec<_> = rows.map(|row| row.split(',').next().unwrap()).collect();
        assert_eq!(
            ids,
            lines
                .iter()
                .map(|l| l["task_id"].as_str().unwrap())
                .collect::<Vec<_>>()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn violations_are_reported_before_any_task() {
    let server = Server::start().await;
    let http = server.http();
    for (query, fields) in [
        ("format=xml", &["format"][..]),
        ("format=csv&format=csv", &["format"]),
        (
            "page=1&limit=5&page_token=x",
            &["limit", "page", "page_token"],
        ),
        (
            "target_limit=101&order=up&status=x",
            &["order", "status", "target_limit"],
        ),
        ("date_range=2023-03-02,2023-03-01", &["date_range"]),
    ] {
        let answer = http.get(&format!("{EXPORT}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let json = answer.json();
        let details = json["error"]["details"].as_array().unwrap();
        let mut reported: Vec<_> = details
            .iter()
            .map(|d| d["field"].as_str().unwrap())
            .collect();
        reported.sort_unstable();
        assert_eq!(reported, fields, "{query}");
    }
    let headers = [("x-api-key", &*server.key)];
    let post = http.send(Method::POST, EXPORT, &headers, Vec::new());
    assert_eq!(post.await.status, 405);

    let request = ExportOutboundTasksRequest {
        filter: Some(TaskFilter {
            status: vec![1, 0, 7],
            date_range: Some(DateRange {
                start: at(i64::MAX),
                end: None,
            }),
            date_field: 9,
            customer_id: "x".repeat(129),
            ..TaskFilter::default()
        }),
        order_by: 8,
        order: 3,
        target_limit: Some(-1),
    };
    let refused = export(&server, &server.key, request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let details = refused.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
    let all = [
        "filter.status[1]",
        "filter.status[2]",
        "filter.date_field",
        "filter.date_range.start",
        "filter.customer_id",
        "order_by",
        "order",
        "target_limit",
    ];
    assert_eq!(fields, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_needs_a_key_that_may_read() {
    let server = Server::start().await;
    let tenant = TenantId::parse("demo").unwrap();
    let writer = server
        .operator
        .key_create(&tenant, "w", &[Scope::Write], None);
    let writer = writer.await.unwrap().secret;
    for (key, code, status) in [
        ("", Code::Unauthenticated, 401),
        (&*writer, Code::PermissionDenied, 403),
    ] {
        let refused = export(&server, key, ExportOutboundTasksRequest::default()).await;
        assert_eq!(refused.unwrap_err().code(), code);
        let (http, headers) = (server.http(), [("x-api-key", key)]);
        let answer = http.send(Method::GET, EXPORT, &headers, Vec::new());
        assert_eq!(answer.await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_enough_is_no_failure() {
    let database = Database::demo().await;
    // More than a pipe holds.
    database.add_tasks("demo", 20_000).await;
    let mut export = program();
    export.args(["export", "-", "--tenant=demo"]);
    export.env("DATABASE_URL", &database.url);
    read_a_line(export).await;
}
