//! How traces are sent: the settings, a collector that is away, and the end of the program.

use std::{process::Output, time::Duration};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::support::{
    PATIENCE,
    collector::{Collector, Refusal},
    database::{Database, program},
    eventually,
    http::Http,
    keys,
    process::Process,
    tls::{Authority, Files},
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn a_list(program: &Process, key: &str) {
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let headers = [("x-api-key", key), ("traceparent", &*parent)];
    let http = Http::new(program.address, key);
    let path = "/api/v1/outboundtasks";
    let answer = http
        .send(http::Method::GET, path, &headers, Vec::new())
        .await;
    assert_eq!(answer.status, 200);
}

async fn with_key() -> (Database, String) {
    let database = Database::demo().await;
    let key = keys::create(&database, "read", &[]).await;
    (database, key)
}

/// The flags that name the collector, by `http` or `https`.
fn flags(collector: &Collector, scheme: &str, protocol: &str) -> [String; 2] {
    let address = match protocol {
        "grpc" => collector.grpc,
        _ => collector.http,
    };
    [
        format!("--otel-exporter-otlp-endpoint={scheme}://{address}/"),
        format!("--otel-exporter-otlp-protocol={protocol}"),
    ]
}

/// By each protocol, with headers and compressed. The collector refuses the first request, which is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn spans_are_sent_by_each_protocol() {
    let (database, key) = with_key().await;
    for protocol in ["grpc", "http/protobuf"] {
        let collector = Collector::start().await;
        collector.refuse(Refusal::Unavailable);
        let [endpoint, protocol_flag] = flags(&collector, "http", protocol);
        let program = Process::serve(
            &database,
            &[
                &endpoint,
                &protocol_flag,
                "--otel-exporter-otlp-headers=x-collector-key=a%20key",
                "--otel-exporter-otlp-compression=gzip",
                "--otel-resource-attributes=team=calls,region=eu%2Fwest",
                "--otel-service-name=lists",
                "--otel-bsp-schedule-delay=50",
            ],
        )
        .await;
        a_list(&program, &key).await;
        let spans = collector.trace(TRACE).await;
        let resource = &spans[0].resource;
        assert_eq!(resource["service.name"], "lists", "{protocol}");
        assert_eq!(resource["region"], "eu/west");
        assert_eq!(collector.header("x-collector-key")[0], "a key");
        assert!(!program.log().contains("a key"), "{}", program.log());
        assert!(
            !program.log().contains("spans are lost"),
            "{}",
            program.log()
        );
        let line = format!("trace.id={TRACE}");
        let logged = async || program.log().contains(&line);
        eventually("the line has the trace", PATIENCE, logged).await;
    }
}

/// A collector that is exhausted and says for how long gets the spans then. Without that, gRPC gives them up.
#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_collector_says_when_to_send_again() {
    const SECOND: Duration = Duration::from_secs(1);
    let (database, key) = with_key().await;
    let now = "--otel-bsp-schedule-delay=50";
    // Longer than the pause without it.
    for (protocol, refusal) in [
        ("grpc", Refusal::Exhausted(Some(SECOND))),
        ("http/protobuf", Refusal::Exhausted(Some(SECOND))),
        ("http/protobuf", Refusal::ExhaustedUntil(SECOND)),
    ] {
        let collector = Collector::start().await;
        collector.refuse(refusal);
        let [endpoint, protocol] = flags(&collector, "http", protocol);
        let program = Process::serve(&database, &[&endpoint, &protocol, now]).await;
        a_list(&program, &key).await;
        collector.trace(TRACE).await;
        let times = collector.times();
        assert!(times[1] - times[0] >= SECOND, "{protocol}: {times:?}");
        let log = program.log();
        assert!(!log.contains("spans are lost"), "{log}");
    }
    let collector = Collector::start().await;
    collector.refuse(Refusal::Exhausted(None));
    let [endpoint, protocol] = flags(&collector, "http", "grpc");
    let program = Process::serve(&database, &[&endpoint, &protocol, now]).await;
    a_list(&program, &key).await;
    let logs = async |text: &str| {
        eventually(text, PATIENCE, async || program.log().contains(text)).await;
    };
    logs("cause=\"ResourceExhausted: full\"").await;
    a_list(&program, &key).await;
    logs("the collector takes spans again").await;
}

