//! The operator's port: liveness, readiness, metrics.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{
    PATIENCE, database::Database, eventually, http::Http, keys, process::Process,
};

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
    // The watch is open: it is among the calls in flight.
    let known = [list, lists, one, export, watch, "/console/{file}", "other"].map(str::to_owned);
    assert_eq!(paths, BTreeSet::from(known), "{text}");
    // Not those that a path has from its first call on, with 0: nothing but the watch, which is open, has succeeded.
    let counted = text.lines().filter(|line| !line.ends_with(" 0"));
    let codes = labels(&counted.collect::<Vec<_>>().join("\n"), "code");
    let known = ["NOT_FOUND", "UNAUTHENTICATED", "UNIMPLEMENTED"].map(str::to_owned);
    assert_eq!(codes, BTreeSet::from(known));
    let transports = ["grpc", "grpc_web", "http"].map(str::to_owned);
    assert_eq!(labels(&text, "transport"), BTreeSet::from(transports));
    let list = format!("{lists}?limit=1");
    http.send(Method::GET, &list, &headers, Vec::new()).await;
    let text = get(&admin, "/metrics").await.1;
    let counted = format!(
        "outbound_tasks_calls_total{{path=\"{lists}\",transport=\"http\",code=\"OK\"}} 1\n"
    );
    assert!(text.contains(&counted), "{text}");
}

/// A client that sends nothing, or too slowly, is disconnected. One that scrapes stays connected between its requests.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_say_nothing_are_disconnected() {
    let database = Database::new().await;
    let flags = ["--header-timeout=300ms", "--idle-timeout=2s"];
    let program = Process::serve(&database, &flags).await;
    let began = Instant::now();
    for said in [
        "",
        "G",
        "GET /livez HTTP/1.1\r\nhost: x\r\n",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut stream = TcpStream::connect(program.admin).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "after {said:?} the connection stays open");
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    let mut stream = TcpStream::connect(program.admin).await.unwrap();
    for _ in 0..2 {
        let request = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = [0; 1024];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    let ended = timeout(PATIENCE, stream.read(&mut [0])).await;
    assert_eq!(ended.unwrap().unwrap(), 0, "it is kept for ever");
}
