//! What promtool thinks of the answer of `/metrics`.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use http::Method;

use crate::support::{database::Database, http::Http, process::Process};

/// Prometheus asks for OpenMetrics, and promtool reads the older text format: there a counter has the suffix `_total` in its
/// TYPE line too, an info is a gauge, and there is no UNIT.
fn to_text_format(open_metrics: &str) -> String {
    let mut text = String::new();
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        let parts = (words.next(), words.next(), words.next(), words.next());
        let kind = |name: &str| {
            let of = format!("# TYPE {name} ");
            let found = open_metrics
                .lines()
                .find_map(|line| line.strip_prefix(&*of));
            found.unwrap().to_owned()
        };
        match parts {
            (Some("#"), Some("EOF" | "UNIT"), ..) => continue,
            (Some("#"), Some(what), Some(name), Some(rest)) => {
                let (suffix, instead) = match &*kind(name) {
                    "counter" => ("_total", rest),
                    "info" => ("_info", if what == "TYPE" { "gauge" } else { rest }),
                    _ => ("", rest),
                };
                text += &format!("# {what} {name}{suffix} {instead}\n");
            }
            _ => text += &format!("{line}\n"),
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_has_nothing_to_say_about_the_metrics() {
    let database = Database::new().await;
    let program = Process::serve(&database, &["--scheduler"]).await;
    Http::new(program.address, "").list("").await;
    let admin = Http::new(program.admin, "");
    let answer = admin.send(Method::GET, "/metrics", &[], Vec::new()).await;
    let metrics = to_text_format(std::str::from_utf8(&answer.body).unwrap());
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing: install the Debian package prometheus");
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(metrics.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        output.status.success() && said.is_empty(),
        "{said}\n{metrics}"
    );
}
