//! The spans of statements, with their texts and never with their values.
//!
//! diesel reports when it sends a statement ([`InstrumentationEvent`]) and when the first of the answer has come. Rows may
//! follow, and an error after them, so the span of a statement ends when the answer of the next one comes, when the next one
//! is sent, or when the work of the connection ends ([`Underway`]). Statements that are sent together have spans that
//! overlap.

use std::{
    fmt::{self, Write},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use tokio_postgres::error::SqlState;

use super::address::Address;
use crate::traces::{self, Recorded, Span};

/// What diesel writes between a statement and its values.
const VALUES: &str = " -- binds: ";

/// The statements of one connection.
#[derive(Clone)]
pub(super) struct Statements(Arc<Shared>);

struct Shared {
    server: Server,
    state: Mutex<State>,
}

/// What the spans of all statements of a connection have in common.
#[derive(Debug, Clone)]
pub(super) struct Server {
    address: String,
    port: Option<u16>,
    database: Option<String>,
}

#[derive(Default)]
struct State {
    /// The call that the connection works for, if it is recorded.
    call: Option<Arc<Recorded>>,
    /// The statements without an answer, with their texts.
    sent: Vec<(String, Span)>,
    /// The last statement with an answer.
    answered: Option<Span>,
    /// The first statement whose answer was an error.
    failed: Option<Span>,
}

impl Server {
    pub(super) fn new(address: &Address, database: Option<&str>) -> Self {
        let (address, port) = match address {
            Address::Tcp(address, name) => {
                let ip = address.ip().to_string();
                let name = name.as_ref().map_or(ip, |name| name.to_string());
                (name, Some(address.port()))
            }
            Address::Unix(path) => (path.display().to_string(), None),
        };
        Self {
            address,
            port,
            database: database.map(str::to_owned),
        }
    }

    /// Starts the span of a statement (Semantic Conventions, "Database Client Spans").
    pub(super) fn span(&self, call: &Recorded, text: &str) -> Span {
        let text = without_values(text);
        let mut words = text.split_whitespace();
        let operation = words.next().unwrap_or_default().to_ascii_uppercase();
        let mut span = call.request(match table(&text) {
            Some(table) => format!("{operation} {table}"),
            None => operation.clone(),
        });
        span.set("db.system.name", "postgresql");
        span.set("db.operation.name", operation);
        span.set("db.query.text", text);
        span.set("server.address", self.address.clone());
        if let Some(port) = self.port {
            span.set("server.port", i64::from(port));
        }
        if let Some(database) = &self.database {
            span.set("db.namespace", database.clone());
        }
        span
    }
}

impl Statements {
    pub(super) fn new(server: Server) -> Self {
        let state = Mutex::default();
        Self(Arc::new(Shared { server, state }))
    }

    /// From here on, statements have spans below the current call, if that is recorded.
    pub(super) fn begin(&self) -> Underway {
        let call = traces::current();
        Underway(call.map(|call| {
            self.state().call = Some(call);
            self.clone()
        }))
    }

    /// Records that the statement under way failed.
    pub(super) fn fail(&self, code: Option<&SqlState>) {
        let mut state = self.state();
        let State {
            sent,
            answered,
            failed,
            ..
        } = &mut *state;
        // An error that is no answer came after rows, or the connection ended.
        let sent = sent.first_mut().map(|(_, span)| span);
        if let Some(span) = failed.as_mut().or(answered.as_mut()).or(sent) {
            fail(span, code);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code under the lock can panic between two related changes, so a poisoned state is still consistent.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records that a statement failed. `code` is what the server said, if it said something.
pub(super) fn fail(span: &mut Span, code: Option<&SqlState>) {
    match code {
        Some(code) => {
            span.set("db.response.status_code", code.code().to_owned());
            span.fail(code.code().to_owned());
        }
        None => span.fail("connection"),
    }
}

impl Instrumentation for Statements {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let mut state = self.state();
        let Some(call) = state.call.clone() else {
            return;
        };
        match event {
            InstrumentationEvent::StartQuery { query, .. } => {
                let text = text(query);
                // An empty statement finds out whether the connection is alive.
                if !text.is_empty() {
                    let span = self.0.server.span(&call, &text);
                    state.answered = None;
                    state.sent.push((text, span));
                }
            }
            InstrumentationEvent::FinishQuery { query, error, .. } => {
                let text = text(query);
                let sent = state.sent.iter().position(|(sent, _)| *sent == text);
                if let Some(index) = sent {
                    let (_, span) = state.sent.remove(index);
                    match error {
                        Some(_) if state.failed.is_none() => state.failed = Some(span),
                        _ => state.answered = Some(span),
                    }
                }
            }
            _ => {}
        }
    }
}

/// The work of a connection for a call. Its statements end with it; those without an answer were abandoned.
pub(super) struct Underway(Option<Statements>);

impl Drop for Underway {
    fn drop(&mut self) {
        let Some(statements) = &self.0 else {
            return;
        };
        let mut state = mem::take(&mut *statements.state());
        for (_, span) in &mut state.sent {
            span.fail("cancelled");
        }
    }
}

/// The text of a statement as diesel displays it, up to its values.
fn text(query: &dyn fmt::Display) -> String {
    struct Text(String);

    impl Write for Text {
        fn write_str(&mut self, part: &str) -> fmt::Result {
            self.0.push_str(part);
            match self.0.rfind(VALUES) {
                Some(end) => {
                    self.0.truncate(end);
                    Err(fmt::Error) // the values need not be written
                }
                None => Ok(()),
            }
        }
    }

    let mut text = Text(String::new());
    let _ = write!(text, "{query}");
    text.0
}

/// A statement with `?` for every string in it, as SET has the tenant in its text.
fn without_values(text: &str) -> String {
    // After a quote comes a string, then what follows it. A doubled quote ends a string and begins another at once.
    let mut parts = text.split('\'');
    let mut clean = parts.next().unwrap_or_default().to_owned();
    let mut is_doubled = false;
    while let Some(_value) = parts.next() {
        if !is_doubled {
            clean.push('?');
        }
        let rest = parts.next().unwrap_or_default();
        clean.push_str(rest);
        is_doubled = rest.is_empty();
    }
    clean
}

/// The first table that a statement names.
fn table(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    let mut before = "";
    while let Some(word) = words.next() {
        let is_of_function = before.to_ascii_lowercase().contains("extract(");
        if ["FROM", "INTO", "UPDATE", "COPY", "JOIN"].contains(&word) && !is_of_function {
            before = words.next()?;
            let name = before.trim_start_matches(['(', '"']);
            let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let name = name.split(|c| !is_of_name(c)).next()?;
            if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                return Some(name);
            }
        } else {
            before = word;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_left_out() {
        for (text, clean) in [
            ("SELECT 1", "SELECT 1"),
            ("SET a.tenant = 'acme'", "SET a.tenant = ?"),
            ("SELECT 'it''s', 'b' FROM t", "SELECT ?, ? FROM t"),
            ("SELECT '' || $1", "SELECT ? || $1"),
            ("SELECT 'open", "SELECT ?"),
        ] {
            assert_eq!(without_values(text), clean);
        }
    }

    #[test]
    fn a_name_has_the_first_table() {
        for (text, name) in [
            ("SELECT a FROM tasks t WHERE b", Some("tasks")),
            ("INSERT INTO task_log(a) VALUES ($1)", Some("task_log")),
            ("SELECT tenants_due()", None),
            ("SELECT a FROM (SELECT * FROM tasks t) t", Some("tasks")),
            (
                "SELECT extract(epoch FROM at) FROM (\"api_keys\" JOIN \"tenants\")",
                Some("api_keys"),
            ),
            ("UPDATE task_log SET a = $1", Some("task_log")),
            ("SELECT a FROM (SELECT b)", None),
            ("COMMIT", None),
        ] {
            assert_eq!(table(text), name, "{text}");
        }
    }

    #[test]
    fn values_are_not_part_of_a_text() {
        let query = diesel::sql_query("SELECT $1").bind::<diesel::sql_types::Text, _>("a secret");
        let query = diesel::debug_query::<diesel::pg::Pg, _>(&query);
        assert!(query.to_string().contains("a secret"), "{query}");
        assert_eq!(text(&query), "SELECT $1");
    }
}
