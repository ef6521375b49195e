//! The rules of the layers of `src`, and what breaks them.

use std::collections::BTreeSet;

use super::uses::{self, Source};

/// Each top-level module of `src`, and the modules that it may use. All of these are earlier in this table, so nothing
/// uses a layer above it. The generated messages, `pb`, are for the modules that speak gRPC.
pub const LAYERS: [(&str, &[&str]); 23] = [
    ("pb", &[]),
    ("beside", &[]),
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
            "beside",
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
            "beside",
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
            "beside",
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
            "pem_file",
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

/// Every violation of a rule, as text with file and line.
pub fn broken_rules(sources: &[Source]) -> Vec<String> {
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
pub fn dependencies(manifest: &str) -> BTreeSet<String> {
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
