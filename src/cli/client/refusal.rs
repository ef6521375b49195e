//! Converts gRPC errors to messages for the terminal.

use std::{error::Error as _, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::harmless;
use crate::error::{Error, ErrorKind};

/// The error for the terminal: code, message, field violations and, for INTERNAL, the request id to look up in the
/// service's log.
pub(in crate::cli) fn refused(status: &Status) -> Error {
    let details = status.get_error_details();
    let mut text = format!("{}: {}", code_name(status.code()), status.message());
    // The service's own message contains them; the message of a proxy may not.
    let violations = details.bad_request().map(|bad| &bad.field_violations);
    for violation in violations.into_iter().flatten() {
        if !text.contains(&violation.description) {
            text += &format!("; {} {}", violation.field, violation.description);
        }
    }
    // The reason of a broken connection is only in its sources.
    let mut source = status.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text += &format!(": {cause_text}");
        }
        source = cause.source();
    }
    if status.code() == Code::Internal
        && let Some(request) = details.request_info()
    {
        text += &format!(" (request id {})", request.request_id);
    }
    Error::new(ErrorKind::FailedPrecondition, harmless(&text))
}

/// The minimum pause before a retry; `None` if a retry cannot succeed.
pub(in crate::cli) fn retry(status: &Status) -> Option<Duration> {
    let details = status.get_error_details();
    let after = details.retry_info().and_then(|info| info.retry_delay);
    let is_worth_it = match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => true,
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::Unimplemented => false,
        // Other errors of the service carry details and would repeat. An error without details is a broken connection,
        // for which many codes are possible.
        _ => details.error_info().is_none(),
    };
    is_worth_it.then(|| after.unwrap_or_default())
}

/// The name of the code as in `google.rpc.Code`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelt_as_everywhere() {
        assert_eq!(code_name(Code::InvalidArgument), "INVALID_ARGUMENT");
        assert_eq!(code_name(Code::Internal), "INTERNAL");
    }
}
