//! The one error of the application, free of any transport.
//!
//! What callers may read (`kind`, `message`, `violations`) and what only the log may hold (`cause`) are separate
//! fields, and the cause has no way into `Display`: it cannot leak into an answer. `grpc::status` and
//! `gateway::error` turn an [`Error`] into their protocol's form, last.

mod names;
mod reason;
mod sentence;
mod violation;

use std::{error::Error as StdError, fmt, time::Duration};

pub use names::{ErrorReason, ViolationReason};
pub use reason::Reason;
pub use sentence::TIME_FORMS;
pub use violation::{Violation, Violations};

use crate::redaction::redacted;

/// What went wrong, in the words of `google.rpc.Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong, whatever the state of the system.
    InvalidArgument,
    /// No key, or one that is not (or no longer) good.
    Unauthenticated,
    /// The key is good but lacks the scope.
    PermissionDenied,
    /// There is no such thing in this tenant.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The system is not in the state that the call needs.
    FailedPrecondition,
    /// The call lost against another one: what it was based on is no longer so.
    Aborted,
    /// The request is larger than the service takes.
    ResourceExhausted,
    /// The deadline passed before there was an answer.
    DeadlineExceeded,
    /// The service cannot answer now; the same call may succeed later.
    Unavailable,
    /// A fault of the service itself.
    Internal,
    /// A command was called the wrong way; never sent to a caller.
    BadUsage,
}

impl ErrorKind {
    /// The code's name as `google.rpc.Code` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
            Self::BadUsage => "BAD_USAGE",
        }
    }
}

/// An error on its way to a caller.
pub struct Error {
    kind: ErrorKind,
    message: Box<str>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    task_id: Option<Box<str>>,
    reason: Option<ErrorReason>,
    facts: Vec<(&'static str, String)>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    is_logged: bool,
}

/// The application's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` is public.
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

    /// INVALID_ARGUMENT with every field at fault; beyond what an answer holds, with their number.
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

    /// UNAUTHENTICATED: one and the same answer whatever is wrong with the key, so that it tells nothing about keys.
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorKind::Unauthenticated,
            "a valid API key is needed: x-api-key or authorization: Bearer",
        )
    }

    /// NOT_FOUND: the caller's tenant has no task of this id.
    pub fn no_such_task(task_id: impl Into<String>) -> Self {
        Self {
            task_id: Some(redacted(&task_id.into()).into()),
            ..Self::new(ErrorKind::NotFound, "there is no such task in this tenant")
        }
    }

    /// ALREADY_EXISTS: the ids of these tasks are taken.
    pub fn task_ids_taken(task_ids: &[&str]) -> Self {
        const TOLD: usize = 10;
        let mut ids: Vec<String> = task_ids
            .iter()
            .take(TOLD)
            .map(|id| format!("\"{}\"", redacted(id).escape_debug()))
            .collect();
        if task_ids.len() > TOLD {
            ids.push(format!("and {} more", task_ids.len() - TOLD));
        }
        Self {
            task_id: task_ids.first().map(|id| redacted(id).into()),
            ..Self::new(
                ErrorKind::AlreadyExists,
                format!("there are tasks of these ids already: {}", ids.join(", ")),
            )
        }
    }

    /// DEADLINE_EXCEEDED.
    pub fn deadline_exceeded() -> Self {
        Self::new(
            ErrorKind::DeadlineExceeded,
            "the deadline passed before the answer was ready; a narrower filter is faster, and page_token reaches far \
            pages of every order at the cost of the first",
        )
    }

    /// UNAVAILABLE; `retry_after` tells the caller when to try again.
    pub fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(ErrorKind::Unavailable, message)
        }
    }

    /// INTERNAL: callers get one fixed sentence, the log gets the cause.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            ErrorKind::Internal,
            "the service failed to answer; the request id names the log entry",
        )
        .caused_by(cause)
    }

    /// Names the reason, where the kind alone does not say it.
    #[must_use]
    pub fn because(mut self, reason: ErrorReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The same call may be tried again after this time.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Notes that the log has the cause: it is one of many errors from the same state, which is logged on its own.
    #[must_use]
    pub fn logged(mut self) -> Self {
        self.is_logged = true;
        self
    }

    /// Adds a public fact that a program can read.
    #[must_use]
    pub fn with_fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }

    /// Keeps what lies behind the error, for the log alone.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable name of the reason; that of the kind where no other was given.
    pub fn reason(&self) -> &'static str {
        self.reason.map_or(self.kind.name(), ErrorReason::name)
    }

    /// The public sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the log has the cause already.
    pub fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// The fields at fault; empty for all kinds but INVALID_ARGUMENT.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// When the same call may be tried again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The id of the task that is not there (NOT_FOUND), or that is (ALREADY_EXISTS).
    pub fn task_id(&self) -> Option<&str> {
        self.task_id.as_deref()
    }

    /// Public facts by name, as the status that does not allow an action.
    pub fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    /// Writes the cause into the log, once, on the error's way out. What a caller did wrong is the caller's to know.
    pub fn log(&self) {
        let cause = self.internal_cause();
        match self.kind {
            _ if self.is_logged => tracing::debug!(cause, "{}", self.message),
            ErrorKind::Internal => tracing::error!(cause, "internal error"),
            ErrorKind::Unavailable => tracing::warn!(cause, "{}", self.message),
            _ => {}
        }
    }

    /// The internal cause and all that lies behind it, for the log and the operator's terminal.
    pub fn internal_cause(&self) -> Option<String> {
        let mut source: Option<&dyn StdError> = Some(self.cause.as_deref()?);
        let mut text = String::new();
        while let Some(error) = source {
            // Many errors repeat their source in their own text.
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

impl StdError for Error {}
