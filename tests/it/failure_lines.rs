//! A failure that meets the workers for every tenant is one line of the log and not one for each tenant.

use std::{collections::HashMap, time::Duration};

use outbound_tasks::embedded::{Durability, Embedded};

use crate::{
    database_states::eventually_ready,
    support::{PATIENCE, TempDir, database::Database, eventually, http::Http, process::Process},
};

const TENANTS: [&str; 5] = ["a", "b", "c", "d", "e"];
const LATE: &str = "tasks are not started and ended on time";

/// How often each warning was logged, without the fields behind its text.
fn warnings(log: &str) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for line in log.lines().filter(|line| line.contains(" WARN ")) {
        let (_, text) = line.split_once(" outbound_tasks::").unwrap();
        let text = text.split('=').next().unwrap();
        *counts.entry(text).or_default() += 1;
    }
    counts
}

/// How often the turn of a tenant has failed.
async fn failures(program: &Process) -> u64 {
    let metrics = Http::new(program.admin, "").get("/metrics").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    let name = "outbound_tasks_schedule_failures_total ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_many_tenants_is_one_line() {
    let dir = TempDir::new();
    let postgres = Embedded::start(&dir.0, Durability::Durable).await.unwrap();
    let database = Database::on(&postgres).await;
    for tenant in TENANTS {
        database.succeed(&["tenants", "create", tenant], b"").await;
        // They are due at once.
        database.add_tasks(tenant, 1).await;
    }
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
            $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '57014'; END $$; \
        CREATE TRIGGER refuse BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION refuse()";
    database.execute(refuse).await;
    let program = Process::serve(&database, &["--scheduler"]).await;
    // Each tenant has failed several times.
    let turns = 4 * TENANTS.len() as u64;
    let failed = async || failures(&program).await >= turns;
    eventually("the turns fail", PATIENCE, failed).await;
    let log = program.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(LATE)).collect();
    assert_eq!(lines.len(), 1, "{log}");
    let wanted = ["the database ended the statement", "not now", "tenants=1"];
    assert!(wanted.iter().all(|part| lines[0].contains(part)), "{log}");

    // While the database is away, nothing is logged twice.
    eventually_ready(&program, "ready\n").await;
    let before = program.log().len();
    postgres.stop().await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let log = program.log()[before..].to_owned();
    let warnings = warnings(&log);
    assert!(!warnings.is_empty(), "{log}");
    assert!(
        warnings.values().all(|count| *count == 1),
        "{warnings:#?}\n{log}"
    );
    let postgres = Embedded::start(&dir.0, Durability::Durable).await.unwrap();
    eventually_ready(&program, "ready\n").await;
    drop(program);
    postgres.stop().await.unwrap();
}
