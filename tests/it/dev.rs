//! `outbound-tasks dev`: one command that starts everything. Started twice, after a kill, and in directories with
//! unusual names.

use std::{
    collections::{BTreeSet, HashMap},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use chrono::{DateTime, Utc};

use crate::support::{TempDir, database::program, dev::Dev, http::Http, pages, process::kill};

/// The variables that a shell has after it sourced the file.
fn env(data_dir: &Path) -> HashMap<String, String> {
    let file = data_dir.join("dev.env");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let output = Command::new("sh")
        .args(["-c", "set -a; . \"$0\"; env"])
        .arg(&file)
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|l| l.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

async fn total(env: &HashMap<String, String>) -> i64 {
    let address = env["OUTBOUND_TASKS_URL"]
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let http = Http::new(address, &env["OUTBOUND_TASKS_API_KEY"]);
    http.list("").await.json()["total"].as_i64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_keeps_its_data_and_its_key() {
    let dir = TempDir::new();
    // A nested directory with characters that are special in a shell.
    let data_dir = dir
        .0
        .join("it's a \"deep\" 目录")
        .join("x".repeat(120))
        .join("data");
    std::fs::create_dir_all(data_dir.parent().unwrap()).unwrap();
    let mut dev = Dev::start(&data_dir, &[]);
    let first = env(&data_dir);
    let samples = total(&first).await;
    assert!(samples > 20);
    let (client, connection) =
        tokio_postgres::connect(&first["DATABASE_URL"], tokio_postgres::NoTls)
            .await
            .unwrap();
    tokio::spawn(connection);
    let row = client
        .query_one("SELECT current_setting('listen_addresses')", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "", "no TCP port");

    // After the first, each printed line works as pasted, and none shows the key to other processes.
    let paste = |line: &&String| {
        ["curl ", "grpcurl ", "printf "]
            .iter()
            .any(|start| line.starts_with(start))
            || line.contains("outbound-tasks' list ")
    };
    let source = dev.lines.iter().find(|l| l.starts_with("set -a")).unwrap();
    let pasted: Vec<&String> = dev.lines.iter().filter(paste).collect();
    assert_eq!(pasted.len(), 4, "{:?}", dev.lines);
    for line in pasted {
        assert!(!line.contains(&first["OUTBOUND_TASKS_API_KEY"]), "{line}");
        if !line.starts_with("grpcurl ") {
            let script = format!("{source}\n{line}");
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success() && answer.contains("demo-"),
                "{line}: {answer}"
            );
        }
    }
    assert_eq!(dev.signal("INT"), Some(0));

    let mut dev = Dev::start(&data_dir, &[]);
    let second = env(&data_dir);
    assert_eq!(
        second["OUTBOUND_TASKS_API_KEY"],
        first["OUTBOUND_TASKS_API_KEY"]
    );
    assert_eq!(total(&second).await, samples);

    // A second `dev` on the same data is refused and changes nothing.
    let other = program()
        .args(["dev", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data_dir)
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(total(&second).await, samples);

    assert_eq!(dev.signal("KILL"), None);
    let mut dev = Dev::start(&data_dir, &[]);
    assert_eq!(total(&env(&data_dir)).await, samples);
    assert_eq!(dev.signal("TERM"), Some(0));
}

/// Whenever `dev` starts first, the status of each sample task fits its times.
#[tokio::test(flavor = "multi_thread")]
async fn the_sample_tasks_are_of_today() {
    let dir = TempDir::new();
    let mut dev = Dev::start(&dir.0, &[]);
    let env = env(&dir.0);
    let address = env["OUTBOUND_TASKS_URL"].trim_start_matches("http://");
    let http = Http::new(address.parse().unwrap(), &env["OUTBOUND_TASKS_API_KEY"]);
    let list = http.list("limit=1000").await.json();
    let now: DateTime<Utc> = list["as_of"].as_str().unwrap().parse().unwrap();
    let mut seen = BTreeSet::new();
    for task in list["tasks"].as_array().unwrap() {
        let time = |name: &str| -> DateTime<Utc> { task[name].as_str().unwrap().parse().unwrap() };
        let (start, end) = (time("start_time"), time("end_time"));
        let status = task["status"].as_str().unwrap();
        let fits = match status {
            "pending" => now < start,
            "running" | "paused" => start < now && now < end,
            _ => end < now,
        };
        assert!(fits && start < end, "{now}: {task}");
        let (created, updated) = (time("created_at"), time("updated_at"));
        assert!(created <= updated && updated < now, "{now}: {task}");
        // Those that began have been called.
        let called = task["last_result_at"]
            .as_str()
            .map(|at| at.parse().unwrap());
        let fits = match status {
            "pending" => called.is_none(),
            _ => called.is_some_and(|at: DateTime<Utc>| start <= at && at <= now.min(end)),
        };
        assert!(fits, "{now}: {task}");
        seen.insert(status);
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    assert_eq!(dev.signal("INT"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_loads_a_file_at_its_first_start() {
    let dir = TempDir::new();
    let data_dir = dir.0.join("data");
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/bank_tasks.ndjson.gz"
    );
    let mut dev = Dev::start(&data_dir, &["--tasks", file]);
    assert_eq!(total(&env(&data_dir)).await, 3898);
    assert_eq!(dev.signal("TERM"), Some(0));

    // A file that cannot be loaded fails the start. The next start still counts as the first.
    let data_dir = dir.0.join("other");
    let bad = program()
        .args([
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--tasks",
            "absent.ndjson",
            "--data-dir",
        ])
        .arg(&data_dir)
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("absent.ndjson"));
    let mut dev = Dev::start(&data_dir, &["--tasks", file]);
    assert_eq!(total(&env(&data_dir)).await, 3898);
    assert_eq!(dev.signal("TERM"), Some(0));
}

/// Everything that `dev --tls` prints works as pasted, and its certificate is kept.
#[tokio::test(flavor = "multi_thread")]
async fn dev_serves_over_tls() {
    let dir = TempDir::new();
    let mut dev = Dev::start(&dir.0, &["--tls"]);
    let first = env(&dir.0);
    assert!(first["OUTBOUND_TASKS_URL"].starts_with("https://127.0.0.1:"));
    let authority = Path::new(&first["OUTBOUND_TASKS_CA_FILE"]);
    let certificate = std::fs::read(authority).unwrap();
    assert!(authority.is_absolute());
    let key = std::fs::metadata(dir.0.join("tls/key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let source = dev.lines.iter().find(|l| l.starts_with("set -a")).unwrap();
    let is_curl = |line: &&String| line.contains("curl --cacert ");
    let mut lines: Vec<&str> = dev
        .lines
        .iter()
        .filter(is_curl)
        .map(String::as_str)
        .collect();
    assert_eq!(lines.len(), 2, "{:?}", dev.lines);
    let grpcurl = r#"grpcurl -cacert "$OUTBOUND_TASKS_CA_FILE" "#;
    assert!(dev.lines.iter().any(|line| line.starts_with(grpcurl)));
    lines.push("\"$PROGRAM\" list --limit 1");
    for line in lines {
        let output = Command::new("sh")
            .args(["-c", &format!("{source}\n{line}")])
            .env("PROGRAM", program().get_program())
            .output()
            .unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && answer.contains("demo-"),
            "{line}: {answer} {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(dev.signal("INT"), Some(0));

    let mut dev = Dev::start(&dir.0, &["--tls"]);
    assert!(std::fs::read(authority).unwrap() == certificate);
    assert_eq!(dev.signal("INT"), Some(0));
    // A certificate that no client accepts is replaced.
    std::fs::write(dir.0.join("tls/cert.pem"), &certificate).unwrap();
    let mut dev = Dev::start(&dir.0, &["--tls"]);
    assert!(std::fs::read(authority).unwrap() != certificate);
    assert_eq!(dev.signal("INT"), Some(0));
    let mut dev = Dev::start(&dir.0, &[]);
    assert!(!env(&dir.0).contains_key("OUTBOUND_TASKS_CA_FILE"));
    assert_eq!(dev.signal("INT"), Some(0));
}

/// The names that the pages search for are those of sample tasks, or of tasks that the page itself makes.
#[test]
fn the_names_in_the_documentation_are_those_of_sample_tasks() {
    let samples = include_str!("../../src/cli/sample_tasks.ndjson");
    let mut searches = 0;
    for page in pages::all() {
        let text = std::fs::read_to_string(&page).unwrap();
        let commands = text
            .lines()
            .filter(|line| line.trim_start().starts_with("outbound-tasks list"));
        let mut words = commands.flat_map(str::split_whitespace);
        while let Some(word) = words.next() {
            if word == "--name" {
                let name = words.next().unwrap();
                let of_sample = |line: &str| {
                    let task: serde_json::Value = serde_json::from_str(line).unwrap();
                    let found = task["name"].as_str().unwrap().to_lowercase();
                    found.contains(&name.to_lowercase())
                };
                let of_page = |(_, block): &(usize, String)| {
                    let mut data = block.lines().filter(|line| !line.contains("--name"));
                    data.any(|line| line.to_lowercase().contains(&name.to_lowercase()))
                };
                assert!(
                    samples.lines().any(of_sample)
                        || pages::shell_blocks(&text).iter().any(of_page),
                    "{}: {name}",
                    page.display()
                );
                searches += 1;
            }
        }
    }
    assert!(searches > 0);
}

#[test]
fn without_postgresql_one_sentence_says_what_to_install() {
    let dir = TempDir::new();
    let output = program()
        .args(["dev", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.0.join("data"))
        .env("PG_BINDIR", dir.0.join("nothing"))
        .env("PATH", "")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// `dev` ends with an error when its PostgreSQL is killed, and the next start has all data.
#[tokio::test(flavor = "multi_thread")]
async fn dev_ends_with_its_postgresql() {
    let dir = TempDir::new();
    let mut dev = Dev::start(&dir.0, &[]);
    let before = total(&env(&dir.0)).await;
    let postmaster = dir.0.join("cluster/postmaster.pid");
    let text = std::fs::read_to_string(postmaster).unwrap();
    kill(text.lines().next().unwrap().parse().unwrap(), "KILL");
    assert_eq!(dev.child.wait().unwrap().code(), Some(1));
    let mut dev = Dev::start(&dir.0, &[]);
    assert_eq!(total(&env(&dir.0)).await, before);
    assert_eq!(dev.signal("TERM"), Some(0));
}
