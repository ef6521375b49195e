//! Why a collector did not take spans.

/// Why a request failed.
pub(super) struct Failure {
    pub(super) why: String,
    /// Whether the same request may succeed later.
    pub(super) is_passing: bool,
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
