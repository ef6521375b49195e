//! The span of the caller that a call belongs to (W3C Trace Context).

use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Length of version 00: the version, the ids of the trace and of the caller's span, and flags, with dashes between.
const LENGTH: usize = 55;
/// The longest `tracestate` that is read. The recommendation asks for at least 512 characters.
const MOST_STATE_BYTES: usize = 4096;

/// The caller's span.
#[derive(Debug, Clone)]
pub struct Remote(pub(super) SpanContext);

impl Remote {
    /// The span that the headers name; `None` without a valid and single `traceparent`. An invalid `tracestate` is ignored.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
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
        let (trace, span, flags) = (rest.get(..32)?, rest.get(33..49)?, rest.get(50..52)?);
        let is_valid = is_single
            && is_version
            && rest[32] == b'-'
            && rest[49] == b'-'
            && [trace, span, flags].into_iter().all(is_hex);
        let number = |digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u128::from_str_radix(digits, 16).ok()
        };
        // Of the flags only the first is defined: whether the caller has recorded its span.
        let flags = TraceFlags::NOT_SAMPLED.with_sampled(number(flags)? & 1 == 1);
        let (trace, span) = (TraceId::from(number(trace)?), number(span)?);
        let span = SpanId::from(u64::try_from(span).ok()?);
        let context = SpanContext::new(trace, span, flags, true, state(headers));
        // Ids of zeros are invalid.
        (is_valid && context.is_valid()).then_some(Self(context))
    }

    /// The trace of the span.
    pub fn trace(&self) -> TraceId {
        self.0.trace_id()
    }
}

/// What the systems that the call went through have noted. The header may be repeated.
fn state(headers: &HeaderMap) -> TraceState {
    let values = headers.get_all(&TRACESTATE).iter();
    let values: Option<Vec<&str>> = values.map(|value| value.to_str().ok()).collect();
    let whole = values.unwrap_or_default().join(",");
    match whole.len() {
        1..=MOST_STATE_BYTES => TraceState::from_str(&whole).unwrap_or_default(),
        _ => TraceState::default(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn remote_of(values: &[&str], states: &[&str]) -> Option<Remote> {
        let mut headers = HeaderMap::new();
        let named = values.iter().map(|value| (TRACEPARENT, value));
        for (name, value) in named.chain(states.iter().map(|value| (TRACESTATE, value))) {
            let value = HeaderValue::from_str(value).expect("a header value");
            headers.append(name, value);
        }
        Remote::of(&headers)
    }

    fn id_of(values: &[&str]) -> Option<String> {
        remote_of(values, &[]).map(|remote| remote.trace().to_string())
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
    fn a_header_says_whether_its_span_is_recorded_and_what_systems_noted() {
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let value = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            let remote = remote_of(&[&value], &["a=1,b=2", "c=3"]).expect("a valid header");
            assert_eq!(remote.0.is_sampled(), is_sampled, "{flags}");
            assert_eq!(remote.0.span_id().to_string(), "00f067aa0ba902b7");
            assert_eq!(remote.0.trace_state().header(), "a=1,b=2,c=3");
            let remote = remote_of(&[&value], &["no list"]).expect("a valid header");
            assert_eq!(remote.0.trace_state().header(), "");
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
