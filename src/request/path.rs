//! Paths that clients have percent-encoded more than they need.

use http::Uri;

/// Decodes in a path what means the same with and without percent-encoding: unreserved characters (RFC 3986, section
/// 6.2.2.2), and the colon, which some clients encode and which stands in `outboundtasks:watch`. A slash stays encoded: it
/// is part of a task id, not of a route.
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
    // A path stays one when a harmless character takes the place of its code.
    if let Ok(decoded) = Uri::from_parts(parts) {
        *uri = decoded;
    }
}

/// The path with these characters decoded; `None` where there are none.
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
