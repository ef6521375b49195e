//! What is wrong with the fields of a request.

use super::Reason;

/// How many bytes of an answer's head its violations may take. gRPC clients accept 8 KiB of metadata by default, and the head
/// holds other fields too.
const MOST_BYTES: usize = 5_800;
/// What a violation takes beside its texts: tags, lengths, and the name of the reason.
const OVERHEAD: usize = 60;

/// One field at fault and why, as a caller reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's name in the contract, as `limit`.
    pub field: String,
    /// What is wrong with its value, by name and parameters.
    pub reason: Reason,
    /// The same as a sentence, as "must be 1 to 1000, was 5000".
    pub description: String,
}

impl Violation {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, reason: Reason) -> Self {
        Self {
            field: field.into(),
            description: reason.to_string(),
            reason,
        }
    }

    /// A fault of a record of an import, in words for the operator's terminal.
    pub fn of_record(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(field, Reason::Record(what.into()))
    }

    /// About how many bytes it takes of a gRPC answer's head: percent-encoded in the message, in base64 in the details.
    fn head_bytes(&self) -> usize {
        let texts = self.field.bytes().chain(self.description.bytes());
        let message: usize = texts
            .map(|byte| if byte.is_ascii_alphanumeric() { 1 } else { 3 })
            .sum();
        let parameters = self.reason.parameters();
        let parameters = parameters
            .iter()
            .map(|(name, value)| name.len() + value.len() + 8);
        let details = 2 * self.field.len() + self.description.len() + OVERHEAD;
        message + (details + parameters.sum::<usize>()) * 4 / 3
    }
}

/// The violations of one request, the first ones, as many as an answer can hold: a request of 256 KiB may have a quarter of a
/// million. How many more there are is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// None yet.
    pub fn new() -> Self {
        Self {
            kept: Vec::new(),
            head_bytes: 0,
            most_bytes: MOST_BYTES,
            more: 0,
        }
    }

    /// The same for a record of an import: all are kept, since no answer has to hold them.
    pub fn of_record() -> Self {
        Self {
            most_bytes: usize::MAX,
            ..Self::new()
        }
    }

    /// Adds one. The first is kept whatever its size.
    pub fn push(&mut self, violation: Violation) {
        let bytes = self.head_bytes + violation.head_bytes();
        // Those after one that was left out are left out too, so that the first ones are told without a gap.
        let has_room = bytes <= self.most_bytes && self.more == 0;
        if self.kept.is_empty() || has_room {
            self.head_bytes = bytes;
            self.kept.push(violation);
        } else {
            self.more += 1;
        }
    }

    /// How many there are beside those that are kept.
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
