//! The documentation: generated parts are up to date, links lead to files, and what it names exists.

mod commands;
mod contract;
mod metrics;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use http::Method;

use crate::support::{database::Database, http::Http, keys, pages, process::Process};

/// Compares what stands between the markers of a page with what it is generated from. With `UPDATE_DOCS` in the
/// environment it writes the page instead.
fn assert_generated(page: &str, name: &str, wanted: &str) {
    let path = pages::root().join("docs/reference").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- generated: {name} -->\n"),
        "<!-- end of generated -->",
    );
    let (before, rest) = text.split_once(&begin).expect(&begin);
    let (found, after) = rest.split_once(end).expect(end);
    let wanted = format!("\n{}\n\n", wanted.trim());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
    } else {
        let same = found
            .lines()
            .zip(wanted.lines())
            .take_while(|(a, b)| a == b);
        let line = before.lines().count() + 2 + same.count();
        assert!(
            found == wanted,
            "docs/reference/{page} is out of date from line {line} on; `make docs-reference` writes it"
        );
    }
}

#[test]
fn the_reference_of_grpc_is_that_of_the_contract() {
    assert_generated("grpc.md", "contract", &contract::reference());
}

#[test]
fn the_reference_of_errors_has_every_name_of_the_contract() {
    for name in ["ErrorReason", "ViolationReason", "ServiceReason"] {
        assert_generated("errors.md", name, &contract::names(name));
    }
}

#[test]
fn the_reference_of_commands_is_that_of_their_help() {
    assert_generated("commands.md", "commands", &commands::reference());
}

#[test]
fn the_reference_of_settings_is_that_of_their_help() {
    assert_generated("settings.md", "settings", &commands::settings());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_of_metrics_has_every_metric() {
    let database = Database::new().await;
    assert_generated(
        "metrics.md",
        "metrics",
        &metrics::reference(&database).await,
    );
}

/// Every parameter that the gateway reads is documented, and every documented one is read.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_of_http_has_every_parameter() {
    let page = fs::read_to_string(pages::root().join("docs/reference/http.md")).unwrap();
    let named: BTreeSet<String> = pages::inline_code(&page).collect();
    let mut read = 0;
    for entry in fs::read_dir(pages::root().join("src/gateway")).unwrap() {
        let source = fs::read_to_string(entry.unwrap().path()).unwrap();
        for call in source.split("query.").skip(1) {
            let quoted = call
                .split_once("(\"")
                .filter(|(method, _)| ["one", "many", "word", "flag", "number"].contains(method));
            if let Some((name, _)) = quoted.and_then(|(_, rest)| rest.split_once('"')) {
                assert!(named.contains(name), "http.md does not name {name}");
                read += 1;
            }
        }
    }
    assert!(read > 10, "{read}");

    let database = Database::demo().await;
    database.add_tasks("demo", 1).await;
    let key = keys::create(&database, "read", &[]).await;
    let program = Process::serve(&database, &[]).await;
    let http = Http::new(program.address, &key);
    for (heading, path) in [
        ("## List tasks", ""),
        ("## List the targets of a task", "/t1/targets"),
        ("## Export", ":export"),
    ] {
        let (_, section) = page.split_once(heading).unwrap();
        let (_, table) = section.split_once("| parameter |").unwrap();
        let rows = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let names = rows.flat_map(|row| pages::inline_code(row.split('|').nth(1).unwrap()));
        // An empty value is that of a parameter that is not given, but its name must be known.
        let query: Vec<String> = names.map(|name| format!("{name}=")).collect();
        assert!(query.len() > 3, "{heading}");
        let path = format!("/api/v1/outboundtasks{path}?{}", query.join("&"));
        let answer = http
            .send(Method::GET, &path, &[("x-api-key", &*key)], Vec::new())
            .await;
        assert_eq!(
            answer.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&answer.body)
        );
    }
}

