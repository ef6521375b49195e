//! `monitoring/`: the dashboard and the rules name metrics that exist, and each alert has its entry in the runbook. What
//! Prometheus itself thinks of them, `make test-monitoring` shows.

use std::{collections::BTreeSet, fs};

use crate::support::pages;

const FILES: [&str; 3] = [
    "rules/slo.yml",
    "rules/alerts.yml",
    "grafana/outbound-tasks.json",
];

fn read(file: &str) -> String {
    fs::read_to_string(pages::root().join("monitoring").join(file)).unwrap()
}

/// The names in a text that begin with `outbound_tasks_`, each with the character before it.
fn names(text: &str) -> impl Iterator<Item = (Option<char>, String)> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.match_indices("outbound_tasks_").map(move |(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
        (text[..at].chars().next_back(), rest[..end].to_owned())
    })
}

#[test]
fn rules_and_dashboard_name_metrics_that_exist() {
    let page = fs::read_to_string(pages::root().join("docs/reference/metrics.md")).unwrap();
    let (_, generated) = page.split_once("<!-- generated: metrics -->").unwrap();
    let (generated, _) = generated.split_once("<!-- end of generated -->").unwrap();
    let exist: BTreeSet<String> = pages::inline_code(generated).collect();
    let slo = read("rules/slo.yml");
    let recorded: BTreeSet<&str> = (slo.lines())
        .filter_map(|line| line.trim().strip_prefix("- record: "))
        .collect();
    assert_eq!(recorded.len(), 14);
    for file in FILES {
        let mut checked = 0;
        for (before, name) in names(&read(file)) {
            // A recording rule has the level before its name.
            let is_known = match before {
                Some(':') => recorded.contains(&*format!("job:{name}")),
                _ => exist.contains(&name),
            };
            assert!(is_known, "monitoring/{file}: {name}");
            checked += 1;
        }
        assert!(checked > 10, "{file}");
    }
}

#[test]
fn every_alert_has_its_entry_in_the_runbook() {
    let runbook = fs::read_to_string(pages::root().join("docs/how-to/runbook.md")).unwrap();
    let entries: BTreeSet<&str> = (runbook.lines())
        .filter_map(|line| line.strip_prefix("## OutboundTasks"))
        .collect();
    let mut alerts = BTreeSet::new();
    let rules = ["rules/slo.yml", "rules/alerts.yml"].map(read).concat();
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap();
        let entry = name.strip_prefix("OutboundTasks").unwrap();
        assert!(
            entries.contains(entry),
            "docs/how-to/runbook.md lacks {name}"
        );
        let link = format!(
            "runbook: docs/how-to/runbook.md#{}\n",
            name.to_ascii_lowercase()
        );
        assert!(rule.contains(&link), "{name} does not link to its entry");
        alerts.insert(entry.to_owned());
    }
    // And no entry is of an alert that does not exist.
    assert_eq!(alerts.len(), 14);
    let entries: BTreeSet<String> = entries.into_iter().map(str::to_owned).collect();
    assert_eq!(alerts, entries);
    let tests = read("rules/tests.yml");
    for alert in alerts {
        let tested = format!("alertname: OutboundTasks{alert}\n        exp_alerts:");
        assert!(tests.contains(&tested), "no test lets {alert} fire");
    }
}

/// Grafana asks for the data source when the dashboard is imported, so no panel names one of somebody's own.
#[test]
fn the_dashboard_has_a_variable_as_its_data_source() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("grafana/outbound-tasks.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let panels: Vec<_> = panels
        .iter()
        .filter(|panel| panel["type"] != "row")
        .collect();
    assert!(panels.len() > 30, "{}", panels.len());
    for panel in panels {
        let title = &panel["title"];
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expression = target["expr"].as_str().unwrap();
            assert!(expression.contains("$job"), "{title}: {expression}");
        }
    }
}