/// The certificate of an `https` collector must be of the authorities in the file, by each protocol.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_with_tls_is_of_the_authority_in_the_file() {
    let (database, key) = with_key().await;
    let authority = Authority::new("of the collector");
    let pair = authority.server("collector");
    let own = Files::new(&pair, &authority);
    let foreign = Files::new(&pair, &Authority::new("another one"));
    for protocol in ["grpc", "http/protobuf"] {
        let mut collector = Collector::start().await;
        collector.require_tls(&pair).await;
        let [endpoint, protocol] = flags(&collector, "https", protocol);
        let arguments = [
            &*endpoint,
            &protocol,
            "--otel-bsp-schedule-delay=50",
            "--otel-exporter-otlp-timeout=2000",
        ];
        let serve = async |files: &Files| {
            let file = files.path("ca.pem");
            let first = format!("export OTEL_EXPORTER_OTLP_CERTIFICATE='{}'", file.display());
            let program = Process::serve_after(&first, &database, &arguments).await;
            a_list(&program, &key).await;
            program
        };
        let program = serve(&foreign).await;
        let refused = async || {
            let log = program.log();
            log.contains("spans are lost because") && log.contains("UnknownIssuer")
        };
        eventually("the certificate is refused", PATIENCE, refused).await;
        assert!(collector.times().is_empty(), "{protocol}");
        let program = serve(&own).await;
        collector.trace(TRACE).await;
        let log = program.log();
        assert!(!log.contains("spans are lost"), "{protocol}: {log}");
    }
}

/// Spans that wait are sent before the program ends.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_spans_are_sent_at_the_end() {
    let (database, key) = with_key().await;
    let collector = Collector::start().await;
    let endpoint = format!("--otel-exporter-otlp-endpoint=http://{}", collector.grpc);
    let delay = "--otel-bsp-schedule-delay=3600000";
    let arguments = [&*endpoint, delay, "--shutdown-delay=0s"];
    let mut program = Process::serve(&database, &arguments).await;
    // The first tick of the delay is at the start.
    tokio::time::sleep(Duration::from_millis(200)).await;
    a_list(&program, &key).await;
    program.signal("TERM");
    assert!(program.ended(PATIENCE).await.success());
    let spans = collector.spans();
    assert!(
        spans
            .iter()
            .any(|span| span.kind == SpanKind::Server && span.trace == TRACE),
        "{spans:#?}"
    );
}

/// What a collector has not taken by the end is counted, also the request that is under way.
#[tokio::test(flavor = "multi_thread")]
async fn spans_that_are_under_way_at_the_end_are_counted() {
    let (database, key) = with_key().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!(
        "--otel-exporter-otlp-endpoint=http://{}",
        silent.local_addr().unwrap()
    );
    let delay = "--otel-bsp-schedule-delay=10";
    let arguments = [&*endpoint, delay, "--shutdown-delay=0s"];
    let mut program = Process::serve(&database, &arguments).await;
    a_list(&program, &key).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    program.signal("TERM");
    assert!(program.ended(PATIENCE).await.success());
    let log = program.log();
    let said = "spans were not sent before the end of the program lost=";
    let lost = log.split_once(said).map(|(_, rest)| rest.lines().next());
    let lost: usize = lost.flatten().unwrap().trim().parse().unwrap();
    assert!(lost > 0, "{log}");
}

