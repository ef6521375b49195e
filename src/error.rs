//! The error type of all layers, independent of any transport.
//!
//! The public part (`kind`, `message`, `violations`) and the internal cause are separate fields. `Display` does not
//! print the cause, so it cannot leak into a response. `grpc::status` and `gateway::error` convert an [`Error`] to
//! their protocol at the very end.

mod listed;
mod names;
mod reason;
mod sentence;
mod violation;

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use strum::IntoStaticStr;

pub use listed::{Listed, listed};
pub use names::{ErrorReason, ViolationReason};
pub use reason::Reason;
pub use sentence::TIME_FORMS;
pub use violation::{Fault, Violation, Violations, within_a_head};

use crate::redaction::redacted;

/// The category of an error, as in `google.rpc.Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorKind {
    /// The request is invalid, independent of the state of the system.
    InvalidArgument,
    /// The API key is missing, unknown, revoked or expired.
    Unauthenticated,
    /// The API key is valid but lacks the scope.
    PermissionDenied,
    /// The tenant has no such resource.
    NotFound,
    /// A resource with this id already exists.
    AlreadyExists,
    /// The state of the system does not allow the call.
    FailedPrecondition,
    /// A concurrent change invalidated what the call was based on, for example an etag.
    Aborted,
    /// The service has no such rpc, or does not support what the call asks for.
    Unimplemented,
    /// A limit is exceeded, such as the size of a message.
    ResourceExhausted,
    /// The deadline passed before the call completed.
    DeadlineExceeded,
    /// The service cannot serve the call now; a retry may succeed.
    Unavailable,
    /// A defect of the service or its data.
    Internal,
    /// A command was used incorrectly. Only the terminal shows it; it is never sent to a caller.
    BadUsage,
}

