//! Labels: the map of short texts that callers attach to tasks, and what filters by it.
//!
//! A filter names a key (`region`: the task has it, with any value) or a key with a value (`region=east`). Keys have no
//! `=`, so each of both is one text, a *term*. The database stores the terms of a task; a task matches a filter if it has
//! all terms of the filter.

use std::collections::BTreeMap;

use super::limits::length;
use crate::{
    error::{Reason, Violation, Violations},
    redaction::excerpt,
};

/// The maximum number of labels of a task, and of labels in a filter.
pub const MAX_LABELS: usize = 32;
/// The maximum number of characters of a key.
const MAX_KEY_CHARS: usize = 63;
/// The maximum number of characters of a value.
const MAX_VALUE_CHARS: usize = 255;
const KEY_FORM: &str = "a key of 1 to 63 of the characters a-z, 0-9, . _ / and -, of which the first is a letter or a digit";

/// The labels of a task: values by their keys, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The labels with these terms, as [`Labels::terms`] returned them.
    pub fn of_terms<'t>(terms: impl IntoIterator<Item = &'t str>) -> Self {
        let pairs = terms.into_iter().filter_map(pair);
        Self(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }

    /// What the database stores: for each label the key, and the key with the value. `None` if there is no label.
    pub fn terms(&self) -> Option<Vec<String>> {
        let terms = self
            .iter()
            .flat_map(|(key, value)| [key.to_owned(), format!("{key}={value}")]);
        (!self.is_empty()).then(|| terms.collect())
    }

    /// Adds a violation for everything that is wrong. `at` is the name of the field.
    pub fn check(&self, at: &str, violations: &mut Violations) {
        if self.0.len() > MAX_LABELS {
            violations.push(Violation::new(at, too_many(self.0.len())));
        }
        for (key, value) in self.0.iter().take(MAX_LABELS) {
            let field = || format!("{at}.{}", excerpt(key));
            check_label(field, key, Some(value), violations);
        }
    }

    /// Keys and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets the value of a key; `None` removes it.
    pub fn set(&mut self, key: String, value: Option<String>) {
        match value {
            Some(value) => self.0.insert(key, value),
            None => self.0.remove(&key),
        };
    }

    /// The length of all texts.
    pub fn text_bytes(&self) -> usize {
        self.iter()
            .map(|(key, value)| key.len() + value.len())
            .sum()
    }

    /// The map.
    pub fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }
}

/// Key and value of a term; `None` for the term of a key alone.
pub fn pair(term: &str) -> Option<(&str, &str)> {
    term.split_once('=')
}

/// Adds a violation of each rule that a label breaks. `field` names what holds it.
fn check_label(
    field: impl Fn() -> String,
    key: &str,
    value: Option<&str>,
    violations: &mut Violations,
) {
    let mut violation = |why| violations.push(Violation::new(field(), why));
    let is_first = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let has_form = key.bytes().all(|c| is_first(c) || b"._/-".contains(&c))
        && key.bytes().next().is_none_or(is_first);
    if !has_form {
        violation(Reason::Malformed { form: KEY_FORM });
    } else if let Some(why) = length(key, 1..=MAX_KEY_CHARS) {
        violation(why);
    }
    let value = value.unwrap_or_default();
    if let Some(why) = length(value, 0..=MAX_VALUE_CHARS) {
        violation(why);
    }
    if value.contains('\0') {
        violation(Reason::ForbiddenCharacter { name: "NUL" });
    }
}

/// Adds a violation of `field` if a key breaks a rule.
pub fn check_key(field: &str, key: &str, violations: &mut Violations) {
    check_label(|| field.to_owned(), key, None, violations);
}

fn too_many(actual: usize) -> Reason {
    Reason::Count {
        min: 0,
        max: MAX_LABELS,
        noun: "labels",
        actual,
    }
}

/// The labels that a filter asks for: at least one term, sorted, each once. All of them must be among those of a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WantedLabels(Vec<String>);

impl WantedLabels {
    /// Checks the labels of a filter, each `key` or `key=value`; `None` if there are none. `at` is the name of the field.
    pub fn check(at: &str, mut labels: Vec<String>, violations: &mut Violations) -> Option<Self> {
        if labels.len() > MAX_LABELS {
            violations.push(Violation::new(at, too_many(labels.len())));
        }
        for (index, label) in labels.iter().enumerate().take(MAX_LABELS) {
            let (key, value) = pair(label).map_or((label.as_str(), None), |(k, v)| (k, Some(v)));
            check_label(|| format!("{at}[{index}]"), key, value, violations);
        }
        labels.sort_unstable();
        labels.dedup();
        (!labels.is_empty()).then_some(Self(labels))
    }

    /// The terms.
    pub fn terms(&self) -> &[String] {
        &self.0
    }

    /// Whether a task with these labels matches.
    pub fn match_all(&self, labels: &Labels) -> bool {
        self.0.iter().all(|term| match pair(term) {
            Some((key, value)) => labels.get(key) == Some(value),
            None => labels.get(term).is_some(),
        })
    }
}
