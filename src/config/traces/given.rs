//! The text of a setting, and what it can mean.

use std::{borrow::Cow, path::Path, str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use crate::{
    error::{Error, ErrorKind, Result},
    pem_file,
};

/// The first line of a certificate in PEM form.
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The text of a setting, with the setting's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) name: &'static str,
    pub(super) text: &'a str,
}

impl<'a> Given<'a> {
    /// `None` without a text.
    pub(super) fn of(name: &'static str, text: &'a str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then_some(Self { name, text })
    }

    /// The first one that has a text: the setting for traces alone, else the one for everything.
    pub(super) fn first(of: [(&'static str, Option<&'a str>); 2]) -> Option<Self> {
        let mut of = of.into_iter();
        of.find_map(|(name, text)| Self::of(name, text?))
    }

    pub(super) fn must_be<T>(self, what: &str) -> Result<T> {
        let Self { name, text } = self;
        Err(bad_usage(&format!("{name} must be {what}, got {text:?}")))
    }

    /// The pairs of a list such as `a=1,b=2`, with their values decoded; `None` if it is no such list.
    pub(super) fn pairs(self) -> Option<Vec<(String, String)>> {
        let pairs = self.text.split(',').filter(|pair| !pair.trim().is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=')?;
                let value = decoded(value.trim())?;
                let name = name.trim();
                (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
            })
            .collect()
    }

    /// The headers of a list. The error does not repeat the text, which may contain a key.
    pub(super) fn headers(self) -> Result<HeaderMap> {
        let parsed = self.pairs().and_then(|pairs| {
            let headers = pairs.into_iter().map(|(name, value)| {
                let name = HeaderName::from_str(&name).ok()?;
                Some((name, HeaderValue::from_str(&value).ok()?))
            });
            headers.collect::<Option<HeaderMap>>()
        });
        parsed.ok_or_else(|| {
            let name = self.name;
            bad_usage(&format!(
                "{name} must be name=value pairs of HTTP headers, separated by commas"
            ))
        })
    }

    /// The certificates of a file, in PEM form.
    pub(super) fn certificates(self) -> Result<Vec<u8>> {
        let Self { name, text } = self;
        let pem = pem_file::read(Path::new(text))
            .map_err(|error| bad_usage(&format!("{name}: {text} cannot be read: {error}")))?;
        match pem.windows(BEGIN.len()).any(|part| part == BEGIN) {
            true => Ok(pem),
            false => Err(bad_usage(&format!(
                "{name}: {text} has no certificate in PEM form"
            ))),
        }
    }
}

/// A text with its percent-encoding undone; `None` if a `%` begins no octet, or the octets are no UTF-8.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    let mut encoded = text.split('%').skip(1);
    let is_octet = |rest: &str| {
        let digits = rest.bytes().take(2);
        rest.len() >= 2 && digits.into_iter().all(|digit| digit.is_ascii_hexdigit())
    };
    let is_valid = encoded.all(is_octet);
    is_valid.then(|| percent_decode_str(text).decode_utf8().ok())?
}

pub(super) fn bad_usage(what: &str) -> Error {
    Error::new(ErrorKind::BadUsage, what)
}

pub(super) fn milliseconds(given: Option<Given<'_>>, default: u64) -> Result<Duration> {
    let Some(given) = given else {
        return Ok(Duration::from_millis(default));
    };
    match u64::from_str(given.text) {
        Ok(milliseconds @ 1..=3_600_000) => Ok(Duration::from_millis(milliseconds)),
        _ => given.must_be("milliseconds, a whole number from 1 to 3600000"),
    }
}

pub(super) fn number(given: Option<Given<'_>>, default: usize, most: usize) -> Result<usize> {
    let Some(given) = given else {
        return Ok(default);
    };
    match usize::from_str(given.text) {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => given.must_be(&format!("a whole number from 1 to {most}")),
    }
}
