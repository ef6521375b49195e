//! A query string, read strictly: nothing unknown, nothing twice, nothing that is not UTF-8.
//!
//! An empty value counts as absent, since HTML forms send one for every field that was left alone. gRPC does the same
//! with the empty values of its messages.

use std::{borrow::Cow, ops::RangeInclusive};

use http::{HeaderMap, Uri};
use percent_encoding::percent_decode;

use crate::{
    domain::words::{is_whole, of_word},
    error::{Reason, Violation, Violations},
    redaction::excerpt,
    request::key_from_headers,
};

/// The document's name for the key.
const API_KEY: &str = "api_key";

/// The key of a request: from the headers, or else from the query string. Of several the first counts: if it is
/// good, the caller is told that there are several.
pub(super) fn key<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<Cow<'a, str>> {
    if let Some(key) = key_from_headers(headers) {
        return Some(Cow::Borrowed(key));
    }
    let pairs = uri.query()?.split('&');
    let mut pairs =
        pairs.filter_map(|pair| pair.split_once('=').filter(|(_, value)| !value.is_empty()));
    let (_, key) = pairs.find(|(name, _)| decode(name).is_some_and(|name| name == API_KEY))?;
    decode(key).map(Cow::Owned)
}

/// The parameters of one request, each taken out once by the code that knows it; what is left is unknown.
#[derive(Debug)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    pub(super) faults: Violations,
}

impl Query {
    /// The query string of a request whose key [`key`] has read.
    pub(super) fn parse(text: &str) -> Self {
        let mut query = Self {
            pairs: Vec::new(),
            faults: Violations::new(),
        };
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) => query.pairs.push((name, value)),
                // The raw value may hold a key; the name tells enough.
                (Some(name), None) => query.fault(&excerpt(&name), Reason::NotUtf8),
                (None, _) => query.fault("query", Reason::NameNotUtf8),
            }
        }
        query.one(API_KEY);
        query
    }

    /// Notes a fault of a parameter.
    pub(super) fn fault(&mut self, name: &str, why: Reason) {
        self.faults.push(Violation::new(name, why));
    }

    /// All values of a parameter, in order, the empty ones too.
    pub(super) fn all(&mut self, name: &str) -> Vec<String> {
        let of_name = self.pairs.extract_if(.., |(n, _)| n == name);
        of_name.map(|(_, value)| value).collect()
    }

    /// The values of a parameter that may be repeated, in order.
    pub(super) fn many(&mut self, name: &str) -> Vec<String> {
        let mut values = self.all(name);
        values.retain(|value| !value.is_empty());
        values
    }

    /// The value of a parameter that may be given once.
    pub(super) fn one(&mut self, name: &str) -> Option<String> {
        let mut values = self.all(name);
        if values.len() > 1 {
            self.fault(name, Reason::Repeated);
        }
        values.pop().filter(|value| !value.is_empty())
    }

    /// The value as a whole number. Whether it is `allowed` is the domain's to check; only a number that no i64 holds
    /// is reported here.
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
            self.fault(name, why);
        }
        number
    }

    /// The comma-separated words of a value. An empty one is a fault, except that an empty value has no words.
    pub(super) fn words<'v>(&mut self, name: &str, value: &'v str) -> Vec<&'v str> {
        let words = || value.split(',').filter(|_| !value.is_empty());
        if words().any(str::is_empty) {
            self.fault(name, Reason::EmptyWord);
        }
        words().filter(|word| !word.is_empty()).collect()
    }

    /// The value as one of some words; the default where it is none of them or missing.
    pub(super) fn word<T: Copy + Default>(
        &mut self,
        name: &str,
        all: &[T],
        word_of: fn(T) -> &'static str,
    ) -> T {
        let Some(text) = self.one(name) else {
            return T::default();
        };
        of_word(&text, all, word_of).unwrap_or_else(|why| {
            self.fault(name, why.was(excerpt(&text)));
            T::default()
        })
    }

    /// The value as true or false; false where it is missing.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.word(name, &[false, true], |flag| match flag {
            false => "false",
            true => "true",
        })
    }

    /// All faults; whatever parameter is left is one of them.
    pub(super) fn into_faults(mut self) -> Violations {
        let mut left: Vec<String> = self.pairs.drain(..).map(|(name, _)| name).collect();
        left.sort();
        left.dedup();
        for name in left {
            self.fault(&excerpt(&name), Reason::UnknownParameter);
        }
        self.faults
    }
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
