//! Connection poolers, such as pgbouncer, between the service and PostgreSQL.
//!
//! A pooler gives its clients a process id of its own for cancel requests, which differs from the backend's: that is how it
//! is recognized. It differs from PostgreSQL in three ways that matter here:
//!
//! - It refuses or ignores `options` in the startup message, so the settings are sent as a statement.
//! - A cancel request is the pooler's to pass on, and ends Debian's pgbouncer 1.18. None is sent; the pooler closes the
//!   backend's connection when the service closes its own, and `client_connection_check_interval` ends the statement.
//! - In transaction mode, each transaction of a session may have another backend, and settings, LISTEN and prepared
//!   statements are lost. This mode is refused.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::error::SqlState;

use super::{error::Failure, raw_session::RawSession};

/// How often two sessions compare their backends. A pooler that hands out the backend returned last, or all in turn, shows
/// itself in the first round; more rounds are for poolers with other clients at the same time.
const ROUNDS: usize = 4;
/// How long the second session waits for a backend. In transaction mode, the first one's is free.
const BACKEND_WAIT: Duration = Duration::from_millis(500);

/// Whether the server refuses the options of the startup message. pgbouncer calls it a violation of the protocol.
pub(super) fn refuses_options(failure: &Failure) -> bool {
    matches!(failure, Failure::Postgres(error)
        if error.code() == Some(&SqlState::PROTOCOL_VIOLATION))
}

/// The process id of the session's backend.
pub(super) async fn backend(session: &mut RawSession) -> Result<i32, Failure> {
    let id = session.ask("SELECT pg_backend_pid()").await?;
    let id = id.and_then(|id| id.parse().ok());
    id.ok_or_else(|| Failure::Io(std::io::ErrorKind::InvalidData.into()))
}

/// Checks that each of two sessions on a pooler keeps its backend, `own` of the first.
pub(super) async fn check_sessions(
    first: &mut RawSession,
    own: i32,
    second: &mut RawSession,
) -> Result<(), Failure> {
    let Ok(others) = timeout(BACKEND_WAIT, backend(second)).await else {
        // No backend is free although the first session does nothing: it keeps its own.
        return Ok(());
    };
    let others = others?;
    for _ in 0..ROUNDS {
        let is_kept = own != others
            && backend(second).await? == others
            && backend(first).await? == own
            && backend(first).await? == own
            && backend(second).await? == others;
        if !is_kept {
            return Err(Failure::TransactionMode);
        }
    }
    Ok(())
}

/// A statement with the settings of the startup message's `options` (PostgreSQL, "Parameter Interaction via the Shell"):
/// `-c name=value` and `--name=value`, with a backslash before a space in a value. `None` if there are other options.
pub(super) fn set_statement(options: &str) -> Option<String> {
    let words = words(options);
    let mut words = words.iter().map(String::as_str);
    let mut calls = Vec::new();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c") {
            Some("") => words.next()?,
            Some(setting) => setting,
            None => word.strip_prefix("--")?,
        };
        let (name, value) = setting.split_once('=')?;
        let name = quoted(&name.replace('-', "_"));
        calls.push(format!("set_config({name}, {}, false)", quoted(value)));
    }
    Some(format!("SELECT {}", calls.join(", ")))
}

/// Splits options at spaces that have no backslash before them.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut rest = options.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => word.extend(rest.next()),
            c if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// A literal of SQL, in the form that does not depend on standard_conforming_strings.
fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
