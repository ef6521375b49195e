//! The layers of `src`: which module may use which, where a foreign crate may be used, and that no files use each other
//! in a cycle. `docs/development/overview.md` and `src/lib.rs` describe the layers; this test enforces them.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{
    layers::{LAYERS, broken_rules, dependencies},
    uses,
};

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
