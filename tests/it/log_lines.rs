//! Log lines: calls do not wait for the program that reads them.

use http::Method;
use tokio::task::JoinSet;

use crate::support::{
    PATIENCE, database::Database, eventually, http::Http, keys, process::Process,
};

const CALLERS: usize = 8;
/// More lines than wait in the pipe and in the service.
const CALLS: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_answered_while_nobody_reads_the_log() {
    let database = Database::new().await;
    let program = Process::serve(&database, &[]).await;
    {
        let _resumed_at_the_end = program.stop_reading();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let http = Http::new(program.address, "");
            callers.spawn(async move {
                for _ in 0..CALLS / CALLERS {
                    let answer = http.send(Method::GET, "/nowhere", &[], Vec::new()).await;
                    assert_eq!(answer.status, 404);
                }
            });
        }
        callers.join_all().await;
    }
    let admin = Http::new(program.admin, "");
    let metrics = admin.send(Method::GET, "/metrics", &[], Vec::new()).await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    let lost = metrics
        .lines()
        .find_map(|line| line.strip_prefix("outbound_tasks_log_lines_lost_total "));
    assert!(lost.unwrap().parse::<u64>().unwrap() > 0, "{metrics}");

    // When it is read again, lines are written again.
    let http = Http::new(program.address, "");
    let written = async || {
        assert_eq!(http.list("").await.status, 401);
        program.log().contains("path=\"/api/v1/outboundtasks\"")
    };
    eventually("a later line is written", PATIENCE, written).await;
}

/// A line says whose call it was, and to which trace it belongs.
#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_call_names_its_caller_and_trace() {
    let database = Database::demo().await;
    let key = keys::create(&database, "read", &[]).await;
    let program = Process::serve(&database, &[]).await;
    let http = Http::new(program.address, &key);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("x-api-key", &*key), ("traceparent", &*parent)];
    let path = "/api/v1/outboundtasks";
    http.send(Method::GET, path, &headers, Vec::new()).await;
    http.send(Method::GET, path, &[], Vec::new()).await;
    // A stream ends after its first answer, so its line is written elsewhere.
    http.get("/api/v1/outboundtasks:export").await;
    let lines = || -> Vec<String> {
        let log = program.log();
        let lines = log.lines().filter(|line| line.contains(": call path="));
        lines.map(str::to_owned).collect()
    };
    let logged = async || lines().len() == 3;
    eventually("three lines are written", PATIENCE, logged).await;
    let lines = lines();
    let id = keys::id_of(&key);
    let caller = format!("tenant.id=\"demo\" key.id=\"{id}\" peer=127.0.0.1 ");
    let whole = format!("path=\"{path}\" code=\"OK\" {caller}trace.id={trace} elapsed_us=");
    assert!(lines[0].contains(&whole), "{lines:?}");
    let bare = format!("path=\"{path}\" code=\"UNAUTHENTICATED\" peer=127.0.0.1 elapsed_us=");
    assert!(lines[1].contains(&bare), "{lines:?}");
    let stream = format!("path=\"{path}:export\" code=\"OK\" {caller}elapsed_us=");
    assert!(lines[2].contains(&stream), "{lines:?}");
    let secret = key.rsplit('.').next().unwrap();
    assert!(!program.log().contains(secret));
}

