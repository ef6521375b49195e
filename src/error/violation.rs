//! Field violations: what is wrong with the fields of a request.

use std::{borrow::Cow, fmt};

use super::Reason;

/// The maximum size of the violations in a response head, in bytes. gRPC clients accept 8 KiB of metadata by default,
/// and the head also has other fields.
const MOST_BYTES: usize = 5_800;
/// Bytes of a violation besides its texts: tags, lengths, and the name of the reason.
const OVERHEAD: usize = 60;

/// One invalid field and the reason, as the caller reads it (`google.rpc.BadRequest.FieldViolation`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the field in the API, such as `limit`.
    pub field: String,
    /// What is wrong with the value, by name and parameters.
    pub reason: Reason,
    /// The same as an English sentence, such as "must be 1 to 1000, was 5000".
    pub description: String,
}

/// What is wrong with a value of an import record: for programs, and as a sentence that may say more, such as the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    reason: Reason,
    sentence: String,
}

impl Fault {
    /// A fault with a sentence of its own.
    pub fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        Self {
            reason,
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// A fault that only its sentence describes.
impl From<String> for Fault {
    fn from(sentence: String) -> Self {
        Self::new(Reason::Record, sentence)
    }
}

impl From<&str> for Fault {
    fn from(sentence: &str) -> Self {
        sentence.to_owned().into()
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self {
            sentence: reason.to_string(),
            reason,
        }
    }
}

impl From<Violation> for Fault {
    fn from(violation: Violation) -> Self {
        Self::new(violation.reason, violation.description)
    }
}

impl Violation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, reason: Reason) -> Self {
        Self {
            field: field.into(),
            description: reason.to_string(),
            reason,
        }
    }

    /// A violation in an import record.
    pub fn of_record(field: impl Into<String>, why: impl Into<Fault>) -> Self {
        let Fault { reason, sentence } = why.into();
        Self {
            field: field.into(),
            reason,
            description: sentence,
        }
    }

    /// The approximate size in a gRPC response head: percent-encoded in the message, base64 in the details.
    fn head_bytes(&self) -> usize {
        let message = percent_encoded(&self.field) + percent_encoded(&self.description);
        let parameters = self.reason.parameters();
        let parameters = parameters
            .iter()
            .map(|(name, value)| name.len() + value.len() + 8);
        let details = 2 * self.field.len() + self.description.len() + OVERHEAD;
        message + (details + parameters.sum::<usize>()) * 4 / 3
    }
}

fn percent_encoded(text: &str) -> usize {
    let bytes = text.bytes();
    bytes
        .map(|byte| if byte.is_ascii_alphanumeric() { 1 } else { 3 })
        .sum()
}

/// As much of a sentence as a response head can hold, once as its message and once in its details.
pub fn within_a_head(sentence: &str) -> Cow<'_, str> {
    let mut bytes = 0;
    let end = sentence.char_indices().find(|(at, char)| {
        let char = &sentence[*at..at + char.len_utf8()];
        bytes += percent_encoded(char) + char.len() * 4 / 3;
        bytes > MOST_BYTES
    });
    match end {
        None => sentence.into(),
        Some((end, _)) => format!("{}…", &sentence[..end]).into(),
    }
}

/// The first violations of a request, as many as a response head can hold, and the number of the others. A request of
/// 256 KiB may have a quarter of a million violations.
#[derive(Debug, Clone, PartialEq, Eq)]
/// Dereferences to the stored violations.
pub struct Violations {
    kept: Vec<Violation>,
    head_bytes: usize,
    most_bytes: usize,
    more: usize,
}

impl Default for Violations {
    fn default() -> Self {
        Self::new()
    }
}

impl Violations {
    /// An empty list for a response.
    pub fn new() -> Self {
        Self {
            kept: Vec::new(),
            head_bytes: 0,
            most_bytes: MOST_BYTES,
            more: 0,
        }
    }

    /// An empty list for an import record, without a size limit because no response has to hold it.
    pub fn of_record() -> Self {
        Self {
            most_bytes: usize::MAX,
            ..Self::new()
        }
    }

    /// Adds a violation. The first one is stored regardless of its size.
    pub fn push(&mut self, violation: Violation) {
        self.push_with(|| violation);
    }

    /// Adds a violation, which is made only if it may be stored: a request can have very many.
    pub fn push_with(&mut self, violation: impl FnOnce() -> Violation) {
        // Once one is left out, all later ones are too, so that the stored ones are a gapless prefix.
        if self.more > 0 {
            self.more += 1;
            return;
        }
        let violation = violation();
        let bytes = self.head_bytes + violation.head_bytes();
        if self.kept.is_empty() || bytes <= self.most_bytes {
            self.head_bytes = bytes;
            self.kept.push(violation);
        } else {
            self.more += 1;
        }
    }

    /// Adds all of another list, those that it left out too.
    pub fn append(&mut self, other: Self) {
        let more = other.more;
        self.extend(other);
        self.more += more;
    }

    /// The number of violations that were left out.
    pub fn more(&self) -> usize {
        self.more
    }
}

impl std::ops::Deref for Violations {
    type Target = [Violation];

    fn deref(&self) -> &[Violation] {
        &self.kept
    }
}

impl Extend<Violation> for Violations {
    fn extend<I: IntoIterator<Item = Violation>>(&mut self, violations: I) {
        violations.into_iter().for_each(|v| self.push(v));
    }
}

impl FromIterator<Violation> for Violations {
    fn from_iter<I: IntoIterator<Item = Violation>>(violations: I) -> Self {
        let mut all = Self::new();
        all.extend(violations);
        all
    }
}

impl From<Vec<Violation>> for Violations {
    fn from(violations: Vec<Violation>) -> Self {
        violations.into_iter().collect()
    }
}

impl IntoIterator for Violations {
    type Item = Violation;
    type IntoIter = std::vec::IntoIter<Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.kept.into_iter()
    }
}
