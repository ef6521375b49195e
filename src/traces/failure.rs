//! Why a collector did not take spans.

use std::time::Duration;

/// Why a request failed.
pub(super) struct Failure {
    pub(super) why: String,
    /// The time after which the same request may succeed, at least; `None` if it never may.
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    /// A failure that passes, after a time that the collector did not say.
    pub(super) fn passing(why: String) -> Self {
        Self {
            why,
            retry_after: Some(Duration::ZERO),
        }
    }

    /// A failure that a repetition would meet again.
    pub(super) fn lasting(why: String) -> Self {
        Self {
            why,
            retry_after: None,
        }
    }
}

/// An error with what caused it, as one sentence.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
