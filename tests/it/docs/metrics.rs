//! The metrics as Markdown, from the answer of `/metrics` itself.

use std::{collections::BTreeSet, fmt::Write};

use http::Method;

use crate::support::{database::Database, http::Http, keys, process::Process};

#[derive(Default)]
struct Metric {
    name: String,
    help: String,
    kind: String,
    labels: BTreeSet<String>,
}

pub(super) async fn reference(database: &Database) -> String {
    let program = Process::serve(database, &["--key-rate=1/1h"]).await;
    // Some metrics have samples only after a unary call, a stream, or a call that a quota refuses.
    let call = Http::new(program.address, "").list("").await;
    assert_eq!(call.status, 401);
    database.succeed(&["tenants", "create", "demo"], b"").await;
    database.add_tasks("demo", 1).await;
    let key = keys::create(database, "read", &[]).await;
    let http = Http::new(program.address, &key);
    let export = http.get("/api/v1/outboundtasks:export").await;
    assert_eq!(export.status, 200);
    assert_eq!(http.list("").await.status, 429);
    let admin = Http::new(program.admin, "");
    let answer = admin.send(Method::GET, "/metrics", &[], Vec::new()).await;
    let text = String::from_utf8(answer.body).unwrap();

    let mut metrics: Vec<Metric> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            metrics.push(Metric {
                name: name.to_owned(),
                help: help.trim_end_matches('.').to_owned(),
                ..Metric::default()
            });
            continue;
        }
        let metric = metrics.last_mut().unwrap();
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            metric.kind = rest.split_once(' ').unwrap().1.to_owned();
        } else if !line.starts_with('#')
            && let Some((_, labels)) = line.split_once('{')
        {
            let labels = labels.split("=\"").map(|part| {
                let start = part.rfind([',', '"']).map_or(0, |at| at + 1);
                part[start..].to_owned()
            });
            // What follows the last `="` is a value.
            let named = labels.filter(|label| !label.is_empty() && !label.contains([' ', '}']));
            metric.labels.extend(named.filter(|label| label != "le"));
        }
    }
    let mut table = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for metric in metrics {
        let Metric {
            name,
            help,
            kind,
            labels,
        } = metric;
        assert!(!help.is_empty() && !kind.is_empty(), "{name}");
        let name = match &*kind {
            "counter" => format!("`{name}_total`"),
            "info" => format!("`{name}_info`"),
            "histogram" => format!("`{name}_bucket`, `{name}_sum`, `{name}_count`"),
            _ => format!("`{name}`"),
        };
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        writeln!(table, "| {name} | {kind} | {labels} | {help} |").unwrap();
    }
    table
}