/// A limit that can be set is documented with its default.
#[test]
fn the_limits_have_the_defaults_of_their_settings() {
    let page = fs::read_to_string(pages::root().join("docs/reference/limits.md")).unwrap();
    let defaults = commands::defaults();
    let mut checked = 0;
    for row in page.lines().filter(|line| line.starts_with('|')) {
        let flags = pages::inline_code(row).filter(|code| code.starts_with("--"));
        for flag in flags {
            let default = &defaults[&flag];
            assert!(
                row.contains(&spelled(default)),
                "the default of {flag} is {default}: {row}"
            );
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

/// A default as a page writes it: `64MiB` as 64 MiB, `5000` as 5,000.
fn spelled(default: &str) -> String {
    let digits = default.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = default.split_at(digits);
    let mut spelled = String::new();
    for (at, digit) in number.chars().enumerate() {
        if at > 0 && (number.len() - at) % 3 == 0 {
            spelled.push(',');
        }
        spelled.push(digit);
    }
    let unit = match unit {
        "m" => "min",
        "d" => "days",
        other => other,
    };
    format!("{spelled} {unit}").trim_end().to_owned()
}

/// No page speaks of a flag or a variable that does not exist.
#[test]
fn every_setting_that_a_page_names_exists() {
    let (flags, variables) = commands::known();
    for page in pages::all() {
        let text = fs::read_to_string(&page).unwrap();
        for code in pages::inline_code(&text) {
            let flag = code.split([' ', '=']).next().unwrap();
            let is_flag = flag.starts_with("--") && flag.len() > 2;
            assert!(
                !is_flag || flags.contains(flag),
                "{}: {flag}",
                page.display()
            );
        }
        for rest in text.split("OUTBOUND_TASKS_").skip(1) {
            let ends = |c: char| !c.is_ascii_uppercase() && c != '_';
            let name = rest.split(ends).next().unwrap().trim_end_matches('_');
            let name = format!("OUTBOUND_TASKS_{name}");
            // A name that ends there stands for all of them.
            let is_known = name == "OUTBOUND_TASKS_" || variables.contains(&name);
            assert!(is_known, "{}: {name}", page.display());
        }
    }
}

#[test]
fn a_readme_is_short() {
    for name in ["README.md", "README.zh-CN.md"] {
        let text = fs::read_to_string(pages::root().join(name)).unwrap();
        assert!(text.lines().count() <= 200, "{name}");
    }
}

/// A reader of either can do the same.
#[test]
fn both_readmes_have_the_same_commands() {
    let commands = |name: &str| {
        let text = fs::read_to_string(pages::root().join(name)).unwrap();
        let blocks = pages::shell_blocks(&text).into_iter();
        let text: Vec<String> = blocks.map(|(_, block)| block).collect();
        let lines = text.join("\n");
        // A comment is in the language of the page.
        let command = |line: &str| line.split(" #").next().unwrap().trim().to_owned();
        lines.lines().map(command).collect::<Vec<_>>()
    };
    assert_eq!(commands("README.zh-CN.md"), commands("README.md"));
}

/// Links to files and to headings lead somewhere.
#[test]
fn every_link_leads_somewhere() {
    for page in pages::all() {
        let text = pages::prose(&fs::read_to_string(&page).unwrap());
        for link in targets(&text) {
            if link.starts_with("http") || link.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: {link}", page.display());
            let is_page = target.extension().is_some_and(|kind| kind == "md");
            if is_page && !heading.is_empty() {
                let headings = headings(&target);
                assert!(headings.contains(heading), "{}: {link}", page.display());
            }
        }
    }
}

/// The targets of a page's links and pictures.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let links = text.split("](").skip(1);
    let images = text.split(" src=\"").skip(1);
    links
        .filter_map(|rest| rest.split_once(')'))
        .chain(images.filter_map(|rest| rest.split_once('"')))
        .map(|(target, _)| target)
}

/// The addresses of a page's headings, as mdBook and GitHub make them.
fn headings(page: &Path) -> BTreeSet<String> {
    let text = pages::prose(&fs::read_to_string(page).unwrap());
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            });
            kept.collect()
        })
        .collect()
}

/// mdBook leaves out pages that the summary does not list.
#[test]
fn the_summary_lists_every_page() {
    let docs = pages::root().join("docs");
    let summary = docs.join("SUMMARY.md");
    let text = fs::read_to_string(&summary).unwrap();
    let listed: BTreeSet<PathBuf> = targets(&text).map(|target| docs.join(target)).collect();
    for page in pages::under(&docs) {
        assert!(
            page == summary || listed.contains(&page),
            "{}",
            page.display()
        );
    }
}

/// A table of promises is worth as much as its tests: each one that it names exists.
#[test]
fn every_promise_names_tests_that_exist() {
    let root = pages::root();
    let page = fs::read_to_string(root.join("docs/reference/reliability.md")).unwrap();
    let mut named = 0;
    for quoted in page.split('`').skip(1).step_by(2) {
        let Some((file, test)) = quoted.split_once("::") else {
            continue;
        };
        let sources = ["tests/it", "tests/chaos"].map(|dir| root.join(dir).join(file));
        let texts = sources.map(|path| fs::read_to_string(path.with_extension("rs")));
        let function = format!("fn {test}(");
        let exists = texts
            .into_iter()
            .flatten()
            .any(|text| text.contains(&function));
        assert!(
            exists,
            "docs/reference/reliability.md names {quoted}, which does not exist"
        );
        named += 1;
    }
    assert!(named > 0, "it names no test");
}
