//! Random labels and filters by labels.

use std::collections::BTreeMap;

use fastrand::Rng;

const KEYS: [&str; 4] = ["region", "region/a", "r", "tier"];
const VALUES: [&str; 5] = ["", "east", "华东", "a=b", "east "];

/// A label of a small set.
pub fn random_label(random: &mut Rng) -> (String, String) {
    let (key, value) = (random.usize(0..KEYS.len()), random.usize(0..VALUES.len()));
    (KEYS[key].to_owned(), VALUES[value].to_owned())
}

fn random_term(random: &mut Rng) -> String {
    let (key, value) = random_label(random);
    match random.bool() {
        true => key,
        false => format!("{key}={value}"),
    }
}

/// One or two labels that a filter asks for.
pub fn random_wanted(random: &mut Rng) -> Vec<String> {
    let count = [1, 1, 2][random.usize(0..3)];
    (0..count).map(|_| random_term(random)).collect()
}

/// Whether a task with these labels has the one that a filter asks for.
pub fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|v| v == value),
        None => labels.contains_key(wanted),
    }
}
