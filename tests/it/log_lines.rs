//! Log lines: calls do not wait for the program that reads them.

use http::Method;
use tokio::task::JoinSet;

use crate::support::{PATIENCE, database::Database, eventually, http::Http, process::Process};

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
                    let answer = http.send(Method::GET, "/", &[], Vec::new()).await;
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
