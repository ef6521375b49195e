//! Traces: the spans of calls, of the wait for a connection and of statements, as a collector receives them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use outbound_tasks::{
    server::Options,
    traces::{
        BatchLimits, Collector as Target, Options as TraceOptions, Protocol, Sampler, Tracer,
    },
};

use crate::support::{
    PATIENCE,
    collector::{Collector, SOON, Span},
    connect, eventually,
    http::Http,
    server::{Server, options},
    tasks::task,
    wire::{Caller, RPC, WIRES, Wire},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A tracer that sends to `collector` at once.
fn tracer(collector: &Collector, sampler: &str) -> Tracer {
    let options = TraceOptions {
        collector: Target {
            endpoint: format!("http://{}", collector.grpc).parse().unwrap(),
            protocol: Protocol::Grpc,
            headers: http::HeaderMap::new(),
            timeout: Duration::from_secs(10),
            is_compressed: false,
            authorities: None,
        },
        batches: BatchLimits {
            delay: SOON,
            timeout: Duration::from_secs(10),
            queue: 10_000,
            batch: 512,
        },
        sampler: Sampler::named(sampler, 1.0).unwrap(),
        service: "tasks".to_owned(),
        attributes: vec![("deployment.environment.name".to_owned(), "test".to_owned())],
    };
    Tracer::start(options, Arc::new(|_, _| {})).unwrap()
}

async fn traced(collector: &Collector, sampler: &str) -> Server {
    let tracer = Some(tracer(collector, sampler));
    Server::start_with(Options {
        tracer,
        ..options()
    })
    .await
}

/// Headers of a caller that records its span, in a trace of its own.
fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{PARENT}-{flags}")
}

/// The span of the call; all others of the trace are below it.
fn root(spans: &[Span]) -> &Span {
    let calls: Vec<_> = spans
        .iter()
        .filter(|s| s.kind == SpanKind::Server)
        .collect();
    assert_eq!(calls.len(), 1, "{spans:#?}");
    for span in spans.iter().filter(|span| span.id != calls[0].id) {
        assert_eq!(span.parent, calls[0].id, "{spans:#?}");
        assert!(span.time.0 >= calls[0].time.0, "{spans:#?}");
    }
    calls[0]
}

