//! Normalizes paths that a client has percent-encoded more than necessary.

use http::Uri;

/// Decodes the unreserved characters of a path, which mean the same encoded or not (RFC 3986, section 6.2.2.2), and the
/// colon of `outboundtasks:watch`, which some clients encode. A slash stays encoded: it belongs to a task id.
pub fn decode_path(uri: &mut Uri) {
    let Some(path) = decoded(uri.path()) else {
        return;
    };
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    // The replaced characters are all valid in a path, so the result is a valid path.
    if let Ok(decoded) = Uri::from_parts(parts) {
        *uri = decoded;
    }
}

/// The path with these characters decoded; `None` if it contains none.
fn decoded(path: &str) -> Option<String> {
    let (first, rest) = path.split_once('%')?;
    let mut decoded = first.to_owned();
    let mut is_changed = false;
    for part in rest.split('%') {
        let digits = part
            .get(..2)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) if code.is_ascii_alphanumeric() || b"-._~:".contains(&code) => {
                decoded.push(char::from(code));
                decoded.push_str(&part[2..]);
                is_changed = true;
            }
            _ => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    is_changed.then_some(decoded)
}
