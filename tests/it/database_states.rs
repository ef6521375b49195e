//! A database that takes no writes: reads are answered, writes get an error that asks for a retry, the operator gets
//! one log line. And the reason why there is no connection is in the log and in /readyz, also while the service runs.

use std::{collections::HashSet, time::Duration};

use http::Method;
use outbound_tasks::{
    embedded::{Durability, Embedded},
    pb::{CreateOutboundTaskRequest, outbound_task_service_client::OutboundTaskServiceClient},
};
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_types::StatusExt;

use crate::support::{
    PATIENCE, TempDir,
    client::{Client, new_task},
    database::Database,
    eventually,
    http::Http,
    keys,
    process::Process,
    watch::{Picture, Watch},
    wire::{Caller, WIRES},
};

const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LIMITED: &str = "ready, with limits: read-only: the database takes no writes\n";

async fn ready(program: &Process) -> (u16, String) {
    let admin = Http::new(program.admin, "");
    let answer = admin.send(Method::GET, "/readyz", &[], Vec::new()).await;
    let text = String::from_utf8(answer.body).unwrap();
    (answer.status.as_u16(), text)
}

pub(crate) async fn eventually_ready(program: &Process, wanted: &str) {
    let is = async || ready(program).await == (200, wanted.to_owned());
    eventually(wanted, PATIENCE, is).await;
}

pub(crate) async fn client(program: &Process, key: &str) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{}", program.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    Client::on(OutboundTaskServiceClient::new(channel), key)
}

pub(crate) async fn create(client: &Client, id: &str) -> Result<(), Status> {
    let message = CreateOutboundTaskRequest {
        task: Some(new_task(id, &[])),
        idempotency_key: String::new(),
        ..Default::default()
    };
    client.create_outbound_task(message).await.map(drop)
}

pub(crate) fn assert_read_only(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let message = "the database takes no writes now; lists and other reads are answered";
    assert_eq!(status.message(), message);
    let details = status.get_error_details();
    assert!(details.retry_info().is_some(), "{status:?}");
    let reason = &details.error_info().unwrap().reason;
    assert_eq!(reason, "DATABASE_READ_ONLY");
}

pub(crate) async fn assert_lists(program: &Process, key: &str) {
    let caller = Caller::new(program.address);
    // More calls than there are connections.
    for wire in WIRES.repeat(4) {
        let answer = caller.list(wire, &[("x-api-key", key)]).await;
        assert_eq!(answer.code, Code::Ok, "{wire:?}: {answer:?}");
    }
}