/// The texts of the statements.
fn statements(spans: &[Span]) -> Vec<&str> {
    let statements = spans.iter().filter(|span| span.kind == SpanKind::Client);
    statements.map(|span| span.get("db.query.text")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_every_transport_belongs_to_the_trace_of_its_caller() {
    let collector = Collector::start().await;
    let server = traced(&collector, "parentbased_always_on").await;
    let caller = Caller::new(server.address);
    for (number, wire) in WIRES.into_iter().enumerate() {
        let trace = format!("{TRACE:.31}{number}");
        let parent = traceparent(&trace, "01");
        let headers = [
            ("x-api-key", &*server.key),
            ("traceparent", &parent),
            ("tracestate", "vendor=1"),
        ];
        caller.list(wire, &headers).await;
        let spans = collector.trace(&trace).await;
        let call = root(&spans);
        assert_eq!(
            (&*call.parent, &*call.state),
            (PARENT, "vendor=1"),
            "{wire:?}"
        );
        let (name, expected) = match wire {
            Wire::Json1 | Wire::Json2 => (
                "GET /api/v1/outboundtasks".to_owned(),
                [
                    ("http.request.method", "GET"),
                    ("http.route", "/api/v1/outboundtasks"),
                    ("http.response.status_code", "200"),
                ],
            ),
            _ => (
                RPC[1..].to_owned(),
                [
                    (
                        "rpc.system.name",
                        if wire.is_connect() {
                            "connectrpc"
                        } else {
                            "grpc"
                        },
                    ),
                    ("rpc.method", &RPC[1..]),
                    ("rpc.response.status_code", "OK"),
                ],
            ),
        };
        assert_eq!(call.name, name, "{wire:?}");
        let of_all = [("tenant.id", "demo"), ("client.address", "127.0.0.1")];
        for (key, value) in expected.into_iter().chain(of_all) {
            assert_eq!(call.get(key), value, "{wire:?}: {key}: {call:#?}");
        }
        assert!(!call.get("request.id").is_empty(), "{call:#?}");
        assert_eq!(call.resource["service.name"], "tasks");
        assert_eq!(call.resource["deployment.environment.name"], "test");
        let waits = spans.iter().filter(|s| s.name == "db.connection.wait");
        assert!(waits.count() >= 1, "{wire:?}: {spans:#?}");
        assert!(!statements(&spans).is_empty(), "{wire:?}: {spans:#?}");
    }
    let spans = collector.spans();
    let secret = server.key.rsplit('.').next().unwrap();
    assert!(!format!("{spans:?}").contains(secret));
}

/// A list that nothing has changed since has the shared check, and no other statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_answer_has_no_statement_but_the_check() {
    let collector = Collector::start().await;
    let server = traced(&collector, "always_on").await;
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    server.import(&[task("kept", start, end, "running")]).await;
    let caller = Caller::new(server.address);
    let mut seen = Vec::new();
    for number in 0..3 {
        let trace = format!("{TRACE:.31}{number}");
        let parent = traceparent(&trace, "01");
        let headers = [("x-api-key", &*server.key), ("traceparent", &*parent)];
        caller.list(Wire::Grpc, &headers).await;
        seen.push(collector.trace(&trace).await);
    }
    let is_list = |text: &&str| text.contains("task_id") && text.contains("LIMIT");
    assert!(statements(&seen[0]).iter().any(is_list), "{:#?}", seen[0]);
    for kept in &seen[1..] {
        root(kept);
        let texts: HashSet<_> = statements(kept).into_iter().collect();
        // A connection that another call has not used yet asks for its server first.
        let is_check =
            |text: &&str| text.contains("pg_current_snapshot") || text.ends_with(" AS server");
        assert!(texts.iter().all(is_check), "{texts:#?}");
        assert!(
            kept.iter().any(|span| span.name == "list_cache.check"),
            "{kept:#?}"
        );
        assert!(
            !kept.iter().any(|span| span.name == "list_cache.read"),
            "{kept:#?}"
        );
    }
}

/// The statements of a write are those of its transaction. None has a value; neither has anything else of the trace.
#[tokio::test(flavor = "multi_thread")]
async fn the_statements_of_a_write_are_without_values() {
    let collector = Collector::start().await;
    let server = traced(&collector, "always_on").await;
    let create = async |trace: &str, id: &str| {
        let parent = traceparent(trace, "01");
        let body = serde_json::json!({"task": {
            "task_id": id, "name": "zebra name", "start_time": "2026-01-01T00:00:00Z",
            "end_time": "2026-01-02T00:00:00Z", "target": ["zebra-customer"]
        }, "idempotency_key": "zebra-idempotency-key"});
        let headers = [("traceparent", &*parent)];
        let http = server.http();
        connect::post_with(&http, "CreateOutboundTask", &headers, body.to_string()).await
    };
    let answer = create(TRACE, "zebra-id").await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    let spans = collector.trace(TRACE).await;
    root(&spans);
    let texts = statements(&spans);
    for part in ["BEGIN", "INSERT INTO", "COMMIT"] {
        assert!(
            texts.iter().any(|text| text.contains(part)),
            "{part}: {texts:#?}"
        );
    }
    assert!(!format!("{spans:?}").contains("zebra"), "{spans:#?}");
    for span in spans.iter().filter(|span| span.kind == SpanKind::Client) {
        assert_eq!(span.get("db.system.name"), "postgresql");
        assert!(!span.get("server.address").is_empty());
        assert!(!span.get("db.namespace").is_empty());
        assert!(!span.is_error, "{span:#?}");
    }

    // A call that is refused is no error of the service.
    let second = TRACE.replace('4', "5");
    let answer = create(&second, "zebra-other-id").await;
    assert!(answer.status.is_client_error(), "{}", answer.json());
    let spans = collector.trace(&second).await;
    let call = root(&spans);
    assert_ne!(call.get("rpc.response.status_code"), "OK");
    assert!(!call.is_error, "{call:#?}");
}

/// The span of a statement that PostgreSQL refuses has the SQLSTATE, which no answer names.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_statement_has_its_sqlstate() {
    let collector = Collector::start().await;
    let server = traced(&collector, "always_on").await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$; \
        CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse()";
    server.database.execute(refuse).await;
    let body = serde_json::json!({"task": {
        "name": "n", "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-02T00:00:00Z"
    }});
    let (http, parent) = (server.http(), traceparent(TRACE, "01"));
    let headers = [("traceparent", &*parent)];
    let answer = connect::post_with(&http, "CreateOutboundTask", &headers, body.to_string()).await;
    assert_eq!(answer.status, 503, "{}", answer.json());
    let spans = collector.trace(TRACE).await;
    assert!(root(&spans).is_error, "{spans:#?}");
    let statements = spans.iter().filter(|span| span.kind == SpanKind::Client);
    let (failed, good): (Vec<_>, Vec<_>) = statements.partition(|span| span.is_error);
    let [failed] = failed[..] else {
        panic!("{failed:#?}");
    };
    assert!(failed.get("db.query.text").contains("INSERT INTO"));
    for attribute in ["db.response.status_code", "error.type"] {
        assert_eq!(failed.get(attribute), "53100", "{failed:#?}");
        assert!(good.iter().all(|span| span.get(attribute).is_empty()));
    }
}

