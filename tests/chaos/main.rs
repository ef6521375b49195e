//! Tests that take many minutes or need more programs than PostgreSQL. `make test` does not run them; `make chaos` and
//! `make test-failover` do. Each test first says which program is missing.

#![allow(clippy::unwrap_used)] // in a test, a panic is the report
#![allow(unreachable_pub)] // nothing is reachable from a test binary

#[path = "../it/support/mod.rs"]
#[allow(dead_code)] // shared with tests/it, which uses the rest
mod support;

mod failover;
mod load;
mod monitoring;
mod patroni;
mod soak;

/// The number in an environment variable, or `default`.
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} must be a whole number, got {text:?}")),
        Err(_) => default,
    }
}