pub(crate) async fn with_key(postgres: &Embedded) -> (Database, String) {
    let database = Database::on(postgres).await;
    database.succeed(&["tenants", "create", "demo"], b"").await;
    database.add_tasks("demo", 5).await;
    let key = keys::create(&database, "read,write", &[]).await;
    (database, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_database_answers_reads() {
    let dir = TempDir::new();
    let postgres = Embedded::start(&dir.0, Durability::Durable).await.unwrap();
    let (database, key) = with_key(&postgres).await;
    let program = Process::serve(&database, &["--scheduler"]).await;
    eventually_ready(&program, "ready\n").await;
    let client = client(&program, &key).await;
    let admin = database.client().await;
    admin
        .batch_execute("SET default_transaction_read_only = off")
        .await
        .unwrap();
    let reload = "SELECT pg_reload_conf()";
    for (n, [on, off]) in [
        // Existing sessions follow this setting,
        [
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "ALTER SYSTEM RESET default_transaction_read_only",
        ],
        // and only new sessions follow this one.
        [
            "ALTER DATABASE postgres SET default_transaction_read_only = on",
            "ALTER DATABASE postgres RESET default_transaction_read_only",
        ],
    ]
    .into_iter()
    .enumerate()
    {
        // The settings reach one connection after the other.
        let written = async || create(&client, &format!("before{n}")).await.is_ok();
        eventually("it is written before", PATIENCE, written).await;
        let logged = program.log().len();
        admin.batch_execute(on).await.unwrap();
        admin.batch_execute(reload).await.unwrap();
        // Existing connections keep the old value, so they are closed here and replaced.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'public' \
            AND pid <> pg_backend_pid()";
        admin.batch_execute(end).await.unwrap();
        eventually_ready(&program, LIMITED).await;
        for _ in 0..20 {
            assert_read_only(&create(&client, "never").await.unwrap_err());
        }
        assert_lists(&program, &key).await;
        let channel = Endpoint::from_shared(format!("http://{}", program.address)).unwrap();
        let mut health = HealthClient::new(channel.connect().await.unwrap());
        let asked = health.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(asked.into_inner().status, 1);
        // Calls that only read continue, including a watch.
        let watched = async || {
            let request = Picture::default().request();
            let Ok(mut watch) = Watch::begin(program.address, &key, request).await else {
                return false;
            };
            matches!(watch.next().await, Ok(Some(first)) if !first.changes.is_empty())
        };
        eventually("a watch begins", PATIENCE, watched).await;
        let output = database.run(&["tenants", "create", "other"], b"").await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("the database takes no writes now"), "{said}");
        // Workers have tried several times by now, but there is one log line.
        tokio::time::sleep(3 * SECOND).await;
        let log = program.log()[logged..].to_owned();
        let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
        let reported = warnings
            .iter()
            .filter(|line| line.contains("read-only: the database takes no writes"));
        assert_eq!(reported.count(), 1, "{log}");
        // The others are about the closed connections and the refused calls, and none is repeated.
        let message = |line: &&str| {
            let text = line.rsplit_once(" outbound_tasks::").unwrap().1;
            text.split('=').next().unwrap().to_owned()
        };
        let different: HashSet<String> = warnings.iter().map(message).collect();
        assert_eq!(different.len(), warnings.len(), "{log}");
        admin.batch_execute(off).await.unwrap();
        admin.batch_execute(reload).await.unwrap();
        eventually_ready(&program, "ready\n").await;
        let written = async || {
            let id = format!("after{n}");
            match create(&client, &id).await {
                Ok(()) => true,
                Err(status) => {
                    assert_read_only(&status);
                    false
                }
            }
        };
        eventually("it is written again", PATIENCE, written).await;
    }
    drop(program);
    postgres.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported_while_it_lasts() {
    let database = Database::demo().await;
    let key = keys::create(&database, "read,write", &[]).await;
    let program = Process::serve(&database, &[]).await;
    eventually_ready(&program, "ready\n").await;
    let client = client(&program, &key).await;
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            RAISE EXCEPTION 'magnetic drum overflow' USING ERRCODE = '53100'; END $$; \
        CREATE TRIGGER full_disk BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION full_disk()";
    database.execute(full).await;
    for _ in 0..20 {
        let status = create(&client, "t").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
    eventually_ready(
        &program,
        "ready, with limits: the database's disk is full\n",
    )
    .await;
    assert_lists(&program, &key).await;
    let log = program.log();
    let reported = log
        .lines()
        .filter(|line| line.contains("magnetic drum overflow"));
    assert_eq!(reported.count(), 1, "{log}");
    database.execute("DROP TRIGGER full_disk ON tasks").await;
    create(&client, "t").await.unwrap();
    eventually_ready(&program, "ready\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_failed_connection_is_reported_at_run_time() {
    let database = Database::demo().await;
    let key = keys::create(&database, "read", &[]).await;
    let schema = &database.application;
    let role = format!("shut_{schema}");
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA {schema} TO {role}; \
             GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"
        ))
        .await;
    let own = Database {
        url: format!("{}&user={role}", database.url),
        application: schema.clone(),
        role: None,
    };
    let program = Process::serve(&own, &[]).await;
    eventually_ready(&program, "ready\n").await;
    let caller = Caller::new(program.address);
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'");
    for (on, off, state, cause) in [
        (
            "CONNECTION LIMIT 0",
            "CONNECTION LIMIT -1",
            "not ready: the database has no connection left for the service (SQLSTATE 53300)\n",
            "too many connections for role",
        ),
        (
            "NOLOGIN",
            "LOGIN",
            "not ready: the database refuses the service's role or names no such database (SQLSTATE 28000)\n",
            "is not permitted to log in",
        ),
    ] {
        let logged = program.log().len();
        let alter = format!("ALTER ROLE {role} {on}");
        database.execute(&alter).await;
        database.execute(&end).await;
        let is = async || ready(&program).await == (503, state.to_owned());
        eventually(state, PATIENCE, is).await;
        for wire in WIRES.repeat(4) {
            let answer = caller.list(wire, &[("x-api-key", &key)]).await;
            assert_eq!(answer.code, Code::Unavailable, "{wire:?}: {answer:?}");
            assert!(answer.retry_after.is_some(), "{wire:?}: {answer:?}");
            // A caller does not see the role or the host.
            assert!(!answer.sent.contains(&role), "{wire:?}: {answer:?}");
        }
        let log = program.log()[logged..].to_owned();
        let reported = log.lines().filter(|line| line.contains(cause));
        assert_eq!(reported.count(), 1, "{log}");
        let alter = format!("ALTER ROLE {role} {off}");
        database.execute(&alter).await;
        eventually_ready(&program, "ready\n").await;
        assert_lists(&program, &key).await;
    }
    drop(program);
    let gone = async || {
        let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
        database.client().await.batch_execute(&drop).await.is_ok()
    };
    eventually("the role is gone", PATIENCE, gone).await;
}