/// The span of a statement that its call abandons says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_statement_has_a_span() {
    let collector = Collector::start().await;
    let server = traced(&collector, "always_on").await;
    server.database.add_tasks("demo", 1).await;
    let holder = server.database.client().await;
    let lock = "BEGIN; SELECT FROM tasks FOR UPDATE";
    holder.batch_execute(lock).await.unwrap();
    let parent = traceparent(TRACE, "01");
    let headers = [("traceparent", &*parent), ("connect-timeout-ms", "500")];
    let (http, body) = (server.http(), r#"{"task_id": "t1"}"#);
    let answer = connect::post_with(&http, "PauseOutboundTask", &headers, body).await;
    assert_eq!(answer.status, 504, "{}", answer.json());
    let failed = async || {
        let spans = collector.spans().into_iter();
        let mut statements = spans.filter(|span| span.kind == SpanKind::Client && span.is_error);
        statements.any(|span| span.trace == TRACE && span.get("error.type") == "cancelled")
    };
    eventually("the statement's span comes", PATIENCE, failed).await;
    let spans = collector.trace(TRACE).await;
    let call = root(&spans);
    assert_eq!(call.get("rpc.response.status_code"), "DEADLINE_EXCEEDED");
    assert!(call.is_error, "{call:#?}");
}

/// Whether an answer has the trace: as text, or in a detail of gRPC, in Base64.
fn names_trace(answer: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let mut details = answer.split(|c| !is_base64(c)).filter_map(|text| {
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    });
    answer.contains(TRACE) || details.any(|text| text.contains(TRACE))
}

/// Errors name the trace, over every transport, whether or not the call is recorded.
#[tokio::test(flavor = "multi_thread")]
async fn errors_name_the_trace() {
    let collector = Collector::start().await;
    let server = traced(&collector, "parentbased_always_on").await;
    let off = Server::start().await;
    for (server, flags) in [(&server, "00"), (&server, "01"), (&off, "01")] {
        let parent = traceparent(TRACE, flags);
        let caller = Caller::new(server.address);
        for wire in WIRES {
            let outcome = caller.list(wire, &[("traceparent", &parent)]).await;
            assert_ne!(outcome.code, tonic::Code::Ok);
            assert!(names_trace(&outcome.sent), "{wire:?}: {}", outcome.sent);
        }
    }
    // A call without a trace gets a new one where calls are traced.
    let json = |server: &Server| {
        let http = Http::new(server.address, "");
        async move { http.list("").await.json()["error"]["trace_id"].clone() }
    };
    let id = json(&server).await;
    assert_eq!(id.as_str().map(str::len), Some(32), "{id}");
    assert!(json(&off).await.is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_decides_and_health_is_not_recorded() {
    let collector = Collector::start().await;
    let server = traced(&collector, "parentbased_always_off").await;
    let caller = Caller::new(server.address);
    let call = async |flags: Option<&str>| {
        let parent = flags.map(|flags| traceparent(TRACE, flags));
        let mut headers = vec![("x-api-key", &*server.key)];
        headers.extend(parent.iter().map(|parent| ("traceparent", parent.as_str())));
        caller.list(Wire::Grpc, &headers).await;
    };
    call(None).await;
    call(Some("00")).await;
    let grpc = Http::http2(server.address, "");
    let parent = traceparent(TRACE, "01");
    let headers = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("traceparent", &*parent),
    ];
    let path = "/grpc.health.v1.Health/Check";
    grpc.send(http::Method::POST, path, &headers, vec![0; 5])
        .await;
    call(Some("01")).await;
    let spans = collector.trace(TRACE).await;
    root(&spans);
    assert_eq!(
        collector.spans().len(),
        spans.len(),
        "{:#?}",
        collector.spans()
    );
}

/// A stream's span lasts until its end, and has the statements that run while it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn the_span_of_an_export_has_its_statements() {
    let collector = Collector::start().await;
    let server = traced(&collector, "always_on").await;
    let (start, end) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let tasks = (0..2_000).map(|n| task(&format!("exported-{n}"), start, end, "running"));
    let tasks: Vec<_> = tasks.collect();
    server.import(&tasks).await;
    let parent = traceparent(TRACE, "01");
    let http = server.http();
    let path = "/api/v1/outboundtasks:export";
    let headers = [("x-api-key", &*server.key), ("traceparent", &*parent)];
    http.send(http::Method::GET, path, &headers, Vec::new())
        .await;
    let spans = collector.trace(TRACE).await;
    let call = root(&spans);
    let export = spans.iter().find(|span| span.name == "SELECT tasks");
    let export = export.unwrap_or_else(|| panic!("{spans:#?}"));
    assert!(call.time.1 >= export.time.1.min(call.time.1), "{spans:#?}");
    assert_eq!(call.get("http.response.status_code"), "200");
}
