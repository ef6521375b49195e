//! The trace that a caller says its call belongs to (W3C Trace Context, "traceparent Header").

use std::fmt;

use http::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Length of version 00: the version, the ids of the trace and of the caller's span, and flags, with dashes between.
const LENGTH: usize = 55;

/// The id of a trace: 32 lower-case hexadecimal digits, not all of them 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceId([u8; 32]);

impl TraceId {
    /// The trace that the headers name; `None` without a valid and single `traceparent`.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT).iter();
        let value = values.next()?.as_bytes();
        let is_single = values.next().is_none();
        let is_hex = |bytes: &[u8]| {
            let mut bytes = bytes.iter();
            bytes.all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let [v, w, b'-', rest @ ..] = value else {
            return None;
        };
        // Later versions may add fields behind a dash; version ff is forbidden.
        let is_version = match (&[*v, *w], value.len()) {
            (b"00", length) => length == LENGTH,
            (b"ff", _) => false,
            (version, LENGTH) => is_hex(&version[..]),
            (version, _) => is_hex(&version[..]) && value.get(LENGTH) == Some(&b'-'),
        };
        let trace: [u8; 32] = rest.get(..32)?.try_into().ok()?;
        let span = rest.get(33..49)?;
        let is_valid = is_single
            && is_version
            && rest[32] == b'-'
            && rest[49..].first() == Some(&b'-')
            && is_hex(&trace)
            && is_hex(span)
            && is_hex(rest.get(50..52)?)
            && trace != [b'0'; 32]
            && span != [b'0'; 16];
        is_valid.then_some(Self(trace))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|b| fmt::Write::write_char(f, char::from(*b)))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn id_of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_str(value).expect("a header value");
            headers.append(TRACEPARENT, value);
        }
        TraceId::of(&headers).map(|id| id.to_string())
    }

    #[test]
    fn a_valid_header_names_its_trace() {
        let value = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(id_of(&[&value]).as_deref(), Some(TRACE));
        // A later version, alone and with a field more.
        for later in ["", "-more"] {
            let value = format!("cc-{TRACE}-00f067aa0ba902b7-01{later}");
            assert_eq!(id_of(&[&value]).as_deref(), Some(TRACE));
        }
    }

    #[test]
    fn an_invalid_header_names_none() {
        let (span, zeros) = ("00f067aa0ba902b7", "0".repeat(32));
        for value in [
            String::new(),
            "00".to_owned(),
            TRACE.to_owned(),
            format!("00-{TRACE}"),
            format!("00-{TRACE}-{span}"),
            format!("00-{TRACE}-{span}-"),
            format!("00-{TRACE}-{span}-1"),
            format!("00-{TRACE}-{span}-01-more"),
            format!("cc-{TRACE}-{span}-01.more"),
            format!("ff-{TRACE}-{span}-01"),
            format!("0x-{TRACE}-{span}-01"),
            format!("00-{}-{span}-01", TRACE.to_uppercase()),
            format!("00-{zeros}-{span}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00_{TRACE}_{span}_01"),
            format!("00-{TRACE}-{span}-0g"),
        ] {
            assert_eq!(id_of(&[&value]), None, "{value:?}");
        }
        let value = format!("00-{TRACE}-{span}-01");
        assert_eq!(id_of(&[&value, &value]), None);
    }
}
