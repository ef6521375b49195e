//! Cached lists whatever happens to PostgreSQL, and calls that share checks and errors.

use std::time::Duration;

use chrono::TimeDelta;
use outbound_tasks::{
    app::Retention,
    embedded::{Durability, Embedded},
    pb::TaskAction,
};
use tokio::task::JoinSet;

use crate::support::{
    PATIENCE, TempDir,
    client::{Client, new_task},
    compared::Compared,
    database::Database,
    eventually,
    process::kill,
    server::Server,
};

/// A PostgreSQL that the test stops, and what it holds.
struct Own {
    dir: TempDir,
    postgres: Embedded,
    compared: Compared,
}

impl Own {
    async fn start(durability: Durability) -> Self {
        let dir = TempDir::new();
        let postgres = Embedded::start(&dir.0, durability).await.unwrap();
        let compared = Compared::on(Database::on(&postgres).await).await;
        compared.client.create(new_task("a", &["c1"])).await;
        compared.assert_cached("at first").await;
        Self {
            dir,
            postgres,
            compared,
        }
    }
}

/// The connections of both services to a server that was stopped are closed; each is noticed by a call.
async fn reconnect(compared: &Compared) {
    for server in [&compared.cached, &compared.plain] {
        let lists = || async {
            let answers = (0..20).map(|_| async { server.http().list("limit=1").await.status });
            let answers = futures_util::future::join_all(answers).await;
            answers.iter().all(|status| *status == 200)
        };
        eventually("it is connected", PATIENCE, lists).await;
    }
}

/// Changes that the log holds no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_trimmed_says_nothing() {
    // A server of its own: open transactions of other tests would delay the deletion.
    let Own {
        compared,
        postgres,
        dir: _dir,
    } = Own::start(Durability::Throwaway).await;
    let trim = async || {
        let none = Retention {
            audit: TimeDelta::days(1),
            watch: TimeDelta::zero(),
        };
        compared.plain.app.clean(none).await.unwrap();
        let count = "SELECT count(*) FROM task_log";
        let client = compared.plain.database.client().await;
        let left: i64 = client.query_one(count, &[]).await.unwrap().get(0);
        assert_eq!(left, 0);
    };
    trim().await;
    compared.assert_cached("an empty log").await;
    // Between two reads of the service, a change comes and its entry goes.
    compared.plain_client.acted(TaskAction::Start, "a").await;
    trim().await;
    compared.assert_cached("an empty log again").await;
    drop(compared);
    postgres.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgresql_hides_nothing() {
    let mut own = Own::start(Durability::Durable).await;
    for signal in ["INT", "QUIT"] {
        kill(own.postgres.pid(), signal);
        // A server that was stopped by QUIT does not exit cleanly.
        let _ = own.postgres.stop().await;
        own.postgres = Embedded::start(&own.dir.0, Durability::Durable)
            .await
            .unwrap();
        // Before the service notices.
        let database = &own.compared.cached.database;
        database
            .execute(&format!("UPDATE tasks SET name = 'gold {signal}'"))
            .await;
        reconnect(&own.compared).await;
        own.compared.assert_cached(signal).await;
    }
    drop(own.compared);
    own.postgres.stop().await.unwrap();
}

/// A failover leads to a new timeline. What was changed there before it took calls may be in no log: here because the
/// triggers were off.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_timeline_empties_the_cache() {
    let own = Own::start(Durability::Durable).await;
    let before = own.compared.figures();
    own.postgres.stop().await.unwrap();
    let cluster = own.dir.0.join("cluster");
    let append = |file: &str, text: &str| {
        let path = cluster.join(file);
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, old + text).unwrap();
    };
    append("recovery.signal", "");
    append("postgresql.auto.conf", "restore_command = 'false'\n");
    let postgres = Embedded::start(&own.dir.0, Durability::Durable)
        .await
        .unwrap();
    let client = own.compared.cached.database.client().await;
    let timeline = "SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)";
    let promoted = async || match client.query_one(timeline, &[]).await {
        Ok(row) => row.get::<_, String>(0) == "00000002",
        Err(_) => false,
    };
    eventually("the server is promoted", PATIENCE, promoted).await;
    client
        .batch_execute("SET session_replication_role = replica; UPDATE tasks SET name = 'gold b'")
        .await
        .unwrap();
    reconnect(&own.compared).await;
    own.compared.assert_cached("the new timeline").await;
    assert!(own.compared.figures().misses > before.misses);
    drop(own.compared);
    postgres.stop().await.unwrap();
}

