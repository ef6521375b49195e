//! The settings file: below flags and the environment, and with errors that name the line. `config check` shows what is in
//! effect.

use std::process::{Command, Output};

use crate::support::{TempDir, database::Database, database::program, process::Process};

const URL: &str = "postgresql://tasks:s3cret@db.example.com/tasks";

/// A file of settings, in a folder of its own.
struct File {
    _folder: TempDir,
    path: String,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = TempDir::new();
        let path = folder.0.join("settings.toml");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        Self {
            _folder: folder,
            path,
        }
    }

    /// `config check` with this file.
    fn check(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .args(["config", "check", "--config", &self.path])
            .args(arguments);
        command
    }
}

fn out(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    let texts = [out, err].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{texts:?}");
    texts[0].clone()
}

/// The first line of what a wrong use says.
fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("s3cret"), "{said}");
    said.lines().next().unwrap().to_owned()
}

#[test]
fn flags_win_over_variables_and_these_over_the_file() {
    let file = File::new(&format!(
        "# a comment\n\
         database-url = {URL:?}\n\
         pool-size = 20\n\
         max-exports = 5\n\
         max-watches = 1_000\n\
         scheduler = true\n\
         cors-origin = [\"https://a.example\", \"https://b.example\"]\n\
         trusted-proxies = \"10.0.0.0/8\"\n\
         log = \"debug\"\n"
    ));
    let mut check = file.check(&["--pool-size", "30", "--log=error"]);
    check
        .env("OUTBOUND_TASKS_POOL_SIZE", "25")
        .env("OUTBOUND_TASKS_MAX_EXPORTS", "6");
    let shown = out(&check.output().unwrap());
    let path = &file.path;
    for line in [
        "pool-size = 30 # flag".to_owned(),
        "log = \"error\" # flag".to_owned(),
        "max-exports = 6 # environment variable OUTBOUND_TASKS_MAX_EXPORTS".to_owned(),
        format!("max-watches = 1000 # {path}:5"),
        format!("scheduler = true # {path}:6"),
        format!("cors-origin = [\"https://a.example\", \"https://b.example\"] # {path}:7"),
        format!("trusted-proxies = [\"10.0.0.0/8\"] # {path}:8"),
        "request-timeout = \"5s\" # default".to_owned(),
        "require-row-security = false # default".to_owned(),
        "# tls-cert is not set".to_owned(),
        "# key-rate is not set, so it is 1000000/10s".to_owned(),
        "# tenant-cost is not set, so it is off".to_owned(),
        "# max-connections-per-address is not set, so it is 5000".to_owned(),
        format!("# database-url is set, and hidden # {path}:2"),
        "# the database: db.example.com:5432; database tasks, user tasks, sslmode=prefer, with a password"
            .to_owned(),
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("s3cret"), "{shown}");
    // What it prints is a settings file again; the secret and the flags come from elsewhere.
    let again = File::new(&shown);
    let mut check = again.check(&["--database-url", URL]);
    let shown = out(&check.output().unwrap());
    assert!(shown.contains("pool-size = 30 # /"), "{shown}");
}

