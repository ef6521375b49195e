//! The deadline that a caller sets, with `grpc-timeout` or with `connect-timeout-ms`.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::error::{Error, ErrorKind, ErrorReason, Reason, Result, Violation};

/// The header by which callers of a transport set their timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutHeader {
    /// `grpc-timeout`.
    Grpc,
    /// `connect-timeout-ms`.
    Connect,
}

impl TimeoutHeader {
    fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc-timeout",
            Self::Connect => "connect-timeout-ms",
        }
    }

    /// The caller's timeout, if the header is present. INVALID_ARGUMENT if it cannot be parsed.
    pub(super) fn asked(self, headers: &HeaderMap) -> Result<Option<Duration>> {
        let Some(value) = headers.get(self.name()) else {
            return Ok(None);
        };
        let (timeout, why) = match self {
            Self::Grpc => (parse_grpc_timeout(value), Reason::BAD_TIMEOUT),
            Self::Connect => (parse_milliseconds(value), Reason::BAD_MILLISECONDS),
        };
        let bad = || Error::invalid(vec![Violation::new(self.name(), why)]);
        timeout.ok_or_else(bad).map(Some)
    }

    /// DEADLINE_EXCEEDED if the caller's timeout is shorter than `least`. Such a call would mostly be cut off while its
    /// statement runs, and each statement that is cut off costs its database connection.
    pub(super) fn check_least(self, asked: Option<Duration>, least: Duration) -> Result<()> {
        match asked {
            Some(asked) if asked < least => {
                let name = self.name();
                let what =
                    format!("{name} must be at least {least:?}, got {asked:?}; nothing was done");
                Err(Error::new(ErrorKind::DeadlineExceeded, what)
                    .because(ErrorReason::DeadlineTooShort))
            }
            _ => Ok(()),
        }
    }
}

/// Parses a timeout of the Connect protocol: at most ten digits.
fn parse_milliseconds(value: &HeaderValue) -> Option<Duration> {
    let digits = value.to_str().ok()?;
    let is_number = (1..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let milliseconds = digits.parse().ok().filter(|_| is_number)?;
    Some(Duration::from_millis(milliseconds))
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