/// Health probes and the checks of open consoles come every few seconds, so they are logged at debug only. The level can be
/// changed while the service runs.
#[tokio::test(flavor = "multi_thread")]
async fn the_level_can_be_changed_while_the_service_runs() {
    let database = Database::new().await;
    let program = Process::serve(&database, &["--log=warn,outbound_tasks=info"]).await;
    let admin = Http::new(program.admin, "");
    let change = async |method: Method, filter: &str| {
        let body = filter.as_bytes().to_vec();
        let answer = admin.send(method, "/log-level", &[], body).await;
        (
            answer.status.as_u16(),
            String::from_utf8(answer.body).unwrap(),
        )
    };
    let path = "/grpc.health.v1.Health/Check";
    let console = "/console/";
    let grpc = Http::http2(program.address, "");
    let probe = async || {
        let headers = [("content-type", "application/grpc"), ("te", "trailers")];
        let answer = grpc.send(Method::POST, path, &headers, vec![0; 5]).await;
        assert_eq!(answer.trailers["grpc-status"], "0");
        grpc.send(Method::HEAD, console, &[], Vec::new()).await;
    };
    // A line behind that of the probe.
    let other = async |program: &Process, code: &str| {
        let log_before = program.log().matches(code).count();
        assert_eq!(grpc.get("/nowhere").await.status, 404);
        let logged = async || program.log().matches(code).count() > log_before;
        eventually("a later call is logged", PATIENCE, logged).await;
    };
    probe().await;
    other(&program, "NOT_FOUND").await;
    for path in [path, console] {
        assert!(!program.log().contains(path), "{}", program.log());
    }

    let initial = (200, "warn,outbound_tasks=info\n".to_owned());
    assert_eq!(change(Method::GET, "").await, initial);
    for (bad, why) in [
        ("outbound_tasks=loud", "the filter cannot be read: "),
        (" \n", "the filter is empty"),
        (&*"x".repeat(5_000), "at most 4096 bytes"),
    ] {
        let (status, said) = change(Method::PUT, bad).await;
        assert_eq!(status, 400);
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(change(Method::POST, "debug").await.0, 405);
    assert_eq!(change(Method::GET, "").await, initial);

    let filter = "warn,outbound_tasks=debug";
    let changed = change(Method::PUT, &format!("{filter}\n")).await;
    assert_eq!(changed, (200, format!("{filter}\n")));
    probe().await;
    let logged = async || program.log().contains(path) && program.log().contains(console);
    eventually("the probe is logged", PATIENCE, logged).await;
    assert!(program.log().contains("the log filter was changed"));

    // A key is in no line, not even where a caller puts it into the path.
    change(Method::PUT, "trace").await;
    let key = keys::unknown_key("demo");
    let path = format!("/outboundtasks.v1.OutboundTaskService/{key}");
    let headers = [("content-type", "application/grpc-web+proto")];
    grpc.send(Method::POST, &path, &headers, Vec::new()).await;
    other(&program, "NOT_FOUND").await;
    assert!(!program.log().contains(&key), "{}", program.log());

    change(Method::PUT, "error").await;
    let before = program.log().matches("NOT_FOUND").count();
    assert_eq!(grpc.get("/nowhere").await.status, 404);
    change(Method::PUT, "info").await;
    other(&program, "NOT_FOUND").await;
    assert_eq!(program.log().matches("NOT_FOUND").count(), before + 1);
}

/// Calls that are refused for load have no line each.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_for_load_are_logged_together() {
    let database = Database::demo().await;
    let key = keys::create(&database, "read", &[]).await;
    // One tenant gets two of the three permits.
    let program = Process::serve(&database, &["--max-in-flight=3", "--list-cache=0"]).await;
    let lock = database.lock_tasks().await;
    let mut holders = JoinSet::new();
    for _ in 0..2 {
        let http = Http::new(program.address, &key);
        holders.spawn(async move { http.list("").await.status });
    }
    let observer = database.client().await;
    let full = async || database.count_waiting(&observer).await == 2;
    eventually("the service is full", PATIENCE, full).await;
    let http = Http::new(program.address, &key);
    for _ in 0..100 {
        assert_eq!(http.list("").await.status, 503);
    }
    // The line of another call comes after those of the refused ones.
    assert_eq!(http.get("/nowhere").await.status, 404);
    let logged = async || program.log().contains("NOT_FOUND");
    eventually("a later call is logged", PATIENCE, logged).await;
    let log = program.log();
    assert!(log.matches("UNAVAILABLE").count() <= 1, "{log}");
    assert!(!log.contains("overloaded"), "{log}");
    drop(lock);
    assert!(holders.join_all().await.iter().all(|status| *status == 200));
}

/// The last lines are written before the program ends.
#[tokio::test(flavor = "multi_thread")]
async fn no_line_is_lost_at_the_end() {
    let database = Database::new().await;
    for _ in 0..5 {
        let mut program = Process::serve(&database, &["--shutdown-delay=0s"]).await;
        program.signal("TERM");
        assert!(program.ended(PATIENCE).await.success());
        let stopped = async || program.log().contains("stopping");
        eventually("the last line is read", PATIENCE, stopped).await;
    }
}
