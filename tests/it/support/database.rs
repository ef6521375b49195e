//! One throw-away PostgreSQL for all tests, a schema for each.

use std::{
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

use outbound_tasks::{
    app::App,
    db::DbOptions,
    embedded::{Durability, Embedded},
};

/// The server's URL. It is started once and lives in a thread that never ends; when this process does, in whatever
/// way, the server goes too and takes its files along.
static SERVER: LazyLock<String> = LazyLock::new(|| {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(start_server());
        sender.send(server.url("postgres")).unwrap();
        loop {
            std::thread::park();
        }
    });
    receiver.recv().unwrap()
});

/// Starts in the first place that no other run of the tests holds.
async fn start_server() -> Embedded {
    for place in 1.. {
        let dir = format!("{}/postgres-{place}", env!("CARGO_TARGET_TMPDIR"));
        match Embedded::start(dir.as_ref(), Durability::Throwaway).await {
            Ok(server) => return server,
            Err(error) => assert!(place < 8, "{error}"),
        }
    }
    unreachable!("the places are endless")
}

/// A migrated schema of its own, with no tenant in it.
pub struct Database {
    pub url: String,
    pub schema: String,
}

impl Database {
    pub async fn new() -> Self {
        let database = Self::empty().await;
        let app = App::new(&database.options()).unwrap();
        app.db().migration_run().await.unwrap();
        database
    }

    /// A schema without a table.
    pub async fn empty() -> Self {
        let server = tokio::task::spawn_blocking(|| SERVER.clone())
            .await
            .unwrap();
        let schema = format!("t{}", uuid::Uuid::now_v7().simple());
        let url = format!("{server}&options=-csearch_path%3D{schema}");
        let database = Self { url, schema };
        database
            .execute(&format!("CREATE SCHEMA {}", database.schema))
            .await;
        database
    }

    pub fn options(&self) -> DbOptions {
        DbOptions {
            url: self.url.clone(),
            pool_size: 4,
            statement_timeout: None,
        }
    }

    /// A connection that is not the service's.
    pub async fn client(&self) -> tokio_postgres::Client {
        let connected = tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.unwrap();
        tokio::spawn(connection);
        client
    }

    pub async fn execute(&self, sql: &str) {
        self.client().await.batch_execute(sql).await.unwrap();
    }

    /// Runs the program on this database, with `input` as its standard input.
    pub async fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        use std::io::Write;
        let mut command = program();
        command.args(arguments).env("DATABASE_URL", &self.url);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let input = input.to_vec();
        tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            // A program that does not read its input closes the pipe; that is no failure of the test.
            let mut stdin = child.stdin.take().unwrap();
            let writer = std::thread::spawn(move || stdin.write_all(&input));
            let output = child.wait_with_output().unwrap();
            let _ = writer.join().unwrap();
            output
        })
        .await
        .unwrap()
    }

    /// Runs the program, which must succeed; answers its standard output.
    pub async fn succeed(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.run(arguments, input).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The program, with none of the environment's own settings.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outbound-tasks"));
    for (name, _) in std::env::vars() {
        if name.starts_with("OUTBOUND_TASKS_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command
}
