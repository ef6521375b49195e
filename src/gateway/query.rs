//! A strict parser of query strings: unknown and repeated parameters, invalid escapes and invalid UTF-8 are violations.
//!
//! An empty value counts as absent, because HTML forms send one for every field that was left empty. gRPC treats the
//! empty values of its messages in the same way.

use std::{borrow::Cow, ops::RangeInclusive};

use http::{HeaderMap, Uri};
use percent_encoding::percent_decode;
use strum::{IntoStaticStr, VariantArray};

use crate::{
    domain::words::{Word, is_whole},
    error::{Reason, Violation, Violations},
    redaction::excerpt,
    request::key_from_headers,
};

/// The name of the key's parameter in the specification.
const API_KEY: &str = "api_key";
/// The form of names and values (WHATWG URL, "application/x-www-form-urlencoded").
const ESCAPED: &str =
    "percent-encoded: two hexadecimal digits follow each %, and % itself is written as %25";

/// The key of a request, from the headers or else from the query string. If there are several keys, the first one is
/// used; [`Query::parse`] then reports the repetition.
pub(super) fn key<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<Cow<'a, str>> {
    if let Some(key) = key_from_headers(headers) {
        return Some(Cow::Borrowed(key));
    }
    let pairs = uri.query()?.split('&');
    let mut pairs =
        pairs.filter_map(|pair| pair.split_once('=').filter(|(_, value)| !value.is_empty()));
    let (_, key) = pairs.find(|(name, _)| decode(name).is_ok_and(|name| name == API_KEY))?;
    decode(key).ok().map(Cow::Owned)
}

/// The parameters of one request. Each reader takes its parameter out; the remaining ones are unknown.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    pub(super) violations: Violations,
}

impl Query {
    /// Parses the query string. The key is taken out here, because [`key`] has already read it.
    pub(super) fn parse(text: &str) -> Self {
        let mut query = Self {
            pairs: Vec::new(),
            violations: Violations::new(),
        };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Ok(name), _) if name.is_empty() => query.violation("query", Reason::NameEmpty),
                (Ok(name), Ok(value)) => query.pairs.push((name, value)),
                // The raw value is not quoted because it may hold a key.
                (Ok(name), Err(why)) => query.violation(&excerpt(&name), why),
                (Err(Reason::NotUtf8), _) => query.violation("query", Reason::NameNotUtf8),
                (Err(why), _) => query.violation("query", why),
            }
        }
        query.one(API_KEY);
        query
    }

    /// Records a violation of a parameter.
    pub(super) fn violation(&mut self, name: &str, why: Reason) {
        self.violations.push(Violation::new(name, why));
    }

    /// All values of a parameter in order, including empty ones.
    pub(super) fn all(&mut self, name: &str) -> Vec<String> {
        let of_name = self.pairs.extract_if(.., |(n, _)| n == name);
        of_name.map(|(_, value)| value).collect()
    }

    /// The non-empty values of a parameter that may be repeated, in order.
    pub(super) fn many(&mut self, name: &str) -> Vec<String> {
        let mut values = self.all(name);
        values.retain(|value| !value.is_empty());
        values
    }

    /// The value of a parameter that may occur only once.
    pub(super) fn one(&mut self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        if values.len() > 1 {
            self.violation(name, Reason::Repeated);
        }
        values.pop().filter(|value| !value.is_empty())
    }

    /// The value as an integer. The domain checks the range; only a number that does not fit into an i64 is reported
    /// here, with `allowed` as its range.
    pub(super) fn number(&mut self, name: &str, allowed: RangeInclusive<i64>) -> Option<i64> {
        let text = self.one(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            let actual = excerpt(&text);
            let why = match is_whole(&text) {
                true => Reason::OutOfAnyRange {
                    min: *allowed.start(),
                    max: *allowed.end(),
                    actual,
                },
                false => Reason::NotANumber { actual },
            };
            self.violation(name, why);
        }
        number
    }

    /// The comma-separated words of a value. An empty word is a violation, but an empty value has no words.
    pub(super) fn words<'v>(&mut self, name: &str, value: &'v str) -> Vec<&'v str> {
        let words = || value.split(',').filter(|_| !value.is_empty());
        if words().any(str::is_empty) {
            self.violation(name, Reason::EmptyWord);
        }
        words().filter(|word| !word.is_empty()).collect()
    }

    /// The value as one of the words of an enum; the default if it is missing or invalid.
    pub(super) fn word<T: Word + Default>(&mut self, name: &str) -> T {
        let Some(text) = self.one(name) else {
            return T::default();
        };
        T::parse(&text).unwrap_or_else(|why| {
            self.violation(name, why.was(excerpt(&text)));
            T::default()
        })
    }

    /// The value as a boolean; false if it is missing or invalid.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.word::<Flag>(name) == Flag::True
    }

    /// All violations, including one for each unknown parameter.
    pub(super) fn into_violations(mut self) -> Violations {
        let mut left: Vec<String> = self.pairs.drain(..).map(|(name, _)| name).collect();
        left.sort();
        left.dedup();
        for name in left {
            let violation = || Violation::new(excerpt(&name), Reason::UnknownParameter);
            self.violations.push_with(violation);
        }
        self.violations
    }
}

/// The words of a boolean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
enum Flag {
    #[default]
    False,
    True,
}

/// Decodes percent-encoding and plus signs. The reason says why it is not possible: a `%` without two hexadecimal digits,
/// or bytes that are not UTF-8.
fn decode(text: &str) -> Result<String, Reason> {
    let escapes = text.split('%').skip(1);
    let is_whole =
        |escape: &[u8]| escape.len() >= 2 && escape[..2].iter().all(u8::is_ascii_hexdigit);
    if !escapes.map(str::as_bytes).all(is_whole) {
        return Err(Reason::Malformed { form: ESCAPED });
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
    let decoded = decoded.map_err(|_| Reason::NotUtf8)?;
    Ok(decoded.into_owned())
}
