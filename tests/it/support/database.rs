//! A schema for each test, in one of the databases of a throw-away PostgreSQL that all tests share.
//!
//! Migrating a schema takes 80 ms of processor time, 57 of them in PostgreSQL, which is three in a hundred of what a test
//! takes. Copying a template database takes 30 ms, but dropping the copy again 36 more and a checkpoint that everybody
//! waits for, and autovacuum visits every database: no test gets faster by it.

use std::process::{Command, Output, Stdio};

use tokio::io::AsyncWriteExt;

use outbound_tasks::{
    app::App,
    db::{DbOptions, Password},
    embedded::Embedded,
};

use super::{cluster, tasks::Json};

/// A migrated schema of its own, with no tenant in it.
pub struct Database {
    pub url: String,
    /// The name of its connections, which distinguishes them from those of other tests.
    pub application: String,
    /// The role of the service, if it is not that of `url`, which owns the tables.
    pub role: Option<String>,
}

/// With `ROW_SECURITY=on`, the services of all tests connect as a role that row-level security restricts.
const RESTRICTED: &str = "ROW_SECURITY";

impl Database {
    /// A migrated database.
    pub async fn new() -> Self {
        match std::env::var(RESTRICTED).as_deref() {
            Ok("on") => Self::restricted().await,
            _ => Self::of_owner().await,
        }
    }

    /// The same with a tenant `demo`.
    pub async fn demo() -> Self {
        let database = Self::new().await;
        database.succeed(&["tenants", "create", "demo"], b"").await;
        database
    }

    /// A migrated database; services connect as the owner of the tables, whatever the environment says.
    pub async fn of_owner() -> Self {
        let database = Self::empty().await;
        let app = App::new(&database.options()).unwrap();
        app.migration_run().await.unwrap();
        database
    }

    /// The same; services connect as a role that row-level security restricts. Commands and the SQL of the test do not.
    pub async fn restricted() -> Self {
        let mut database = Self::of_owner().await;
        let role = format!("service_{}", database.application);
        database.execute(&format!("CREATE ROLE {role} LOGIN")).await;
        let app = App::new(&database.options()).unwrap();
        app.grant_to(&role).await.unwrap();
        database.role = Some(role);
        database
    }

    /// The tasks of a tenant as its export has them, in the order of their ids.
    pub async fn exported(&self, tenant: &str) -> Vec<Json> {
        let export = ["export", "--tenant", tenant, "--order-by=task_id"];
        let lines = self.succeed(&export, b"").await;
        let tasks = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        tasks.collect()
    }

    /// The URL that a service connects with.
    pub fn service_url(&self) -> String {
        match &self.role {
            // The last of two parameters counts.
            Some(role) => format!("{}&user={role}", self.url),
            None => self.url.clone(),
        }
    }

    /// The same, but its PostgreSQL's clock is off by `offset` (an interval, as `-3 years`) from this machine's. Its own
    /// functions stand before PostgreSQL's in the search path, and migrations bind to them too.
    pub async fn with_clock(offset: &str) -> Self {
        let mut database = Self::empty().await;
        for clock in ["now", "statement_timestamp", "clock_timestamp"] {
            database
                .execute(&format!(
                    "CREATE FUNCTION {clock}() RETURNS timestamptz LANGUAGE sql STABLE
                     AS $$ SELECT pg_catalog.{clock}() + interval '{offset}' $$"
                ))
                .await;
        }
        let schema = &database.application;
        let path = format!("search_path%3D{schema}");
        database.url = database.url.replace(&path, &format!("{path},pg_catalog"));
        let app = App::new(&database.options()).unwrap();
        app.migration_run().await.unwrap();
        database
    }

    /// All of a PostgreSQL that the test stops and starts itself.
    pub async fn on(server: &Embedded) -> Self {
        let database = Self {
            url: server.url("postgres") + "&application_name=public",
            application: "public".to_owned(),
            role: None,
        };
        let app = App::new(&database.options()).unwrap();
        app.migration_run().await.unwrap();
        database
    }

