//! The numbers behind the objectives: calls by transport and code, times of unary calls apart from streams, and what the
//! workers, watches, imports and exports have done.

use http::Method;
use outbound_tasks::pb::{
    ImportFormat, ImportTaskOptions, ListOutboundTasksRequest,
    outbound_task_service_client::OutboundTaskServiceClient,
};
use tonic::transport::Endpoint;

use crate::support::{
    PATIENCE,
    client::Client,
    database::Database,
    eventually,
    http::{Http, frame},
    import::{import, options as import_options},
    keys,
    process::Process,
    tasks::{Json, task, to_ndjson},
};

const LIST: &str = "/outboundtasks.v1.OutboundTaskService/ListOutboundTasks";
const GET_FORM: &str = "/api/v1/outboundtasks";

struct Scrape(String);

impl Scrape {
    async fn of(program: &Process) -> Self {
        let admin = Http::new(program.admin, "");
        let answer = admin.send(Method::GET, "/metrics", &[], Vec::new()).await;
        Self(String::from_utf8(answer.body).unwrap())
    }

    /// The value of a series, whose labels are those named, in this order; `None` if there is none.
    fn value(&self, series: &str) -> Option<f64> {
        let lines = self.0.lines();
        let mut found = lines.filter_map(|line| line.strip_prefix("outbound_tasks_"));
        let value = found.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map(|value| value.parse().unwrap())
    }

    fn calls(&self, path: &str, transport: &str, code: &str) -> Option<f64> {
        let labels = format!("path=\"{path}\",transport=\"{transport}\",code=\"{code}\"");
        self.value(&format!("calls_total{{{labels}}}"))
    }

    fn of_route(&self, name: &str, path: &str, transport: &str) -> Option<f64> {
        self.value(&format!(
            "{name}{{path=\"{path}\",transport=\"{transport}\"}}"
        ))
    }
}

