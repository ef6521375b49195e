//! PostgreSQL allows the service fewer connections than its pool may have: the service works with those, and reports
//! which limit applies.

use std::time::Duration;

use http::Method;
use tonic::Code;

use crate::support::{
    PATIENCE,
    database::{Database, program},
    eventually,
    http::Http,
    keys,
    process::Process,
    watch::{Picture, Watch},
    wire::{Caller, Wire},
};

const SECOND: Duration = Duration::from_secs(1);

/// The same database as a role with a connection limit and without a superuser's privileges.
async fn as_role(database: &Database, limit: u32) -> (Database, String) {
    let schema = &database.application;
    let role = format!("r{limit}_{schema}");
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit}"
        ))
        .await;
    database.operator().grant_to(&role).await.unwrap();
    let url = format!("{}&user={role}", database.url);
    let application = schema.clone();
    (
        Database {
            url,
            application,
            role: None,
        },
        role,
    )
}

async fn ready(program: &Process) -> (u16, String) {
    let admin = Http::new(program.admin, "");
    let answer = admin.send(Method::GET, "/readyz", &[], Vec::new()).await;
    let text = String::from_utf8(answer.body).unwrap();
    (answer.status.as_u16(), text)
}

async fn drop_role(database: &Database, role: &str) {
    let gone = async || {
        let dropped = format!("DROP OWNED BY {role}; DROP ROLE {role}");
        let client = database.client().await;
        client.batch_execute(&dropped).await.is_ok()
    };
    eventually("the role is gone", PATIENCE, gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kept_connections_are_as_many_as_the_flag_says() {
    let database = Database::demo().await;
    let program = Process::serve(&database, &["--pool-size=8"]).await;
    let observer = database.client().await;
    let kept = async || database.count_backends(&observer, "true").await == 8;
    eventually("eight connections are kept", PATIENCE, kept).await;
    eventually("it is ready", PATIENCE, async || {
        ready(&program).await.0 == 200
    })
    .await;
    // Enough time for the workers to open more connections, if they did.
    for _ in 0..20 {
        assert!(database.count_backends(&observer, "true").await <= 8);
        tokio::time::sleep(SECOND / 20).await;
    }
    let log = program.log();
    let reported = "at most 22 database connections: 8 kept open (5 for calls, 3 for the service itself), 4 for exports, \
        4 for watches that begin, 2 for watches that are behind, 4 for uploads of targets";
    assert!(log.contains(reported), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_few_connections_is_served_with_those() {
    let database = Database::demo().await;
    database.add_tasks("demo", 50).await;
    let key = keys::create(&database, "read", &[]).await;
    for limit in [4, 8, 11] {
        let (own, role) = as_role(&database, limit).await;
        let program = Process::serve(&own, &[]).await;
        eventually("it is ready", PATIENCE, async || {
            ready(&program).await.0 == 200
        })
        .await;
        let log = program.log();
        let reported = format!("CONNECTION LIMIT of the role \"{role}\" is {limit}");
        assert!(log.contains(&reported), "{log}");
        let (caller, http) = (
            Caller::new(program.address),
            Http::new(program.address, &key),
        );
        for _ in 0..20 {
            let answer = caller.list(Wire::Grpc, &[("x-api-key", &key)]).await;
            assert_eq!(
                (answer.code, answer.total),
                (Code::Ok, Some(50)),
                "{answer:?}"
            );
        }
        if limit > 4 {
            // Waits until the service's own connections are in the pool.
            let watched = async || {
                let request = Picture::default().request();
                let Ok(mut watch) = Watch::begin(program.address, &key, request).await else {
                    return false;
                };
                matches!(watch.next().await, Ok(Some(first)) if first.changes.len() == 50)
            };
            eventually("a watch begins", PATIENCE, watched).await;
            let export = http.get("/api/v1/outboundtasks:export").await;
            assert_eq!(export.status, 200, "{:?}", String::from_utf8(export.body));
        }
        assert_eq!(ready(&program).await.0, 200);
        drop(program);
        drop_role(&database, &role).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_connections_are_reported_with_numbers() {
    let database = Database::new().await;
    for (limit, wanted) in [
        (
            3,
            "the database gives the service 3 connections but it needs at least 4: 3 for itself and one for calls; ",
        ),
        (
            0,
            "the database has no connection left for the service now: ",
        ),
    ] {
        let (own, role) = as_role(&database, limit).await;
        let mut command = program();
        command
            .args([
                "serve",
                "--listen=127.0.0.1:0",
                "--admin-listen=127.0.0.1:0",
            ])
            .env("DATABASE_URL", &own.url);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(wanted), "{said}");
        let cause = match limit {
            0 => format!("too many connections for role \"{role}\""),
            _ => format!("CONNECTION LIMIT of the role \"{role}\" is {limit}; raise the limit, or"),
        };
        assert!(said.contains(&cause), "{said}");
        drop_role(&database, &role).await;
    }
}