    /// The same, with another name for the connections made by it.
    pub fn named(&self, name: &str) -> Self {
        Self {
            url: format!("{}&application_name={name}", self.url),
            application: name.to_owned(),
            role: self.role.clone(),
        }
    }

    /// A schema without a table.
    pub async fn empty() -> Self {
        let database = tokio::task::spawn_blocking(cluster::random_database)
            .await
            .unwrap();
        let schema = format!("t{}", uuid::Uuid::now_v7().simple());
        let url = format!("{database}&options=-csearch_path%3D{schema}&application_name={schema}");
        let schema = Self {
            url,
            application: schema,
            role: None,
        };
        let create = format!("CREATE SCHEMA {}", schema.application);
        schema.execute(&create).await;
        schema
    }

    /// The options of a service.
    pub fn options(&self) -> DbOptions {
        DbOptions {
            url: self.service_url(),
            password: Password::None,
            pool_size: 4,
            exports: 4,
            statement_timeout: None,
        }
    }

    /// The application as commands have it, which connect as the owner.
    pub fn operator(&self) -> App {
        App::new(&DbOptions {
            url: self.url.clone(),
            ..self.options()
        })
        .unwrap()
    }

    /// A connection that is not the service's.
    pub async fn client(&self) -> tokio_postgres::Client {
        self.try_client().await.unwrap()
    }

    pub async fn try_client(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let connected = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await;
        let (client, connection) = connected?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    /// Gives `tenant` this many tasks, named t1, t2, ….
    pub async fn add_tasks(&self, tenant: &str, count: u32) {
        let columns = "tenant_id, task_id, name, start_time, end_time, status, progress, created_at, updated_at, target_count, target";
        let values =
            format!("'{tenant}', 't' || n, 'task', now(), now(), 1, 0, now(), now(), 0, '{{}}'");
        self.execute(&format!(
            "INSERT INTO tasks ({columns}) SELECT {values} FROM generate_series(1, {count}) n"
        ))
        .await;
    }

    /// Makes every list wait, until the client is dropped.
    pub async fn lock_tasks(&self) -> tokio_postgres::Client {
        let client = self.client().await;
        let lock = "BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE";
        client.batch_execute(lock).await.unwrap();
        client
    }

    /// How many of its connections are as `condition` on pg_stat_activity says, the asking one aside.
    pub async fn count_backends(&self, asking: &tokio_postgres::Client, condition: &str) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid() AND {condition}"
        );
        let row = asking.query_one(&sql, &[&self.application]).await.unwrap();
        row.get(0)
    }

    /// How many statements of calls wait for a lock. The workers that compact, count what waits and store points of
    /// progress may wait too.
    pub async fn count_waiting(&self, asking: &tokio_postgres::Client) -> i64 {
        let waiting = "state = 'active' AND wait_event_type = 'Lock' AND query NOT LIKE '%task_counts_fold%' \
            AND query NOT LIKE '%tenants_waiting%' AND query NOT LIKE '%INSERT INTO task_progress%'";
        self.count_backends(asking, waiting).await
    }

    /// Runs the program on this database, with `input` as its standard input.
    pub async fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = tokio::process::Command::from(program());
        command.args(arguments).env("DATABASE_URL", &self.url);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A test that gives up must not wait for it.
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let write = async move {
            // A program that does not read its input closes the pipe; that is no failure of the test.
            let _ = stdin.write_all(input).await;
        };
        tokio::join!(write, child.wait_with_output()).1.unwrap()
    }

    /// Runs the program, which must succeed; answers its standard output.
    pub async fn succeed(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.run(arguments, input).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The variables of settings that have the names of other programs.
const OTHER_SETTINGS: [&str; 4] = [
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "PGPASSWORD",
    "PGPASSFILE",
];

/// The program, with none of the environment's own settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outbound-tasks"));
    for (name, _) in std::env::vars() {
        if name.starts_with("OUTBOUND_TASKS_")
            || name.starts_with("OTEL_")
            || OTHER_SETTINGS.contains(&&*name)
        {
            command.env_remove(name);
        }
    }
    command
}
