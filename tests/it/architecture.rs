//! The layers of `src`: which module may use which, where a foreign crate may be used, and that no files use each other
//! in a cycle. `docs/development/overview.md` and `src/lib.rs` describe the layers; this test enforces them.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::uses::{self, Source};

/// Each top-level module of `src`, and the modules that it may use. All of these are earlier in this table, so nothing
/// uses a layer above it. The generated messages, `pb`, are for the modules that speak gRPC.
const LAYERS: [(&str, &[&str]); 22] = [
    ("pb", &[]),
    ("histogram", &[]),
    ("pem_file", &[]),
    ("secret_file", &["pem_file"]),
    ("redaction", &[]),
    ("traces", &[]),
    ("telemetry", &["histogram", "traces"]),
    ("embedded", &[]),
    ("error", &["redaction"]),
    ("domain", &["error", "redaction"]),
    ("permits", &["domain"]),
    ("quota", &["domain", "error"]),
    ("fair_queue", &["domain", "histogram"]),
    (
        "db",
        &[
            "domain",
            "error",
            "fair_queue",
            "histogram",
            "pem_file",
            "permits",
            "quota",
            "secret_file",
            "traces",
        ],
    ),
    (
        "app",
        &[
            "db",
            "domain",
            "error",
            "histogram",
            "permits",
            "quota",
            "redaction",
            "traces",
        ],
    ),
    ("openapi", &["app", "domain", "pb"]),
    (
        "request",
        &[
            "app",
            "domain",
            "error",
            "pb",
            "permits",
            "quota",
            "redaction",
            "telemetry",
            "traces",
        ],
    ),
    (
        "grpc",
        &["app", "domain", "error", "pb", "redaction", "request"],
    ),
    (
        "gateway",
        &[
            "app",
            "domain",
            "error",
            "openapi",
            "redaction",
            "request",
            "telemetry",
        ],
    ),
    (
        "server",
        &[
            "app",
            "error",
            "gateway",
            "grpc",
            "histogram",
            "pb",
            "pem_file",
            "permits",
            "request",
            "telemetry",
            "traces",
        ],
    ),
    (
        "config",
        &[
            "app",
            "db",
            "domain",
            "error",
            "quota",
            "request",
            "secret_file",
            "server",
            "telemetry",
            "traces",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "config",
            "domain",
            "embedded",
            "error",
            "gateway",
            "grpc",
            "pb",
            "pem_file",
            "server",
            "telemetry",
        ],
    ),
];

/// Foreign crates that only some modules may use. A name stands for all crates that begin with it (`tonic` also for
/// `tonic_types`). `lib` is `src/lib.rs`, which includes the code generated from `proto/`.
const FOREIGN: [(&str, &[&str]); 19] = [
    ("axum", &["gateway", "request", "server"]),
    ("clap", &["cli", "config"]),
    ("diesel", &["db"]),
    ("hyper", &["request", "server", "traces"]),
    ("indicatif", &["cli"]),
    ("moka", &["app"]),
    ("opentelemetry", &["traces"]),
    ("prometheus_client", &["telemetry"]),
    (
        "prost",
        &[
            "cli", "grpc", "lib", "openapi", "request", "server", "traces",
        ],
    ),
    ("rcgen", &["cli"]),
    ("rustls", &["cli", "db", "server", "traces"]),
    ("socket2", &["db"]),
    ("tokio_postgres", &["db"]),
    ("tokio_rustls", &["db", "server", "traces"]),
    ("toml", &["config"]),
    (
        "tonic",
        &["cli", "grpc", "lib", "request", "server", "traces"],
    ),
    ("tower", &["request", "server"]),
    ("tracing_subscriber", &["telemetry"]),
    ("x509_cert", &["server"]),
];
/// The domain does no I/O and does not wait.
const NOT_IN_DOMAIN: [&str; 3] = ["tokio", "futures_util", "http"];

