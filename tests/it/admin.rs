//! The operator's port: liveness, readiness, metrics.

use std::{collections::BTreeSet, time::Duration};

use http::Method;

use crate::support::{database::Database, eventually, http::Http, keys, process::Process};

async fn get(http: &Http, path: &str) -> (u16, String) {
    let answer = http.send(Method::GET, path, &[], Vec::new()).await;
    (
        answer.status.as_u16(),
        String::from_utf8(answer.body).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_schema() {
    let database = Database::new().await;
    let program = Process::serve(&database, &[]).await;
    let admin = Http::new(program.admin, "");
    let limit = Duration::from_secs(3);
    let ready = async || get(&admin, "/readyz").await.0 == 200;
    eventually("it is ready", limit, ready).await;
    database.succeed(&["migrate", "revert"], b"").await;
    let unready = async || {
        let (code, why) = get(&admin, "/readyz").await;
        code == 503 && why.contains("the schema lacks 20")
    };
    eventually("it is not ready and says why", limit, unready).await;
    assert_eq!(get(&admin, "/livez").await, (200, "alive\n".to_owned()));
    database.succeed(&["migrate"], b"").await;
    eventually("it is ready again", limit, ready).await;
}

/// The values of a label.
fn labels(metrics: &str, name: &str) -> BTreeSet<String> {
    let label = format!("{name}=\"");
    let values = metrics.split(&*label).skip(1);
    values
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_openmetrics_and_no_label_comes_from_callers() {
    let database = Database::new().await;
    let program = Process::serve(&database, &[]).await;
    let (admin, http) = (
        Http::new(program.admin, ""),
        Http::http2(program.address, ""),
    );
    let call = async |path: &str, kind: &str| {
        let headers = [("content-type", kind), ("te", "trailers")];
        let answer = http.send(Method::POST, path, &headers, vec![0; 5]).await;
        assert!(!answer.header("x-request-id").is_empty());
    };
    let list = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";
    for kind in ["application/grpc", "application/grpc-web", "text/plain"] {
        call(list, kind).await;
        for n in 0..50 {
            call(&format!("/made/up{n}"), kind).await;
            call(
                &format!("/outboundtasks.v1.OutboundTaskService/Up{n}"),
                kind,
            )
            .await;
            call(&format!("/api/v1/outboundtasks/{n}"), kind).await;
            call(&format!("/console/{n}"), kind).await;
        }
    }
    get(&http, "/api/v1/outboundtasks?page=1").await;
    get(&http, "/api/v1/outboundtasks:export").await;
    let watch = "/api/v1/outboundtasks:watch";
    database.succeed(&["tenants", "create", "demo"], b"").await;
    let key = keys::create(&database, "read", &[]).await;
    let headers = [("x-api-key", &*key)];
    let open = http
        .open(Method::GET, watch, &headers, Vec::new())
        .await
        .unwrap();
    let answer = admin.send(Method::GET, "/metrics", &[], Vec::new()).await;
    let kind = answer.header("content-type").to_owned();
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for name in [
        "calls_total",
        "call_duration_seconds_bucket",
        "connections",
        "watches",
        "pool_used",
        "pool_open",
        "pool_waiting",
    ] {
        assert!(
            text.contains(&format!("\noutbound_tasks_{name}")),
            "{name}: {text}"
        );
    }
    assert!(text.contains("\noutbound_tasks_watches 1\n"), "{text}");
    drop(open);
    let paths = labels(&text, "path");
    // All ids of callers share one path label.
    let one = "/api/v1/outboundtasks/{task_id}";
    let export = "/api/v1/outboundtasks:export";
    let lists = "/api/v1/outboundtasks";
    let known = [list, lists, one, export, "/console/{file}", "other"].map(str::to_owned);
    assert_eq!(paths, BTreeSet::from(known), "{text}");
    assert!(labels(&text, "code").len() < 10, "{text}");
}