/// Callers at rest share checks.
#[tokio::test(flavor = "multi_thread")]
async fn one_check_serves_all_that_wait() {
    let server = Server::start().await;
    Client::new(&server).await.create(new_task("a", &[])).await;
    let http = server.http();
    assert_eq!(http.list("").await.status, 200);
    assert_eq!(http.list("").await.status, 200);
    let lock = server.database.client().await;
    lock.batch_execute("BEGIN; LOCK TABLE task_log IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let before = server.app.list_cache();
    let mut calls = JoinSet::new();
    for number in 0..40 {
        let http = server.http();
        // Some end while the check is under way, the one that sent it among them.
        let headers = [("x-api-key", server.key.clone())];
        calls.spawn(async move {
            let headers = headers.each_ref().map(|(name, value)| (*name, &**value));
            let sent = http.try_send(http::Method::GET, "/api/v1/outboundtasks", &headers, vec![]);
            match number % 2 {
                0 => tokio::time::timeout(Duration::from_millis(300), sent)
                    .await
                    .ok(),
                _ => Some(sent.await),
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    lock.batch_execute("ROLLBACK").await.unwrap();
    let mut answered = 0;
    while let Some(call) = calls.join_next().await {
        if let Some(answer) = call.unwrap() {
            assert_eq!(answer.unwrap().status, 200);
            answered += 1;
        }
    }
    assert_eq!(answered, 20);
    let after = server.app.list_cache();
    assert!(after.checks - before.checks <= 3, "{before:?} {after:?}");
    assert!(after.hits - before.hits >= 20, "{before:?} {after:?}");
    assert_eq!(after.misses, before.misses);
}

/// A check that fails fails for all that wait for it, with an error after which they can try again.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_reaches_all_that_wait() {
    let server = Server::start().await;
    Client::new(&server).await.create(new_task("a", &[])).await;
    for table in ["task_log", "tasks"] {
        // The list of the second round is read anew, from the locked tasks.
        let sql = "UPDATE tasks SET progress = progress + 1";
        for _ in 0..3 {
            assert_eq!(server.http().list("").await.status, 200);
        }
        let lock = server.database.client().await;
        let lock_table = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        if table == "tasks" {
            server.database.execute(sql).await;
        }
        lock.batch_execute(&lock_table).await.unwrap();
        let mut calls = JoinSet::new();
        for _ in 0..3 {
            let http = server.http();
            calls.spawn(async move { http.list("").await });
        }
        let asking = server.database.client().await;
        let waiting = async || server.database.count_waiting(&asking).await > 0;
        eventually("a statement waits", PATIENCE, waiting).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 \
            AND wait_event_type = 'Lock' AND query NOT LIKE '%task_counts_fold%'";
        while !calls.is_empty() {
            asking
                .query(end, &[&server.database.application])
                .await
                .unwrap();
            let ended = tokio::time::timeout(Duration::from_millis(50), calls.join_next()).await;
            if let Ok(Some(call)) = ended {
                let answer = call.unwrap();
                assert_eq!(answer.status, 503, "{table}: {}", answer.json());
                assert!(!answer.header("retry-after").is_empty());
            }
        }
        lock.batch_execute("ROLLBACK").await.unwrap();
        let lists = async || server.http().list("").await.status == 200;
        eventually("it lists", PATIENCE, lists).await;
    }
}