#[test]
fn no_module_uses_a_higher_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = uses::files(&root.join("src"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let broken = broken_rules(&uses::read(&files, &dependencies(&manifest)));
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn the_table_of_layers_has_no_circle() {
    let mut below = BTreeSet::new();
    for (module, may_use) in LAYERS {
        for used in may_use {
            assert!(
                below.contains(used),
                "{module} may use {used}, which does not stand before it"
            );
        }
        below.insert(module);
    }
}

/// The test finds each way to break a rule, with its file and line.
#[test]
fn every_broken_rule_is_named() {
    let plain = [
        (
            "lib.rs",
            "pub mod app; pub mod db; pub mod domain; pub mod grpc;",
        ),
        (
            "app/mod.rs",
            "pub use tasks::List;\nmod tasks;\npub struct App;",
        ),
        (
            "app/tasks.rs",
            "use super::App;\npub struct List;\nimpl App {}",
        ),
        (
            "db/mod.rs",
            "use diesel::prelude::*;\n/// As `crate::app::App` does.\npub struct Db;",
        ),
        ("domain/mod.rs", "pub mod task;\npub mod page;"),
        ("domain/task.rs", "pub struct Task;"),
        (
            "domain/page.rs",
            "use super::task::Task;\npub struct Page(Task);",
        ),
        (
            "grpc/mod.rs",
            "use crate::{app::{App, List}, domain::task::Task};\nconst TEXT: &str = \"diesel::sql\";",
        ),
    ];
    let broken = |changed: &[(&str, &str)]| {
        let kept = plain
            .iter()
            .filter(|(file, _)| changed.iter().all(|(other, _)| file != other));
        let files: Vec<_> = kept
            .chain(changed)
            .map(|(file, text)| (String::from(*file), String::from(*text)))
            .collect();
        let foreign = ["axum", "clap", "diesel", "diesel_async", "tokio", "tonic"];
        let foreign = foreign.map(str::to_owned).into();
        broken_rules(&uses::read(&files, &foreign)).join("\n")
    };
    assert_eq!(broken(&[]), "");
    for (file, text, wanted) in [
        // A use of a higher layer.
        (
            "db/mod.rs",
            "\nuse crate::app::App;",
            "src/db/mod.rs:2: db may not use app (crate::app::App)",
        ),
        (
            "db/mod.rs",
            "pub use super::app::App;",
            "src/db/mod.rs:1: db may not use app (crate::app::App)",
        ),
        (
            "domain/page.rs",
            "use super::super::db::Db;",
            "src/domain/page.rs:1: domain may not use db (crate::db::Db)",
        ),
        // In a nested group, with another name, as a glob.
        (
            "domain/task.rs",
            "use crate::{\n    error::Error,\n    domain::{page::Page, self},\n    db::{list::{Query, self as lists}},\n};",
            "src/domain/task.rs:4: domain may not use db (crate::db::list::Query)",
        ),
        (
            "db/mod.rs",
            "use crate::app as above;",
            "src/db/mod.rs:1: db may not use app (crate::app)",
        ),
        (
            "db/mod.rs",
            "use crate::grpc::*;",
            "src/db/mod.rs:1: db may not use grpc (crate::grpc)",
        ),
        // Without `use`: in a type, a body, a macro, an attribute, a module within the file.
        (
            "db/mod.rs",
            "fn f(_: &crate::app::App) {}",
            "src/db/mod.rs:1: db may not use app (crate::app::App)",
        ),
        (
            "db/mod.rs",
            "fn f() {\n    <crate::app::App>::new();\n}",
            "src/db/mod.rs:2: db may not use app (crate::app::App)",
        ),
        (
            "db/mod.rs",
            "fn f() {\n    tokio::select! { () = crate::app::run() => {} }\n}",
            "src/db/mod.rs:2: db may not use app (crate::app::run)",
        ),
        (
            "db/mod.rs",
            "#[derive(crate::grpc::Derived)]\nstruct Db;",
            "src/db/mod.rs:1: db may not use grpc (crate::grpc::Derived)",
        ),
        (
            "db/mod.rs",
            "mod inner {\n    use super::super::app::App;\n}",
            "src/db/mod.rs:2: db may not use app (crate::app::App)",
        ),
        // A foreign crate in another module.
        (
            "app/tasks.rs",
            "use diesel::sql_query;",
            "src/app/tasks.rs:1: diesel belongs to db (diesel::sql_query)",
        ),
        (
            "app/tasks.rs",
            "use {diesel_async::RunQueryDsl as _};",
            "src/app/tasks.rs:1: diesel_async belongs to db (diesel_async::RunQueryDsl)",
        ),
        (
            "app/tasks.rs",
            "fn f() -> ::tonic::Status { todo!() }",
            "src/app/tasks.rs:1: tonic belongs to cli, grpc, lib, request, server, traces (tonic::Status)",
        ),
        (
            "domain/task.rs",
            "#[derive(Debug, clap::ValueEnum)]\nenum Word {}",
            "src/domain/task.rs:1: clap belongs to cli, config (clap::ValueEnum)",
        ),
        (
            "domain/task.rs",
            "use tokio::sync::Mutex;",
            "src/domain/task.rs:1: tokio does not belong to domain (tokio::sync::Mutex)",
        ),
        (
            "grpc/mod.rs",
            "pub use axum::Router;",
            "src/grpc/mod.rs:1: axum belongs to gateway, request, server (axum::Router)",
        ),
        // A module without a rule.
        (
            "odd.rs",
            "use crate::app::App;",
            "src/odd.rs:1: odd is not in the table of layers",
        ),
    ] {
        let found = broken(&[(file, text)]);
        assert!(
            found.contains(wanted),
            "{text}\nwanted: {wanted}\nfound: {found}"
        );
    }
    // A cycle, also through a re-exported name.
    let found = broken(&[("domain/task.rs", "use crate::domain::page::Page;")]);
    let circle = "a circle: src/domain/page.rs:1 uses src/domain/task.rs (crate::domain::task::Task), \
        src/domain/task.rs:1 uses src/domain/page.rs (crate::domain::page::Page)";
    assert_eq!(found, circle);
    let found = broken(&[("app/mod.rs", "pub use tasks::List;\npub struct App(List);")]);
    assert!(
        found.contains("src/app/mod.rs:1 uses src/app/tasks.rs"),
        "{found}"
    );
}

/// Every violation of a rule, as text with file and line.
fn broken_rules(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        let from = source.top();
        for reference in &source.references {
            let at = format!("src/{}:{}", source.file, reference.line);
            let path = reference.path.join("::");
            let first = reference.path[0].as_str();
            if first == "crate" {
                let to = reference.path.get(1).map_or("lib", String::as_str);
                let own = LAYERS.iter().find(|(module, _)| *module == from);
                match own {
                    _ if from == to || from == "lib" || from == "main" => {}
                    None => broken.push(format!("{at}: {from} is not in the table of layers")),
                    Some((_, may_use)) if may_use.contains(&to) => {}
                    Some(_) => broken.push(format!("{at}: {from} may not use {to} ({path})")),
                }
                continue;
            }
            let owners = FOREIGN.iter().find(|(name, _)| {
                first == *name
                    || first
                        .strip_prefix(name)
                        .is_some_and(|rest| rest.starts_with('_'))
            });
            if let Some((_, folders)) = owners
                && !folders.contains(&from)
            {
                let folders = folders.join(", ");
                broken.push(format!("{at}: {first} belongs to {folders} ({path})"));
            }
            if from == "domain" && NOT_IN_DOMAIN.contains(&first) {
                broken.push(format!("{at}: {first} does not belong to domain ({path})"));
            }
        }
    }
    for circle in uses::cycles(uses::graph(sources)) {
        let next = circle.iter().skip(1).chain(circle.first());
        let steps = circle.iter().zip(next).map(|((from, reference), (to, _))| {
            let (from, to) = (&sources[*from].file, &sources[*to].file);
            let (line, path) = (reference.line, reference.path.join("::"));
            format!("src/{from}:{line} uses src/{to} ({path})")
        });
        let steps: Vec<String> = steps.collect();
        broken.push(format!("a circle: {}", steps.join(", ")));
    }
    broken
}

/// The crates in a manifest, with their names in Rust.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let tables = manifest
        .split("\n[")
        .filter(|table| table.starts_with("dependencies]"));
    let lines = tables
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.split_once(" = "));
    names
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect()
}
