//! The kinds of attention in filters as messages, and back.

use prost_types::Duration;

use crate::{
    domain::attention::{Attention, AttentionSet, StalledAfter},
    error::{Reason, Violation, Violations},
};

/// Reads the kinds of a filter. `at` is the prefix of its fields' names.
pub(super) fn read_attention(
    at: &str,
    numbers: Vec<i32>,
    violations: &mut Violations,
) -> AttentionSet {
    let mut kinds = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.into_iter().enumerate() {
        match Attention::from_number(number) {
            Some(kind) => kinds.push(kind),
            None => violations.push_with(|| {
                let why = Reason::UnknownNumber {
                    of: ("TaskAttention", "TASK_ATTENTION_UNSPECIFIED"),
                    actual: number,
                };
                Violation::new(format!("{at}attention[{index}]"), why)
            }),
        }
    }
    kinds.into_iter().collect()
}

/// Reads a time in whole seconds.
pub(super) fn read_seconds(
    field: &str,
    duration: Option<Duration>,
    violations: &mut Violations,
) -> Option<i64> {
    let Duration { seconds, nanos } = duration?;
    if nanos != 0 {
        violations.push(Violation::new(field, Reason::WHOLE_SECONDS));
        return None;
    }
    Some(seconds)
}

pub(super) fn duration(after: StalledAfter) -> Duration {
    Duration {
        seconds: after.seconds,
        nanos: 0,
    }
}