/// A URL with a user is refused, and not shown either.
#[test]
fn the_password_of_a_collector_is_not_shown() {
    let file = File::new("");
    let endpoint = "--otel-exporter-otlp-endpoint=http://user:s3cret@collector.example:4317/";
    let mut check = file.check(&[endpoint, "--database-url", URL]);
    let output = check.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let hidden = "# otel-exporter-otlp-endpoint is set, and hidden # flag";
    assert!(shown.lines().any(|line| line == hidden), "{shown}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("without a user"), "{said}");
    assert!(
        !format!("{shown}{said}").contains("s3cret"),
        "{shown}{said}"
    );
}

/// A list on the command line replaces that of the file.
#[test]
fn a_list_is_not_merged() {
    let file = File::new("cors-origin = [\"https://a.example\"]\n");
    let mut check = file.check(&["--cors-origin=https://c.example", "--database-url", URL]);
    let shown = out(&check.output().unwrap());
    assert!(
        shown.contains("cors-origin = [\"https://c.example\"] # flag\n"),
        "{shown}"
    );
}

#[test]
fn an_error_names_the_line() {
    for (text, wanted) in [
        (
            "listen = \"127.0.0.1:80\"\npool_size = 9",
            ":2: unknown setting pool_size; its name is pool-size",
        ),
        ("\ncolour = 1", ":2: unknown setting colour"),
        // A setting of other commands.
        ("url = \"http://x\"", ":1: unknown setting url"),
        ("[serve]\npool-size = 9", ":1: unknown setting serve"),
        ("scheduler = \"yes\"", ":1: scheduler must be true or false"),
        (
            "\n\npool-size = 1.5",
            ":3: pool-size must be a string or a whole number",
        ),
        (
            "pool-size = [1]",
            ":1: pool-size must be a string or a whole number",
        ),
        (
            "cors-origin = [true]",
            ":1: cors-origin must be a list of strings",
        ),
        (
            "max-exports = 3\npool-size = 2",
            ":2: invalid value '2' for '--pool-size <POOL_SIZE>': 2 is not in 4..=1000",
        ),
        (
            "request-timeout = 5",
            ":1: invalid value '5' for '--request-timeout <REQUEST_TIMEOUT>': time unit needed",
        ),
        (
            "log-format = \"xml\"",
            ":1: invalid value 'xml' for '--log-format",
        ),
        (
            "listen = \"1.2.3:80\"",
            ":1: invalid value '1.2.3:80' for '--listen",
        ),
        ("log = \"a\"\nlog = \"b\"", ":2: duplicate key"),
        ("pool-size 9", ":1: "),
    ] {
        let file = File::new(text);
        for command in [&["config", "check"][..], &["serve"], &["migrate"]] {
            let mut program = program();
            program.args(command).args(["--config", &file.path]);
            let is_used = command != ["migrate"] || !wanted.contains("--");
            if !is_used || wanted.contains("--log") && command != ["serve"] {
                continue; // a value of a setting that the command does not have
            }
            program.env("DATABASE_URL", URL);
            let said = refused(program);
            let wanted = format!("error: {}{wanted}", file.path);
            assert!(said.starts_with(&wanted), "{text}: {said}\n{wanted}");
        }
    }
    let mut missing = program();
    missing.args(["serve", "--config", "/nowhere.toml"]);
    let said = refused(missing);
    assert!(
        said.starts_with("error: the settings file /nowhere.toml cannot be read: No such file"),
        "{said}"
    );
    let mut endless = program();
    endless.args(["serve", "--config", "/dev/zero"]);
    let said = refused(endless);
    assert!(
        said.contains("/dev/zero cannot be read: it is larger than 1 MiB"),
        "{said}"
    );
    // The limit is within a character.
    let large = File::new(&"é".repeat(1 << 20));
    let said = refused(large.check(&[]));
    assert!(said.contains("it is larger than 1 MiB"), "{said}");
}

/// Rules about several settings hold for those of a file too.
#[test]
fn settings_are_checked_together() {
    for (text, wanted) in [
        (
            "listen = \"0.0.0.0:8080\"\nadmin-listen = \"127.0.0.1:8080\"",
            "outbound-tasks: --listen 0.0.0.0:8080 and --admin-listen 127.0.0.1:8080 take the same port",
        ),
        (
            "request-timeout = \"1h\"",
            "outbound-tasks: --request-timeout must not be longer than --max-request-timeout",
        ),
        (
            "request-timeout = \"25d\"\nmax-request-timeout = \"25d\"",
            "outbound-tasks: --max-request-timeout must not be longer than 24d",
        ),
        (
            "tls-cert = \"/etc/tls.pem\"",
            "error: the following required arguments were not provided:",
        ),
    ] {
        let file = File::new(text);
        let said = refused(file.check(&["--database-url", URL]));
        assert!(said.starts_with(wanted), "{text}: {said}");
    }
    // The port of IPv4 and the one of IPv6 are two.
    let file = File::new("listen = \"0.0.0.0:8080\"\nadmin-listen = \"[::1]:8080\"");
    out(&file.check(&["--database-url", URL]).output().unwrap());
    for (text, wanted) in [
        (
            "listen = \"no-such-host.invalid:80\"",
            "cannot listen on no-such-host.invalid:80",
        ),
        (
            "tls-cert = \"/nowhere.pem\"\ntls-key = \"/nowhere.key\"",
            "/nowhere.pem cannot be used for TLS: No such file",
        ),
    ] {
        let file = File::new(text);
        let output = file.check(&["--database-url", URL]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let wanted = format!("outbound-tasks: {wanted}");
        assert!(said.starts_with(&wanted), "{said}");
    }
}

/// Where a command sends tasks, and how: the file's database counts unless flags or variables say where.
#[test]
fn the_database_of_the_file_gives_way_to_a_service() {
    let file = File::new("database-url = \"postgresql://u@127.0.0.1:1/db?connect_timeout=1\"");
    let import = |arguments: &[&str]| {
        let mut command = program();
        command
            .args(["import", "/dev/null", "--tenant=t", "--config", &file.path])
            .args(arguments);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = import(&[]);
    assert!(said.contains("127.0.0.1:1"), "{said}");
    let said = import(&["--url=http://127.0.0.1:2", "--api-key=k"]);
    assert!(said.contains("127.0.0.1:2"), "{said}");
}

/// The service itself reads the file, and listens on a host name.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_runs_from_a_file_and_listens_on_a_name() {
    let database = Database::new().await;
    let file = File::new("log-format = \"text\"\nmax-exports = 7\n");
    let arguments = ["--config", &file.path];
    let program = Process::serve_at(&database, "localhost:0", &arguments).await;
    assert!(program.address.ip().is_loopback(), "{}", program.address);
    let log = program.log();
    assert!(log.contains(" 7 for exports"), "{log}");
}
