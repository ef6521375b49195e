//! The deadline that a caller sets with `grpc-timeout`.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The caller's timeout, if the header is present. INVALID_ARGUMENT if it cannot be parsed.
pub(super) fn asked_timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else {
        return Ok(None);
    };
    let timeout = parse_grpc_timeout(value);
    let bad = || Error::invalid(vec![Violation::new("grpc-timeout", Reason::BAD_TIMEOUT)]);
    timeout.ok_or_else(bad).map(Some)
}

/// DEADLINE_EXCEEDED if the caller's timeout is shorter than `least`. Such a call would mostly be cut off while its
/// statement runs, and each statement that is cut off costs its database connection.
pub(super) fn check_least(asked: Option<Duration>, least: Duration) -> Result<()> {
    match asked {
        Some(asked) if asked < least => {
            let what =
                format!("grpc-timeout must be at least {least:?}, got {asked:?}; nothing was done");
            Err(Error::new(ErrorKind::DeadlineExceeded, what)
                .because(ErrorReason::DeadlineTooShort))
        }
        _ => Ok(()),
    }
}

/// Parses a `TimeoutValue TimeoutUnit` (gRPC over HTTP/2): at most eight digits and one of the units H, M, S, m, u, n.
fn parse_grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value
        .to_str()
        .ok()?
        .split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}