async fn start(flags: &[&str]) -> (Database, Process, String) {
    let database = Database::demo().await;
    let key = keys::create(&database, "read,write", &[]).await;
    let program = Process::serve(&database, flags).await;
    (database, program, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_have_the_same_codes_on_every_transport() {
    let (_database, program, key) = start(&[]).await;
    let grpc = Http::http2(program.address, &key);
    let http = Http::new(program.address, &key);
    let bad = ListOutboundTasksRequest {
        limit: 5_000,
        ..Default::default()
    };
    for (kind, transport) in [
        ("application/grpc", "grpc"),
        ("application/grpc-web+proto", "grpc_web"),
    ] {
        for key in [&*key, "wrong"] {
            for request in [&ListOutboundTasksRequest::default(), &bad] {
                let headers = [
                    ("content-type", kind),
                    ("te", "trailers"),
                    ("x-api-key", key),
                ];
                grpc.send(Method::POST, LIST, &headers, frame(request))
                    .await;
            }
        }
        let scrape = Scrape::of(&program).await;
        assert_eq!(
            scrape.calls(LIST, transport, "OK"),
            Some(1.0),
            "{}",
            scrape.0
        );
        assert_eq!(scrape.calls(LIST, transport, "INVALID_ARGUMENT"), Some(1.0));
        assert_eq!(scrape.calls(LIST, transport, "UNAUTHENTICATED"), Some(2.0));
        // Known before the first of them, so that a rate sees it.
        assert_eq!(scrape.calls(LIST, transport, "UNAVAILABLE"), Some(0.0));
        assert_eq!(scrape.calls(LIST, transport, "NOT_FOUND"), None);
        let count = scrape.of_route("call_duration_seconds_count", LIST, transport);
        assert_eq!(count, Some(4.0));
        assert_eq!(
            scrape.of_route("calls_in_flight", LIST, transport),
            Some(0.0)
        );
    }
    for (path, status) in [
        ("?limit=1", 200),
        ("?limit=5000", 400),
        ("/absent", 404),
        ("/absent/targets", 404),
    ] {
        let answer = http.get(&format!("{GET_FORM}{path}")).await;
        assert_eq!(answer.status, status, "{path}");
    }
    let head = [("x-api-key", &*key)];
    http.send(Method::POST, GET_FORM, &head, Vec::new()).await;
    let scrape = Scrape::of(&program).await;
    let calls = |path: &str, code: &str| scrape.calls(&format!("{GET_FORM}{path}"), "http", code);
    assert_eq!(calls("", "OK"), Some(1.0), "{}", scrape.0);
    assert_eq!(calls("", "INVALID_ARGUMENT"), Some(1.0));
    assert_eq!(calls("", "UNIMPLEMENTED"), Some(1.0));
    assert_eq!(calls("/{task_id}", "NOT_FOUND"), Some(1.0));
    assert_eq!(calls("/{task_id}/targets", "NOT_FOUND"), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_apart_from_unary_calls() {
    let (database, program, key) = start(&[]).await;
    database.add_tasks("demo", 3).await;
    let http = Http::new(program.address, &key);
    let watch = format!("{GET_FORM}:watch");
    let head = [("x-api-key", &*key)];
    let open = http.open(Method::GET, &watch, &head, Vec::new()).await;
    let open = open.unwrap();
    let scrape = Scrape::of(&program).await;
    let in_flight = |scrape: &Scrape| scrape.of_route("calls_in_flight", &watch, "http");
    assert_eq!(in_flight(&scrape), Some(1.0), "{}", scrape.0);
    drop(open);
    let ended = async || {
        let scrape = Scrape::of(&program).await;
        scrape.calls(&watch, "http", "CANCELLED") == Some(1.0) && in_flight(&scrape) == Some(0.0)
    };
    eventually("the watch is counted as cancelled", PATIENCE, ended).await;

    let export = format!("{GET_FORM}:export");
    let file = http.get(&export).await.body;
    let scrape = Scrape::of(&program).await;
    for path in [&watch, &export] {
        let of = |name: &str| scrape.of_route(name, path, "http");
        assert_eq!(
            of("stream_duration_seconds_count"),
            Some(1.0),
            "{}",
            scrape.0
        );
        assert_eq!(of("call_duration_seconds_count"), None);
    }
    let sent = scrape.of_route("stream_sent_bytes_total", &export, "http");
    assert_eq!(sent, Some(file.len() as f64));
    assert_eq!(scrape.value("exports_rows_total"), Some(3.0));
    assert_eq!(scrape.value("exports_running"), Some(0.0));
    assert_eq!(scrape.value("exports_failed_total"), Some(0.0));
    assert!(scrape.value("watch_lag_seconds").unwrap() < 10.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_are_counted_with_their_rows_and_bytes() {
    let (_database, program, key) = start(&[]).await;
    let channel = Endpoint::from_shared(format!("http://{}", program.address)).unwrap();
    let grpc = OutboundTaskServiceClient::new(channel.connect().await.unwrap());
    let client = Client::on(grpc, &key);
    let file = |ids: [&str; 2]| {
        let of = |id: &str| -> Json { task(id, "2023-03-01", "2023-03-02", "pending") };
        to_ndjson(&ids.map(of))
    };
    let options = || -> ImportTaskOptions { import_options(ImportFormat::Ndjson) };
    let good = file(["a", "b"]);
    import(&client, options(), good.as_bytes(), 100)
        .await
        .unwrap();
    let trial = ImportTaskOptions {
        dry_run: true,
        ..options()
    };
    let dry = file(["c", "d"]);
    import(&client, trial, dry.as_bytes(), 100).await.unwrap();
    let bad = b"{\"task_id\": 1\n";
    import(&client, options(), bad, 100).await.unwrap_err();
    let scrape = Scrape::of(&program).await;
    let value = |name: &str| scrape.value(name).unwrap();
    assert_eq!(value("imports_rows_total"), 2.0, "{}", scrape.0);
    assert_eq!(value("imports_failed_total"), 1.0);
    assert_eq!(value("imports_running"), 0.0);
    let bytes = good.len() + dry.len() + bad.len();
    assert_eq!(value("imports_bytes_total"), bytes as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_workers_is_counted() {
    let database = Database::demo().await;
    let due = to_ndjson(&["a", "b"].map(|id| task(id, "2023-03-01", "2099-03-02", "pending")));
    database
        .succeed(&["import", "-", "--tenant=demo"], due.as_bytes())
        .await;
    // Without --scheduler nobody starts them.
    let program = Process::serve(&database, &[]).await;
    let counted = async || Scrape::of(&program).await.value("schedule_due") == Some(2.0);
    eventually("the due tasks are counted", PATIENCE, counted).await;
    let scrape = Scrape::of(&program).await;
    assert!(scrape.value("schedule_lag_seconds").unwrap() > 86_400.0);
    assert_eq!(scrape.value("counts_pending_deltas"), Some(0.0));
    let compacted = async || {
        let lag = Scrape::of(&program)
            .await
            .value("counts_compaction_lag_seconds");
        lag.is_some_and(|lag| lag < 60.0)
    };
    eventually("the counts are compacted", PATIENCE, compacted).await;
    assert!(scrape.0.contains("outbound_tasks_build_info{version=\""));
    // Every statement asked for a connection, and none waited for long.
    let waits = |le: &str| scrape.value(&format!("pool_wait_seconds_bucket{{le=\"{le}\"}}"));
    assert!(waits("0.001") > Some(0.0), "{}", scrape.0);
    assert_eq!(waits("2.0"), waits("+Inf"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_counts_what_it_starts() {
    let database = Database::demo().await;
    let due = to_ndjson(&["a", "b"].map(|id| task(id, "2023-03-01", "2099-03-02", "pending")));
    database
        .succeed(&["import", "-", "--tenant=demo"], due.as_bytes())
        .await;
    let program = Process::serve(&database, &["--scheduler"]).await;
    let started = async || Scrape::of(&program).await.value("schedule_changed_total") == Some(2.0);
    eventually("the tasks are started", PATIENCE, started).await;
    let scrape = Scrape::of(&program).await;
    assert_eq!(scrape.value("schedule_failures_total"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_quotas_are_counted_by_quota() {
    let (_database, program, key) = start(&["--key-rate=2/1h"]).await;
    let http = Http::new(program.address, &key);
    for _ in 0..5 {
        http.list("limit=1").await;
    }
    let scrape = Scrape::of(&program).await;
    let refused = scrape.value("quota_refused_total{quota=\"key\"}");
    assert_eq!(refused, Some(3.0), "{}", scrape.0);
    assert_eq!(
        scrape.calls(GET_FORM, "http", "RESOURCE_EXHAUSTED"),
        Some(3.0)
    );
}
