//! The encodings that a request accepts.

use http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};

/// Takes refusals of the plain answer (`identity;q=0`, `*;q=0`) out of the headers. The layer that compresses would turn
/// the answer of a call that is done, a write too, into status 406. RFC 9110, section 12.5.3, lets a server ignore them.
pub fn accept_identity(headers: &mut HeaderMap) {
    let given: Vec<_> = headers
        .get_all(ACCEPT_ENCODING)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let left: Vec<_> = (given.iter().copied())
        .filter(|coding| !refuses_identity(coding))
        .collect();
    if left.len() == given.len() {
        return;
    }
    match HeaderValue::from_str(&left.join(",")) {
        Ok(left) if !left.is_empty() => {
            headers.insert(ACCEPT_ENCODING, left);
        }
        _ => {
            headers.remove(ACCEPT_ENCODING);
        }
    }
}

fn refuses_identity(coding: &str) -> bool {
    let Some((name, weight)) = coding.split_once(';') else {
        return false;
    };
    let weight = weight.trim().to_ascii_lowercase();
    let is_zero = (weight.strip_prefix("q="))
        .and_then(|weight| weight.trim().parse().ok())
        .is_some_and(|weight: f32| weight <= 0.0);
    is_zero && (name.trim() == "*" || name.trim().eq_ignore_ascii_case("identity"))
}