impl ErrorKind {
    /// The code's name as `google.rpc.Code` spells it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// An error with a public part for the caller and a private cause for the log. A clone is for each of several callers that
/// waited for the same work.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: Box<str>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    task_id: Option<Box<str>>,
    reason: Option<ErrorReason>,
    /// Public facts by name, in addition to the text.
    facts: Vec<(&'static str, String)>,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
    is_logged: bool,
}

/// The result type of all layers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error; `message` is public.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into().into_boxed_str(),
            violations: Vec::new(),
            retry_after: None,
            task_id: None,
            reason: None,
            facts: Vec::new(),
            cause: None,
            is_logged: false,
        }
    }

    /// INVALID_ARGUMENT with all field violations, or the first ones and the number of the others if they are too many.
    pub fn invalid(violations: impl Into<Violations>) -> Self {
        let violations = violations.into();
        let mut fields: Vec<String> = violations
            .iter()
            .map(|v| format!("{} {}", v.field, v.description))
            .collect();
        if violations.more() > 0 {
            fields.push(format!("and {} more", violations.more()));
        }
        Self {
            violations: violations.into_iter().collect(),
            ..Self::new(ErrorKind::InvalidArgument, fields.join("; "))
        }
    }

    /// UNAUTHENTICATED. The text is the same for every reason, so that it reveals nothing about existing keys.
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorKind::Unauthenticated,
            "a valid API key is needed: x-api-key or authorization: Bearer",
        )
    }

    /// NOT_FOUND: the caller's tenant has no task with this id.
    pub fn no_such_task(task_id: impl Into<String>) -> Self {
        Self {
            task_id: Some(redacted(&task_id.into()).into()),
            ..Self::new(ErrorKind::NotFound, "no task of this tenant has this id")
        }
    }

    /// ALREADY_EXISTS: tasks with these ids exist. The message quotes the first ten.
    pub fn task_ids_taken(task_ids: &[&str]) -> Self {
        let message = format!("tasks with these ids already exist: {}", quoted(task_ids));
        Self::already_exists(task_ids, message)
    }

    /// ALREADY_EXISTS: another writer created tasks with these ids while an import ran. The message quotes the first ten.
    pub fn task_ids_taken_meanwhile(task_ids: &[&str]) -> Self {
        let which = match task_ids {
            [] => String::new(),
            ids => format!(": {}", quoted(ids)),
        };
        let message = format!(
            "another writer created tasks with ids of this import while it ran, so nothing was loaded; import again{which}"
        );
        Self::already_exists(task_ids, message)
    }

    fn already_exists(task_ids: &[&str], message: String) -> Self {
        Self {
            task_id: task_ids.first().map(|id| redacted(id).into()),
            ..Self::new(ErrorKind::AlreadyExists, message)
        }
    }

    /// DEADLINE_EXCEEDED. The message advises on faster requests.
    pub fn deadline_exceeded() -> Self {
        Self::new(
            ErrorKind::DeadlineExceeded,
            "the deadline passed before the response was ready; a narrower filter is faster, and page_token reaches \
            distant pages at the cost of the first page",
        )
    }

    /// DEADLINE_EXCEEDED of a write, which may have been committed.
    pub fn write_deadline_exceeded() -> Self {
        Self::new(
            ErrorKind::DeadlineExceeded,
            "the deadline passed before the response was ready; the change may have been made: repeat the call with its \
            idempotency_key to learn the outcome",
        )
    }

    /// DEADLINE_EXCEEDED of a write that has no idempotency key.
    pub fn lone_write_deadline_exceeded() -> Self {
        Self::new(
            ErrorKind::DeadlineExceeded,
            "the deadline passed before the response was ready; the change may have been made: look whether it was before \
            you repeat the call",
        )
    }

    /// UNAVAILABLE; `retry_after` is the retry delay suggested to the caller.
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(ErrorKind::Unavailable, message)
        }
    }

    /// INTERNAL. Callers get a fixed text; the cause is only logged.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            ErrorKind::Internal,
            "the service failed to answer; the request id names the log entry",
        )
        .caused_by(cause)
    }

    /// Sets the reason, where the kind alone is not specific enough.
    #[must_use]
    pub fn because(mut self, reason: ErrorReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Sets the delay after which the same call may be retried.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Marks the cause as already logged, for errors that share one logged cause, such as an unreachable database.
    #[must_use]
    pub fn logged(mut self) -> Self {
        self.is_logged = true;
        self
    }

    /// Puts a sentence before the public text.
    #[must_use]
    pub fn introduced(mut self, by: &str) -> Self {
        self.message = format!("{by}: {}", self.message).into_boxed_str();
        self
    }

    /// Adds a public fact that programs can read.
    #[must_use]
    pub fn with_fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// Attaches the internal cause, which only the log and the operator's terminal show.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into().into());
        self
    }

    /// The category of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable name of the reason; the name of the kind if no reason is set.
    pub fn reason(&self) -> &'static str {
        self.reason.map_or(self.kind.name(), ErrorReason::name)
    }

    /// The public text.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the cause is already logged.
    pub fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// The field violations; empty unless the kind is INVALID_ARGUMENT.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The delay after which the same call may be retried.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The id of the task that is missing (NOT_FOUND) or already exists (ALREADY_EXISTS).
    pub fn task_id(&self) -> Option<&str> {
        self.task_id.as_deref()
    }

    /// Public facts by name, for example the status that does not allow a transition.
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    /// Logs the cause; called once, where the error leaves the service. Errors of the caller are not logged, and refusals for
    /// load are counted and logged together.
    pub fn log(&self) {
        let cause = self.internal_cause();
        match self.kind {
            _ if self.is_logged || self.reason == Some(ErrorReason::Overloaded) => {
                tracing::debug!(cause, "{}", self.message);
            }
            ErrorKind::Internal => tracing::error!(cause, "internal error"),
            ErrorKind::Unavailable => tracing::warn!(cause, "{}", self.message),
            _ => {}
        }
    }

    /// The internal cause with its chain of sources, for the log and the operator's terminal.
    pub fn internal_cause(&self) -> Option<String> {
        let mut source: Option<&dyn StdError> = Some(self.cause.as_deref()?);
        let mut text = String::new();
        while let Some(error) = source {
            // Many errors repeat the text of their source.
            let line = error.to_string();
            if !text.contains(&line) {
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&line);
            }
            source = error.source();
        }
        Some(text)
    }
}

/// The first ids in quotes, and the number of the others.
fn quoted(task_ids: &[&str]) -> Listed {
    listed(task_ids, |id| {
        format!("\"{}\"", redacted(id).escape_debug())
    })
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("cause", &self.internal_cause())
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let cause: &(dyn StdError + 'static) = self.cause.as_deref()?;
        Some(cause)
    }
}