/// A collector that is away, or takes connections and says nothing, holds up neither calls nor the end. It is logged once.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_holds_nothing_up() {
    let (database, key) = with_key().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    for address in [closed, silent.local_addr().unwrap()] {
        let endpoint = format!("--otel-exporter-otlp-endpoint=http://{address}");
        let arguments = [
            &*endpoint,
            "--otel-bsp-schedule-delay=10",
            "--otel-exporter-otlp-timeout=300",
            "--otel-bsp-max-queue-size=5",
            "--otel-bsp-max-export-batch-size=5",
            "--shutdown-delay=0s",
        ];
        let mut program = Process::serve(&database, &arguments).await;
        let lost = async || {
            let admin = Http::new(program.admin, "");
            let metrics = admin.get("/metrics").await;
            let metrics = String::from_utf8(metrics.body).unwrap();
            let lost = metrics
                .lines()
                .find_map(|line| line.strip_prefix("outbound_tasks_trace_spans_lost_total "));
            lost.unwrap().parse::<u64>().unwrap()
        };
        let began = std::time::Instant::now();
        for _ in 0..50 {
            a_list(&program, &key).await;
        }
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        eventually("spans are lost", PATIENCE, async || lost().await > 60).await;
        a_list(&program, &key).await;
        // A second batch fails meanwhile.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lines = program.log().matches("spans are lost because").count();
        assert_eq!(lines, 1, "{}", program.log());
        program.signal("TERM");
        assert!(program.ended(PATIENCE).await.success());
    }
}

fn check(variables: &[(&str, &str)]) -> Output {
    let mut command = program();
    command.args(["config", "check", "--database-url=postgresql://db/tasks"]);
    command.envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn a_variable_that_cannot_be_used_is_named() {
    for (variable, value, why) in [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "collector",
            "must be a URL without a user",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "ftp://a",
            "must be a URL without a user",
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://a:99999",
            "must be a URL without a user",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://me:s3cret@a",
            "must be a URL without a user",
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/json",
            "must be grpc or http/protobuf, got \"http/json\"",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "thrift",
            "must be grpc or http/protobuf",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "s3cret",
            "must be name=value pairs of HTTP headers",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
            "a b=s3cret",
            "must be name=value pairs",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "x-key=s3cret%zz",
            "must be name=value pairs",
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "must be milliseconds"),
        (
            "OTEL_EXPORTER_OTLP_COMPRESSION",
            "zstd",
            "must be none or gzip",
        ),
        (
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/nowhere",
            "/nowhere cannot be read",
        ),
        (
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "/dev/zero",
            "/dev/zero cannot be read: it is a device",
        ),
        (
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
            "Cargo.toml",
            "Cargo.toml has no certificate",
        ),
        ("OTEL_TRACES_EXPORTER", "zipkin", "must be otlp or none"),
        (
            "OTEL_TRACES_SAMPLER",
            "jaeger_remote",
            "must be always_on, always_off",
        ),
        (
            "OTEL_TRACES_SAMPLER_ARG",
            "1.5",
            "must be a number from 0 to 1, got \"1.5\"",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "region",
            "must be name=value pairs",
        ),
        ("OTEL_SDK_DISABLED", "maybe", "must be true or false"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1", "must be milliseconds"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0", "must be milliseconds"),
        (
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "0",
            "must be a whole number from 1 to 1000000",
        ),
        (
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "4096",
            "must be at most OTEL_BSP_MAX_QUEUE_SIZE",
        ),
    ] {
        let output = check(&[(variable, value)]);
        assert_eq!(output.status.code(), Some(2), "{variable}={value}");
        let said = String::from_utf8(output.stderr).unwrap();
        let line = format!("outbound-tasks: {variable}");
        assert!(said.starts_with(&line) && said.contains(why), "{said}");
        assert!(
            said.lines().count() == 1 && !said.contains("s3cret"),
            "{said}"
        );
        // Whatever else is set, they can be turned off; and an empty value is none.
        if variable != "OTEL_SDK_DISABLED" {
            let output = check(&[(variable, value), ("OTEL_SDK_DISABLED", "TRUE")]);
            assert!(output.status.success(), "{variable}={value}: {output:?}");
        }
        let output = check(&[(variable, "")]);
        assert!(output.status.success(), "{variable}: {output:?}");
    }
    let output = check(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret"),
    ]);
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("s3cret"));
}
