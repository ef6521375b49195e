//! Converts gRPC errors to messages for the terminal.

use std::{error::Error as _, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{harmless, tls::Trust};
use crate::{
    error::{Error, ErrorKind},
    server::SPEAKS_TLS,
};

/// What h2 says of an answer in HTTP/1.1, whose first letters it reads as the length of a frame.
const NOT_HTTP2: &str = "frame with invalid size";
const USE_HTTP2: &str =
    "name the service's port for calls (--listen) in --url, or a proxy that passes HTTP/2 on to it";

/// The error for the terminal: code, message, field violations and, for INTERNAL, the request id to look up in the
/// service's log. `trust` is `None` for a connection without TLS. `was_answered`: whether the service ever answered.
pub(super) fn refused(
    status: &Status,
    url: &str,
    trust: Option<&Trust>,
    was_answered: bool,
) -> Error {
    let details = status.get_error_details();
    // An error of the service has details; this one is of the connection, and its code is a guess of the library.
    if details.error_info().is_none()
        && !was_answered
        && let Some(why) = of_connection(status, trust)
    {
        let why = format!("the service at {url} cannot be reached: {}", harmless(&why));
        return Error::new(ErrorKind::Unavailable, why);
    }
    // The reason of a broken connection is only in its sources.
    let mut text = format!("{}: {}", code_name(status.code()), causes(status));
    // The service's own message contains them; the message of a proxy may not.
    let violations = details.bad_request().map(|bad| &bad.field_violations);
    for violation in violations.into_iter().flatten() {
        if !text.contains(&violation.description) {
            text += &format!("; {} {}", violation.field, violation.description);
        }
    }
    if status.code() == Code::Internal
        && let Some(request) = details.request_info()
    {
        text += &format!(" (request id {})", request.request_id);
    }
    Error::new(ErrorKind::FailedPrecondition, harmless(&text))
}

/// Why a connection ended, if a wrong option is the likely reason.
fn of_connection(status: &Status, trust: Option<&Trust>) -> Option<String> {
    let explained = trust.and_then(|trust| trust.explain(status.source()?));
    if explained.is_some() {
        return explained;
    }
    let causes = causes(status);
    if trust.is_none() && causes.contains(SPEAKS_TLS) {
        return Some("it speaks TLS; use https:// in --url".to_owned());
    }
    if causes.contains(NOT_HTTP2) {
        let what = "what answers there does not speak HTTP/2, which gRPC needs";
        return Some(format!("{what}; {USE_HTTP2}"));
    }
    if status.message().starts_with("grpc-status header missing") {
        let what = "what answers there is not its port for calls (--listen): ";
        return Some(format!("{what}{}", status.message()));
    }
    // The library gives a connection that ended various codes and texts, but always a source.
    status.source()?;
    Some(match trust {
        Some(trust) => format!("{} ({causes})", trust.hint()),
        None => format!(
            "the connection was closed before an answer came ({causes}); if what is there does not speak HTTP/2, {USE_HTTP2}"
        ),
    })
}

/// The message of a status and the texts of its sources.
fn causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text += &format!(": {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The minimum pause before a retry; `None` if a retry cannot succeed. `was_answered`: whether the service ever answered.
pub(in crate::cli) fn retry(status: &Status, was_answered: bool) -> Option<Duration> {
    let details = status.get_error_details();
    let after = details.retry_info().and_then(|info| info.retry_delay);
    let is_worth_it = match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => true,
        // A quota that is used up for now says when it is there again.
        Code::ResourceExhausted if after.is_some() => true,
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::Unimplemented => false,
        // Other errors of the service carry details and would repeat. An error without details is a broken connection,
        // for which many codes are possible. A service that never answered would probably end the next one too.
        _ => was_answered && details.error_info().is_none(),
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
